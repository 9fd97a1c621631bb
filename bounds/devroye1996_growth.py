"""Devroye, Gyorfi and Lugosi 1996: the growth function on n points, two-sided."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a

from .growth import E, Lam, delta, log_growth, n, saturated, symbols_of_error, symbols_of_growth
from .references import DEVROYE_1996

bound = Bound(
    id="devroye1996-growth",
    title="VC bound over the k-class growth function, two-sided",
    aliases=("vc-dgl",),
    family="vc",
    theorem=Theorem(
        value=E + sqrt(32 * (Lam + log(8 / delta)) / n),
        where={Lam: log_growth(n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            DEVROYE_1996,
            theorem="Theorem 12.5",
            derivation="docs/theory/growth-to-error.md",
            changes="for the k-class loss class",
            verified="implied by mohri2018-growth, as proved; check values recomputed with forty digits",
        ),
    ),
    symbols={**symbols_of_error, **symbols_of_growth},
    example=Example({n: 60_000, E: 0, delta: "1/100", **saturated}, "4.710018567"),
)
