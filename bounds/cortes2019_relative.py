"""Cortes, Greenberg and Mohri 2019 (after Vapnik 1998): relative deviation over the growth function on 2n points."""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a

from .growth import E, Lam, delta, log_growth, n, saturated, symbols_of_error, symbols_of_growth
from .references import CORTES_2019

c = symbols("c", positive=True)

bound = Bound(
    id="cortes2019-relative",
    title="VC bound over the k-class growth function, relative deviation",
    aliases=("vc-relative",),
    family="vc",
    invariances=("relabelling", "reordering", "rescaling"),
    theorem=Theorem(
        value=E + 2 * c + 2 * sqrt(c * (c + E)),
        where={c: (Lam + log(4 / delta)) / n, Lam: log_growth(2 * n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            CORTES_2019,
            theorem="Theorem 5",
            derivation="docs/theory/growth-to-error.md",
            changes="for the k-class loss class; solved for the error",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, **symbols_of_growth},
    example=Example({n: 60_000, E: 0, delta: "1/100", **saturated}, "5.545576875"),
)
