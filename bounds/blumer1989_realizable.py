"""Blumer, Ehrenfeucht, Haussler and Warmuth 1989: the growth function on 2n points, training error 0."""

from sympy import log

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .growth import Lam, delta, log_growth, n, saturated, symbols_of_growth
from .references import BLUMER_1989

bound = Bound(
    id="blumer1989-realizable",
    title="VC bound over the k-class growth function, training error 0",
    aliases=("vc-realizable",),
    family="vc",
    theorem=Theorem(
        value=2 * (Lam + log(2 / delta)) / (n * log(2)),
        where={Lam: log_growth(2 * n)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear, a.interpolation),
        citation=Citation(
            BLUMER_1989,
            theorem="Theorem A2.1",
            derivation="docs/theory/growth-to-error.md",
            changes="for the k-class loss class; solved for the error",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={n: q.sample_size, delta: q.delta, **symbols_of_growth},
    example=Example({n: 60_000, delta: "1/100", **saturated}, "4.000254795"),
)
