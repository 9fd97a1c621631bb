"""Gonon, Brisebarre, Riccietti and Gribonval 2024, hybrid: l2 norms of the units that read the input, then absolute weights along paths."""

from sympy import Max, Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import FIRST, c, gamma, k, n, symbols_of_margin, tau, value
from .references import GONON_2024

r, x = symbols("r x", positive=True)
S, P = symbols("S P", integer=True, positive=True)
B = symbols("B", nonnegative=True)
i = symbols("i", integer=True, positive=True)
(A,) = families("A")

bound = Bound(
    id="gonon2024-path-norm-hybrid",
    title="Hybrid path norm over the margin: l2 in the first layer, l1 after it",
    aliases=("path-norm-hybrid",),
    family="norm",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=value,
        where={
            c: Max(B, x) / sqrt(n) * (1 + sqrt(2 * log(k * (P + B) * Product(A[i], (i, 1, S))))),
            tau: r / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.path_normed),
        citation=Citation(
            GONON_2024,
            theorem="Theorem 3.1",
            derivation="docs/theory/path-norm.md",
            changes="l2 norms in the first layer; with high probability, for all weights and margins at once",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        r: q.hybrid_path_norm,
        x: q.rms_patch,
        P: q.patches,
        B: q.bias_flag,
        A: q.stage_factors,
        S: q.stages,
    },
    best_over=gamma,
    example=Example(
        {**FIRST, k: 10, r: 1000, x: "300/sqrt(50000)", P: 1024, B: 1, A: (16,), S: 1}, "145.0568643"
    ),
)
