"""Galanti, Xu, Galanti and Poggio 2023, as the code of the authors evaluates it."""

from sympy import Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import R, delta, gamma, k, n, symbols_of_margin
from .references import GALANTI_2023

x, rho, C = symbols("x rho C", positive=True)
L, M = symbols("L M", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
F, K = families("F K")

bound = Bound(
    id="galanti2023-convolutional-published",
    title="Kernel norms and window sizes over the margin, as published",
    aliases=("galanti",),
    family="norm",
    guarantee="comparator",
    theorem=Theorem(
        value=R
        + 2 * sqrt(2) * (rho + 1) * C * x / sqrt(n)
        + 3 * sqrt(log(2 * (rho + 2) ** 2 / delta) / (2 * n)),
        where={
            rho: Product(F[i], (i, 1, L)) / gamma,
            C: (1 + sqrt(2 * (L * log(2 * M) + log(k)))) * Product(sqrt(K[i]), (i, 1, L)),
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            GALANTI_2023,
            derivation="docs/theory/path-norm.md",
            verified="constants as in the code of the authors",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        x: q.rms_pixel,
        F: q.layer_frobenius_norms,
        K: q.kernel_taps,
        M: q.largest_kernel,
        L: q.depth,
    },
    best_over=gamma,
    # The product of the norms over the margin is 10, that of the windows' sides 27.
    example=Example(
        {n: 50_000, delta: "1/20", gamma: 1, R: 0, k: 10, x: "100/sqrt(50000)"}
        | {F: (1, 2, 5, 1), K: (9, 9, 9, 1), M: 9, L: 4},
        "10.55491606",
    ),
)
