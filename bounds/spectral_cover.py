"""The covering number of a chain of layers with spectral and (2,1) norms, in closed form.

After Bartlett, Foster and Telgarsky 2017, Theorem 3.3, with its gaps closed; docs/theory/spectral-cover.md. Everything
is written per example: x is the root mean square norm of the inputs, r_i that of the inputs of layer i at most, and
Lam_i the effect at the logits of an error after layer i.
"""

from sympy import Product, Rational, Sum, log, sqrt, symbols

from boundcheck.functions import FloorIndex, TwoSidedIndex, families, grid_price, grid_up, two_sided_price

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
