"""Bartlett and Mendelson 2002, in the layerwise form with its constants: l1 norms of rows, a factor 2 a layer."""

from sympy import Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import FIRST, c, gamma, k, n, symbols_of_margin, tau, value
from .references import BARTLETT_2002

x, w = symbols("x w", positive=True)
L, D = symbols("L D", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
(W,) = families("W")

bound = Bound(
    id="bartlett2002-l1",
    title="Product of l1 row norms over the margin, a factor 2 a layer",
    aliases=("l1inf-2d",),
    family="norm",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=value,
        where={
            c: 2 ** (L - 1) * sqrt(2 * log(2 * D)) * x / sqrt(n),
            tau: k * w * Product(W[i], (i, 1, L - 1)) / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            BARTLETT_2002,
            theorem="Theorem 18",
            derivation="docs/theory/layerwise.md",
            changes="constants of the layerwise form; k classes; all norms and margins at once",
            verified="proved in full, since the paper gives no constant; check values recomputed with forty digits",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        x: q.rms_coordinate,
        w: q.output_row_l1_norm,
        W: q.inf_norms,
        L: q.depth,
        D: q.input_dimension,
    },
    best_over=gamma,
    example=Example(
        {**FIRST, k: 10, x: "200/sqrt(50000)", w: 1, W: (10, 10, 7), L: 3, D: 784}, "251.4432604"
    ),
)
