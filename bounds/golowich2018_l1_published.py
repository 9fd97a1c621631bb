"""Golowich, Rakhlin and Shamir 2018, Theorem 2 with its constants as printed; the k outputs one by one."""

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
    id="golowich2018-l1-published",
    title="Product of l1 row norms over the margin, constants as published",
    aliases=("l1inf-golowich",),
    family="norm",
    guarantee="comparator",
    theorem=Theorem(
        value=value,
        where={
            c: 2 / sqrt(n) * sqrt(L + 1 + log(D)) * x,
            tau: k * w * Product(W[i], (i, 1, L - 1)) / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            GOLOWICH_2018,
            theorem="Theorem 2",
            derivation="docs/theory/layerwise.md",
            changes="k classes one by one; all norms and margins at once",
            verified="implied by the proof of golowich2018-l1 at k = 1",
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
        {**FIRST, k: 10, x: "200/sqrt(50000)", w: 1, W: (10, 10, 7), L: 3, D: 784}, "107.0538295"
    ),
)
