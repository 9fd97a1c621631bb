"""Koltchinskii and Panchenko 2002: balls of a reproducing kernel Hilbert space; two classes, all norms and margins at once."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import Octave

from .kernel import FIXED, R, delta, gamma, kappa, n, symbols_of_kernel, t, w
from .references import KOLTCHINSKII_2002

j = Octave(w * kappa / gamma)

bound = Bound(
    id="koltchinskii2002-kernel-stratified",
    title="Norm in the Hilbert space over the margin, two classes, all norms and margins at once",
    aliases=("rkhs-margin-stratified-binary",),
    family="margin",
    theorem=Theorem(
        value=R
        + 2 * 2**j / kappa * sqrt(t / n)
        + 3 * sqrt((log(2 / delta) + log((j + 1) * (j + 2))) / (2 * n)),
        assumptions=(*FIXED, a.two_classes, a.bounded_kernel),
        citation=Citation(
            KOLTCHINSKII_2002,
            derivation="docs/theory/kernel-margins.md",
            changes="a union over the octaves of |f| kappa / gamma; the margin is the difference of two outputs, whose norm is at most sqrt(2) |f|",
            verified="proved in full; check values to ten digits",
        ),
    ),
    symbols={**symbols_of_kernel, w: q.margin_function_norm, kappa: q.kernel_unit},
    best_over=gamma,
    example=Example({n: 50_000, delta: "1/20", gamma: 1, R: "1/20", t: 1, w: 10, kappa: 1}, "0.2183691288"),
)
