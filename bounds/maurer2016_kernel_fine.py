"""Maurer 2016: balls of a reproducing kernel Hilbert space; k classes, on a grid eight times as fine."""

from sympy import sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import quantities as q

from .kernel import FIXED
from .margin import R, c, delta, gamma, k, n, symbols_of_margin, tau, value
from .references import MAURER_2016

t, w = symbols("t w", positive=True)

bound = Bound(
    id="maurer2016-kernel-fine",
    title="Norm in the Hilbert space over the margin, k classes, all norms and margins on a finer grid",
    family="margin",
    theorem=Theorem(
        value=value,
        where={c: sqrt(k * t / n), tau: w / gamma},
        assumptions=FIXED,
        citation=Citation(
            MAURER_2016,
            theorem="Corollary 1",
            derivation="docs/theory/kernel-margins.md",
            changes="the ramp of the k-class margin; a union over eighths of octaves of |f| / gamma, so that no bound on the kernel is needed",
            verified="proved in full; check values to ten digits",
        ),
    ),
    symbols={**symbols_of_margin, k: q.classes, t: q.kernel_diagonal, w: q.rkhs_norm},
    best_over=gamma,
    example=Example({n: 50_000, delta: "1/20", gamma: 1, R: "1/20", k: 10, t: 1, w: 10}, "0.6711697904"),
)
