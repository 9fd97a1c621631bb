"""Leboeuf, LeBlanc and Marchand 2021: the hypergeometric tail inverted, with four ghost examples for each real one."""

from sympy import log

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck.functions import HypergeometricInverse

from .growth import D, E, L, Lam, T, V, d, delta, log_growth, n, symbols_of_error, symbols_of_growth
from .references import LEBOEUF_2021

bound = Bound(
    id="leboeuf2021-hypergeometric",
    title="VC bound over the k-class growth function, hypergeometric tail inversion",
    aliases=("vc-hypergeometric",),
    family="vc",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=HypergeometricInverse(E * n, n, 4 * n, log(4 / delta) + Lam),
        where={Lam: log_growth(5 * n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            LEBOEUF_2021,
            theorem="Theorem 8",
            derivation="docs/theory/growth-to-error.md",
            changes="for the k-class loss class",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, **symbols_of_growth},
    # More points shattered than the patterns allow: both ends of the growth function are the upper one.
    example=Example(
        {n: 1000, E: "1/50", delta: "1/20", L: 1, d: 5000, T: (1,), V: (3,), D: (1,)},
        "0.08175",
    ),
)
