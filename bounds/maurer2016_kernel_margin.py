"""Maurer 2016: balls of a reproducing kernel Hilbert space, k classes by vector contraction."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import quantities as q

from .kernel import FIXED, R, delta, gamma, k, n, symbols_of_kernel, t, w
from .references import MAURER_2016

bound = Bound(
    id="maurer2016-kernel-margin",
    title="Norm in the Hilbert space over the margin, both fixed in advance, k classes",
    aliases=("rkhs-margin-multiclass",),
    family="margin",
    guarantee="comparator",
    theorem=Theorem(
        value=R + 4 * w / gamma * sqrt(k * t / n) + 3 * sqrt(log(2 / delta) / (2 * n)),
        assumptions=FIXED,
        citation=Citation(
            MAURER_2016,
            theorem="Corollary 1",
            derivation="docs/theory/kernel-margins.md",
            changes="the ramp of the k-class margin in place of a general Lipschitz loss",
            verified="proved in full; check values to ten digits",
        ),
    ),
    symbols={**symbols_of_kernel, k: q.classes},
    best_over=gamma,
    example=Example({n: 50_000, delta: "1/20", gamma: 1, R: "1/20", k: 10, t: 1, w: 10}, "0.6339062688"),
)
