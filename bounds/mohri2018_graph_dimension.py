"""Mohri, Rostamizadeh and Talwalkar 2018: the graph dimension, by the Sauer sum on n points."""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import LogSauer

from .growth import E, d, delta, n, symbols_of_error
from .references import MOHRI_2018

S = symbols("S", nonnegative=True)

bound = Bound(
    id="mohri2018-graph-dimension",
    title="VC bound over the graph dimension",
    aliases=("vc-graph-dimension",),
    family="vc",
    theorem=Theorem(
        value=E + sqrt(2 * S / n) + sqrt(log(1 / delta) / (2 * n)),
        where={S: LogSauer(n, d, 1)},
        assumptions=(a.iid, a.fixed_in_advance, a.piecewise_linear),
        citation=Citation(
            MOHRI_2018,
            theorem="Corollary 3.19",
            derivation="docs/theory/growth-to-error.md",
            changes="for the k-class loss class; the Sauer sum in place of its closed form",
            verified="proved in full; check values recomputed with forty digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_error, d: q.graph_dimension},
    example=Example({n: 60_000, E: "1/50", delta: "1/100", d: 50}, "0.1418967339"),
)
