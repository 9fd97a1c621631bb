"""Neyshabur, Tomioka and Srebro 2015, Corollary 2 for p = 1, q = infinity as printed; the k outputs one by one."""

from sympy import Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import FIRST, c, gamma, k, n, symbols_of_margin, tau, value
from .references import NEYSHABUR_2015

x, w = symbols("x w", positive=True)
L, D = symbols("L D", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
(W,) = families("W")

bound = Bound(
    id="neyshabur2015-l1-published",
    title="Product of l1 row norms over the margin, group norms as published",
    aliases=("group-norm",),
    family="norm",
    guarantee="unconfirmed",
    theorem=Theorem(
        value=value,
        where={
            c: 2 ** (L - 1) * sqrt(4 * log(2 * D)) * x / sqrt(n),
            tau: k * w * Product(W[i], (i, 1, L - 1)) / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            NEYSHABUR_2015,
            theorem="Corollary 2",
            derivation="docs/theory/layerwise.md",
            changes="k classes one by one",
            verified="the constants could not be confirmed",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        x: q.largest_coordinate,
        w: q.output_row_l1_norm,
        W: q.inf_norms,
        L: q.depth,
        D: q.input_dimension,
    },
    best_over=gamma,
    example=Example({**FIRST, k: 10, x: 1, w: 1, W: (10, 10, 7), L: 3, D: 784}, "397.5403678"),
)
