"""Vapnik 1998, with the median of a binomial and the inequality of Serfling 1974: a factor 2 in place of 4."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a

from .growth import E, Lam, delta, log_growth, n, saturated, symbols_of_error, symbols_of_growth
from .references import VAPNIK_1998

bound = Bound(
    id="vapnik1998-additive-serfling",
    title="VC bound over the k-class growth function, additive, with the factor 2",
    aliases=("vc-vapnik-d",),
    family="vc",
    theorem=Theorem(
        value=E + 1 / n + sqrt((1 + 1 / n) * (Lam + log(2 / delta)) / n),
        where={Lam: log_growth(2 * n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            VAPNIK_1998,
            derivation="docs/theory/growth-to-error.md",
            changes="by the median of a binomial and Serfling's inequality: the factor 2 for 4",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, **symbols_of_growth},
    example=Example({n: 60_000, E: 0, delta: "1/100", **saturated}, "1.177474000"),
)
