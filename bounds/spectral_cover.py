"""The covering number of a chain of layers with spectral and (2,1) norms, in closed form.

After Bartlett, Foster and Telgarsky 2017, Theorem 3.3, with its gaps closed; docs/theory/spectral-cover.md. Everything
is written per example: x is the root mean square norm of the inputs, r_i that of the inputs of layer i at most, and
Lam_i the effect at the logits of an error after layer i.
"""

from sympy import Product, Rational, Sum, log, sqrt, symbols

from boundcheck import quantities as q
from boundcheck.functions import (
    Dudley,
    FloorIndex,
    TwoSidedIndex,
    families,
    grid_price,
    grid_up,
    two_sided_price,
)

n, delta, gamma, R, x = symbols("n delta gamma R x", positive=True)
L = symbols("L", integer=True, positive=True)
i, j, m = symbols("i j m", integer=True, positive=True)
s, b, beta, beta0 = families("s b beta beta^0")
rho, p, B = families("rho p B")

C, Pi, gamma_down = symbols(r"C Pi \bar{\gamma}", positive=True)
Q, Lam, r = families("Q Lambda r")
(price,) = families(r"\pi")
s_up, b_up, beta_up = families(r"\bar{s} \bar{b} \bar{\beta}")


def inputs(reference_bias):
    """r_i: an upper bound on the root mean square norm of the inputs of layer i."""
    return x * Product(rho[j] * s_up[j], (j, 1, i - 1)) + Sum(
        rho[j] * (beta_up[j] + reference_bias) * Product(rho[m] * s_up[m], (m, j + 1, i - 1)), (j, 1, i - 1)
    )


def complexity(reference_bias):
    """C and what it is made of, for norms rounded up (s_up, b_up, beta_up) and a margin rounded down."""
    return {
        C: 2 * sqrt(n) / gamma_down * Sum(Q[i] ** Rational(2, 3), (i, 1, L)) ** Rational(3, 2),
        Q[i]: Lam[i] * (b_up[i] * r[i] + beta_up[i]) * sqrt(log(2 * p[i])),
        Lam[i]: rho[i] * Product(rho[j] * s_up[j], (j, i + 1, L)),
        r[i]: inputs(reference_bias),
    }


stratification = {
    Pi: Sum(price[i], (i, 1, L)) + two_sided_price(FloorIndex(gamma)),
    price[i]: two_sided_price(TwoSidedIndex(s[i], L)) + grid_price(b[i]) + B[i] * grid_price(beta[i]),
    s_up[i]: 2 ** (TwoSidedIndex(s[i], L) / (8 * L)),
    b_up[i]: grid_up(b[i]),
    beta_up[i]: B[i] * grid_up(beta[i]),
    gamma_down: 2 ** (FloorIndex(gamma) / 8),
}
"""All norms and margins at once: each rounded to its grid, and the price Pi of the union over the grids.

A layer without bias (B_i = 0) has no index for one and pays nothing.
"""

value = R + 2 * Dudley(C, n) + 3 * sqrt((log(2 / delta) + Pi) / (2 * n))

symbols_of_cover = {
    n: q.sample_size,
    delta: q.delta,
    gamma: q.margin,
    R: q.ramp_risk,
    x: q.rms_input_norm,
    L: q.depth,
    s: q.spectral_norms,
    B: q.bias_flags,
    rho: q.lipschitz_constants,
    p: q.covering_atoms,
}
"""What does not depend on the reference matrices; b, beta and beta0 do."""

# Powers of the grids, so that nothing is rounded up.
example_values = {
    n: 10_000,
    delta: "1/100",
    gamma: 8,
    R: "1/10",
    x: 10,
    L: 2,
    s: (2, 4),
    b: (8, 16),
    beta: (0, 0),
    B: (0, 0),
    rho: (1, 1),
    p: (200, 100),
}
example_printed = "129.1854155"
