"""Leboeuf, LeBlanc and Marchand 2021, with the median of a binomial: a factor 2 in place of 4."""

from sympy import log

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck.functions import HypergeometricMedianInverse

from .growth import D, E, L, Lam, T, V, d, delta, log_growth, n, symbols_of_error, symbols_of_growth
from .references import LEBOEUF_2021

bound = Bound(
    id="leboeuf2021-hypergeometric-median",
    title="VC bound over the k-class growth function, hypergeometric tail inversion with the factor 2",
    aliases=("vc-hypergeometric-median",),
    family="vc",
    theorem=Theorem(
        value=HypergeometricMedianInverse(E * n, n, 4 * n, log(2 / delta) + Lam),
        where={Lam: log_growth(5 * n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            LEBOEUF_2021,
            derivation="docs/theory/growth-to-error.md",
            changes="the median of a binomial in place of a quarter: the factor 2 for 4",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, **symbols_of_growth},
    # More points shattered than the patterns allow: both ends of the growth function are the upper one.
    example=Example(
        {n: 1000, E: "1/50", delta: "1/20", L: 1, d: 5000, T: (1,), V: (3,), D: (1,)},
        "0.081",
    ),
)
