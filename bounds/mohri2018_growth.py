"""Mohri, Rostamizadeh and Talwalkar 2018: the growth function on n points, through the mean Rademacher complexity."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a

from .growth import E, Lam, delta, log_growth, n, saturated, symbols_of_error, symbols_of_growth
from .references import MOHRI_2018

bound = Bound(
    id="mohri2018-growth",
    title="VC bound over the k-class growth function, by Rademacher complexity",
    aliases=("vc-mohri",),
    family="vc",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=E + sqrt(2 * Lam / n) + sqrt(log(1 / delta) / (2 * n)),
        where={Lam: log_growth(n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            MOHRI_2018,
            theorem="Corollary 3.9",
            derivation="docs/theory/growth-to-error.md",
            changes="for the k-class loss class in place of classifiers with values -1 and 1",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, **symbols_of_growth},
    example=Example({n: 60_000, E: 0, delta: "1/100", **saturated}, "1.183604893"),
)
