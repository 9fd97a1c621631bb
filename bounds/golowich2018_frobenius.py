"""Golowich, Rakhlin and Shamir 2018: Frobenius norms, square root of the depth; k classes, all norms and margins at once."""

from sympy import Product, log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import families

from .margin import FIRST, c, gamma, k, n, symbols_of_margin, tau, value
from .references import GOLOWICH_2018

x, w = symbols("x w", positive=True)
L = symbols("L", integer=True, positive=True)
i = symbols("i", integer=True, positive=True)
(F,) = families("F")

bound = Bound(
    id="golowich2018-frobenius",
    title="Product of Frobenius norms over the margin",
    aliases=("golowich-fro",),
    family="norm",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=value,
        where={
            c: x / sqrt(n) * (1 + sqrt(2 * ((L - 1) * log(2) + log(k)))),
            tau: w * Product(F[i], (i, 1, L - 1)) / gamma,
        },
        assumptions=(a.iid, a.fixed_in_advance, a.chain_without_biases, a.homogeneous),
        citation=Citation(
            GOLOWICH_2018,
            theorem="Theorem 1",
            derivation="docs/theory/golowich.md",
            changes="k classes; only the L - 1 nonlinearities are paid for; all norms and margins at once",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={
        **symbols_of_margin,
        k: q.classes,
        x: q.rms_input_norm,
        w: q.output_row_norms,
        F: q.frobenius_norms,
        L: q.depth,
    },
    best_over=gamma,
    # |X|_F = 2000 on 50,000 examples, T / gamma = 1000.
    example=Example(
        {**FIRST, k: 10, x: "2000/sqrt(50000)", w: 10, F: (10, 10, 7), L: 3},
        "608.9080205",
    ),
)
