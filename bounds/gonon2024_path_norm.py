"""Gonon, Brisebarre, Riccietti and Gribonval 2024, repaired: the l1 path norm over the margin, for every network of ReLU and max pooling."""

from sympy import Max, Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import FIRST, c, gamma, k, n, symbols_of_margin, tau, value
from .references import GONON_2024

r, x = symbols("r x", positive=True)
S, D = symbols("S D", integer=True, positive=True)
B = symbols("B", nonnegative=True)
i = symbols("i", integer=True, positive=True)
(A,) = families("A")

bound = Bound(
    id="gonon2024-path-norm",
    title="l1 path norm over the margin",
    aliases=("path-norm",),
    family="norm",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=value,
        where={
            c: Max(B, x) / sqrt(n) * sqrt(2 * log(2 * k * (D + B) * Product(A[i], (i, 1, S)))),
            tau: r / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.path_normed),
        citation=Citation(
            GONON_2024,
            theorem="Theorem 3.1",
            derivation="docs/theory/path-norm.md",
            changes="with high probability, for all weights and margins at once; 2 a stage of ReLUs; maximum pooling by a tournament",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        r: q.centred_path_norm,
        x: q.rms_coordinate,
        D: q.input_dimension,
        B: q.bias_flag,
        A: q.stage_factors,
        S: q.stages,
    },
    best_over=gamma,
    example=Example({**FIRST, k: 10, r: 1000, x: 1, D: 784, B: 1, A: (2, 2), S: 2}, "86.14986228"),
)
