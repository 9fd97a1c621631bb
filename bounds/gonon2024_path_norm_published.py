"""Gonon, Brisebarre, Riccietti and Gribonval 2024, Theorem 3.1 with its constants as in the code of the authors: one class, in expectation."""

from sympy import Max, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .margin import R, gamma, k, n
from .references import GONON_2024

r, x = symbols("r x", positive=True)
d, D, K = symbols("d D K", integer=True, positive=True)
P = symbols("P", integer=True, nonnegative=True)
sigma, C = symbols("sigma C", positive=True)

bound = Bound(
    id="gonon2024-path-norm-published",
    title="l1 path norm over the margin, as published",
    aliases=("gonon-published",),
    family="norm",
    guarantee="comparator",
    theorem=Theorem(
        value=R + 4 * sqrt(2) / gamma * sigma / n * C * r,
        where={
            sigma: sqrt(n) * Max(1, x),
            C: sqrt(D * log((3 + 2 * P) * K) + log((3 + 2 * P) / (1 + P) * (d + 1) * k)),
        },
        assumptions=(a.iid, a.fixed_in_advance, a.path_normed),
        citation=Citation(
            GONON_2024,
            theorem="Theorem 3.1",
            derivation="docs/theory/path-norm.md",
            verified="constants as in the code of the authors",
        ),
    ),
    symbols={
        n: q.sample_size,
        gamma: q.margin,
        R: q.ramp_risk,
        k: q.classes,
        r: q.path_norm,
        x: q.rms_coordinate,
        d: q.input_dimension,
        D: q.path_depth,
        P: q.pool_types,
        K: q.pool_size,
    },
    best_over=gamma,
    example=Example(
        {n: 50_000, gamma: 10, R: "1/100", k: 10, r: 100, x: 1, d: 784, D: 3, P: 0, K: 1}, "0.9347777840"
    ),
)
