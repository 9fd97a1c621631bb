"""Mohri, Rostamizadeh and Talwalkar 2018: uniform stability under replacement."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a

from .kernel import FIXED
from .references import MOHRI_2018
from .stability import R, delta, g, n, symbols_of_replacement

bound = Bound(
    id="mohri2018-stability",
    title="Uniform stability under replacement, ramp loss at margin 1",
    aliases=("stab-replacement",),
    family="stability",
    theorem=Theorem(
        value=R + g / n + (2 * g + 1) * sqrt(log(1 / delta) / (2 * n)),
        assumptions=(*FIXED, a.bounded_kernel),
        citation=Citation(
            MOHRI_2018,
            theorem="Theorem 14.2",
            derivation="docs/theory/stability.md",
            changes="the ramp loss of the k-class margin at 1",
            verified="proved in full; check values to ten digits; simulated in the conformance kit",
        ),
    ),
    symbols=symbols_of_replacement,
    example=Example({n: 50_000, R: 0, g: 1, delta: "1/20"}, "0.01643998492"),
)
