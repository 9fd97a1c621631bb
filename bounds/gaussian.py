"""Gaussian noise on the weights, at a size that moves no margin by more than half of what is asked for.

After Neyshabur, Bhojanapalli and Srebro 2018; docs/theory/pac-bayes-spectral.md. Group i is the weights of a layer
(w_i = 1) or its biases (w_i = 0); d_i is its distance from the mean of the prior, Lam_i the effect at the logits of an
error after its layer, and a_i what it multiplies.
"""

import sympy
from sympy import Piecewise, Rational, StrictGreaterThan, Sum, log, sqrt, symbols

from boundcheck import quantities as q
from boundcheck.functions import (
    CeilIndex,
    FloorIndex,
    Larger,
    Within,
    families,
    index_families,
    two_sided_price,
)

n, delta, gamma, R = symbols("n delta gamma R", positive=True)
M = symbols("M", integer=True, positive=True)
i, k = symbols("i k", integer=True, positive=True)
w, d, s, a, Lam, h, D = families("w d s a Lambda h D")

ETA = Rational(1, 10)
"""The probability with which the noise may do more than it should."""

K, Pi, S, G, ell = symbols("K Pi S G ell", positive=True)
J = symbols("J", integer=True)
tau, move, v, u = families("tau q v u")
(m,) = index_families("m")

entropy = -ETA * log(ETA) - (1 - ETA) * log(1 - ETA)

value = R + sqrt(((K + entropy) / (1 - ETA) + log(2 * sqrt(n) / delta) + Pi) / (2 * n))

where = {
    K: Within(
        Sum(d[i] ** 2 * 2 ** (m[i] / 4) / 2, (i, 1, M)),
        4 * S**3 / gamma**2,
        2 ** Rational(1, 4) * (4 * S**3 / 2 ** (J / 4) + G),
    ),
    Pi: two_sided_price(J) + Sum(two_sided_price(m[i]), (i, 1, M)),
    # sigma_i = 2^(-m_i/8), at most gamma/v_i and 1/u_i: the second keeps the noise below s_i over the number of layers.
    m[i]: Larger(CeilIndex(v[i]) - J, CeilIndex(u[i])),
    v[i]: 2 * sqrt(2) * S * (move[i] / d[i] ** 2) ** Rational(1, 3),
    G: Sum(d[k] ** 2 * u[k] ** 2 / 2, (k, 1, M)),
    S: Sum((d[k] * move[k]) ** Rational(2, 3), (k, 1, M)),
    u[i]: w[i] * ell * tau[i] / s[i],
    ell: Sum(w[k], (k, 1, M)),
    move[i]: sympy.E * Lam[i] * a[i] * tau[i],
    tau[i]: Piecewise(
        (sqrt(2 * h[i] * log(M * D[i] / ETA)), StrictGreaterThan(w[i], 0)),
        (sqrt(h[i]) + sqrt(2 * log(M / ETA)), True),
    ),
    J: FloorIndex(gamma),
}

symbols_of_noise = {
    n: q.sample_size,
    delta: q.delta,
    gamma: q.margin,
    R: q.margin_error,
    M: q.parameter_groups,
    w: q.group_weight_flags,
    s: q.group_spectral_norms,
    a: q.group_inputs,
    Lam: q.group_effects,
    h: q.group_fans,
    D: q.group_dimensions,
}

# A chain of three layers without biases: norms 2, 3 and 3/2, inputs of norm 9.
example_values = {
    n: 50_000,
    delta: "1/20",
    gamma: 8,
    R: "1/100",
    M: 3,
    w: (1, 1, 1),
    d: (5, 6, 2),
    s: (2, 3, "3/2"),
    a: (9, 18, 54),
    Lam: ("9/2", "3/2", 1),
    h: (784, 256, 256),
    D: (1040, 512, 266),
}
example_printed = "179.6206041"
