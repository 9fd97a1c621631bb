"""Galanti, Xu, Galanti and Poggio 2023, for every network of ReLU and max pooling: norms of kernels, and the sizes of their windows."""

from sympy import Max, Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import FIRST, c, gamma, k, n, symbols_of_margin, tau, value
from .references import GALANTI_2023

r, x = symbols("r x", positive=True)
S, P = symbols("S P", integer=True, positive=True)
B = symbols("B", nonnegative=True)
i = symbols("i", integer=True, positive=True)
(A,) = families("A")

bound = Bound(
    id="galanti2023-convolutional",
    title="Kernel norms and window sizes over the margin",
    aliases=("conv-fro",),
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
            GALANTI_2023,
            derivation="docs/theory/path-norm.md",
            changes="biases, skips and max pooling; k classes; all norms and margins at once",
            verified="proved in full: it is never below gonon2024-path-norm-hybrid, whose constant it has",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        r: q.kernel_path_norm,
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
