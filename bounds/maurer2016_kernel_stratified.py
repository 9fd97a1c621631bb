"""Maurer 2016: balls of a reproducing kernel Hilbert space; k classes, all norms and margins at once."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import Octave

from .kernel import FIXED, R, delta, gamma, k, kappa, n, symbols_of_kernel, t, w
from .references import MAURER_2016

j = Octave(w * kappa / gamma)

bound = Bound(
    id="maurer2016-kernel-stratified",
    title="Norm in the Hilbert space over the margin, k classes, all norms and margins at once",
    aliases=("rkhs-margin-stratified",),
    family="margin",
    theorem=Theorem(
        value=R
        + 4 * 2**j / kappa * sqrt(k * t / n)
        + 3 * sqrt((log(2 / delta) + log((j + 1) * (j + 2))) / (2 * n)),
        assumptions=(*FIXED, a.bounded_kernel),
        citation=Citation(
            MAURER_2016,
            theorem="Corollary 1",
            derivation="docs/theory/kernel-margins.md",
            changes="the ramp of the k-class margin; a union over the octaves of |f| kappa / gamma",
            verified="proved in full; check values to ten digits",
        ),
    ),
    symbols={**symbols_of_kernel, k: q.classes, kappa: q.kernel_unit},
    best_over=gamma,
    example=Example(
        {n: 50_000, delta: "1/20", gamma: 1, R: "1/20", k: 10, t: 1, w: 10, kappa: 1}, "0.9803574581"
    ),
)
