"""Vapnik 1998: the growth function on 2n points, additive."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a

from .growth import E, Lam, delta, log_growth, n, saturated, symbols_of_error, symbols_of_growth
from .references import VAPNIK_1998

bound = Bound(
    id="vapnik1998-additive",
    title="VC bound over the k-class growth function, additive",
    aliases=("vc-vapnik",),
    family="vc",
    theorem=Theorem(
        value=E + 1 / n + sqrt((Lam + log(4 / delta)) / n),
        where={Lam: log_growth(2 * n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            VAPNIK_1998,
            theorem="chapter 4",
            derivation="docs/theory/growth-to-error.md",
            changes="for the k-class loss class",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, **symbols_of_growth},
    example=Example({n: 60_000, E: 0, delta: "1/100", **saturated}, "1.177469094"),
)
