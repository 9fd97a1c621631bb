"""Bousquet, Klochkov and Zhivotovskiy 2020: uniform stability of order 1/sqrt(n) is enough."""

from sympy import E, Max, log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck.functions import Ceil

from .kernel import FIXED
from .references import BOUSQUET_2020
from .stability import R, delta, g, n, symbols_of_replacement

p = Max(2, log(1 / delta))

bound = Bound(
    id="bousquet2020-stability",
    title="Uniform stability under replacement with a logarithm of n, ramp loss at margin 1",
    aliases=("stab-high-prob",),
    family="stability",
    theorem=Theorem(
        value=R + 2 * g / n + E * (24 * sqrt(2) * p * g / n * Ceil(log(n) / log(2)) + 4 * sqrt(p / n)),
        assumptions=(*FIXED, a.bounded_kernel),
        citation=Citation(
            BOUSQUET_2020,
            theorem="Theorem 4",
            derivation="docs/theory/stability.md",
            changes="the moment inequality at p = max(2, ln(1/delta)), by Markov's inequality",
            verified="constants 12 sqrt(2) and 4 re-derived; check values to ten digits; simulated in the conformance kit",
        ),
    ),
    symbols=symbols_of_replacement,
    example=Example({n: 50_000, R: 0, g: "1/2", delta: "1/20"}, "0.1284054959"),
)
