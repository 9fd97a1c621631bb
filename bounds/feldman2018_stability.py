"""Feldman and Vondrak 2018: generalization of uniformly stable algorithms; its constants could not be confirmed."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a

from .kernel import FIXED
from .references import FELDMAN_2018
from .stability import R, delta, g, n, symbols_of_replacement

bound = Bound(
    id="feldman2018-stability",
    title="Uniform stability under replacement, constants unconfirmed",
    family="stability",
    guarantee="unconfirmed",
    theorem=Theorem(
        value=R + 8 * sqrt((2 * g + 1) / n * log(8 / delta)),
        assumptions=(*FIXED, a.bounded_kernel),
        citation=Citation(
            FELDMAN_2018,
            derivation="docs/theory/stability.md",
            changes="the ramp loss of the k-class margin at 1",
            verified="not confirmed: the constants 8 and 8 are quoted from memory",
        ),
    ),
    symbols=symbols_of_replacement,
    example=Example({n: 50_000, R: 0, g: "1/2", delta: "1/20"}, "0.1139844067"),
)
