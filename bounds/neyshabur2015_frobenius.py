"""Neyshabur, Tomioka and Srebro 2015: Frobenius norms, a factor 2 a layer; k classes, all norms and margins at once."""

from sympy import Product, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import FIRST, c, gamma, k, n, symbols_of_margin, tau, value
from .references import NEYSHABUR_2015

x, w = symbols("x w", positive=True)
L = symbols("L", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
(F,) = families("F")

bound = Bound(
    id="neyshabur2015-frobenius",
    title="Product of Frobenius norms over the margin, a factor 2 a layer",
    aliases=("fro-2d",),
    family="norm",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=value,
        where={
            c: 2 ** (L - 1) * x / sqrt(n),
            tau: k * w * Product(F[i], (i, 1, L - 1)) / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            NEYSHABUR_2015,
            theorem="Theorem 1",
            derivation="docs/theory/layerwise.md",
            changes="k classes; all norms and margins at once",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        x: q.rms_input_norm,
        w: q.output_row_norm,
        F: q.frobenius_norms,
        L: q.depth,
    },
    best_over=gamma,
    example=Example({**FIRST, k: 10, x: "2000/sqrt(50000)", w: 1, F: (10, 10, 7), L: 3}, "655.4053158"),
)
