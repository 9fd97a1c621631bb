"""The covering number of a chain of layers with spectral and (2,1) norms, in closed form.

After Bartlett, Foster and Telgarsky 2017, Theorem 3.3, with its gaps closed; docs/theory/spectral-cover.md. Everything
is written per example: x is the root mean square norm of the inputs.
"""

from sympy import IndexedBase, Product, Rational, Sum, log, sqrt, symbols

from boundcheck.functions import FloorIndex, TwoSidedIndex, grid_price, grid_up, two_sided_price

n, delta, gamma, R, x = symbols("n delta gamma R x", positive=True)
L = symbols("L", integer=True, positive=True)
i, j, m = symbols("i j m", integer=True, positive=True)
s, b, beta = (IndexedBase(name, nonnegative=True) for name in ("s", "b", "beta"))
beta0, rho, p, B = (IndexedBase(name, nonnegative=True) for name in ("beta^0", "rho", "p", "B"))


def complexity(s, b, beta, beta0, margin):
    """C = (2/gamma) (sum_i Q_i^(2/3))^(3/2) for norms already rounded up, given as functions of the layer.

    Q_i = Lam_i (b_i r_i + beta_i) (ln 2 p_i)^(1/2) sqrt(n), where r_i sqrt(n) bounds the Frobenius norm of the inputs of
    layer i over the training set and Lam_i the effect at the logits of an error after layer i.
    """
    r_i = x * Product(rho[j] * s(j), (j, 1, i - 1)) + Sum(
        rho[j] * (beta(j) + beta0(j)) * Product(rho[m] * s(m), (m, j + 1, i - 1)), (j, 1, i - 1)
    )
    Lam_i = rho[i] * Product(rho[j] * s(j), (j, i + 1, L))
    Q_i = Lam_i * (b(i) * r_i + beta(i)) * sqrt(log(2 * p[i]))
    return 2 * sqrt(n) / margin * Sum(Q_i ** Rational(2, 3), (i, 1, L)) ** Rational(3, 2)


def s_up(i):
    """s_i rounded up to the two-sided grid of ratio 2^(1/(8L))."""
    return 2 ** (TwoSidedIndex(s[i], L) / (8 * L))


def beta_up(i):
    """beta_i rounded up to the one-sided grid; 0 for a layer without bias, which has no index."""
    return B[i] * grid_up(beta[i])


margin_down = 2 ** (FloorIndex(gamma) / 8)
"""The margin rounded down to its grid."""

price = Sum(
    two_sided_price(TwoSidedIndex(s[i], L)) + grid_price(b[i]) + B[i] * grid_price(beta[i]),
    (i, 1, L),
) + two_sided_price(FloorIndex(gamma))
"""Pi: what the union over the grids of all norms and of the margin adds to ln(1/delta)."""

cover = complexity(s_up, lambda i: grid_up(b[i]), beta_up, lambda i: beta0[i], margin_down)
cover_from_zero = complexity(s_up, lambda i: grid_up(b[i]), beta_up, lambda i: 0, margin_down)
