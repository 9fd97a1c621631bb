"""Golowich, Rakhlin and Shamir 2018, by peeling inside the exponential: l1 norms of rows, k classes, all norms and margins at once."""

from sympy import Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import FIRST, c, gamma, k, n, symbols_of_margin, tau, value
from .references import GOLOWICH_2018

x, w = symbols("x w", positive=True)
L, D = symbols("L D", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
(W,) = families("W")

bound = Bound(
    id="golowich2018-l1",
    title="Product of l1 row norms over the margin",
    aliases=("l1inf-peel",),
    family="norm",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=value,
        where={
            c: x / sqrt(n) * sqrt(2 * log(2 * k * D * 2 ** (L - 1))),
            tau: w * Product(W[i], (i, 1, L - 1)) / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            GOLOWICH_2018,
            theorem="Theorem 2",
            derivation="docs/theory/layerwise.md",
            changes="a union inside the exponential; k classes; all norms and margins at once",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        x: q.rms_coordinate,
        w: q.output_entry_sum,
        W: q.inf_norms,
        L: q.depth,
        D: q.input_dimension,
    },
    best_over=gamma,
    example=Example(
        {**FIRST, k: 10, x: "200/sqrt(50000)", w: 10, W: (10, 10, 7), L: 3, D: 784}, "77.05512032"
    ),
)
