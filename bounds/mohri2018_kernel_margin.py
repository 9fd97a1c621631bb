"""Mohri, Rostamizadeh and Talwalkar 2018: kernel margin bounds as published, for a norm and a margin fixed in advance."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .kernel import FIXED, R, delta, gamma, k, kappa, n, symbols_of_kernel, t, w
from .references import MOHRI_2018

bound = Bound(
    id="mohri2018-kernel-margin",
    title="Norm in the Hilbert space over the margin, both fixed in advance, two classes",
    aliases=("rkhs-margin-binary",),
    family="margin",
    guarantee="comparator",
    theorem=Theorem(
        value=R + 2 * w / gamma * sqrt(t / n) + 3 * sqrt(log(2 / delta) / (2 * n)),
        assumptions=(*FIXED, a.two_classes),
        citation=Citation(
            MOHRI_2018,
            theorem="Corollary 6.13",
            derivation="docs/theory/kernel-margins.md",
            changes="the difference of two outputs as the margin",
            verified="proved in full; check values to ten digits",
        ),
    ),
    symbols={**symbols_of_kernel, w: q.margin_function_norm},
    best_over=gamma,
    example=Example({n: 50_000, delta: "1/20", gamma: 1, R: "1/20", t: 1, w: 10}, "0.1576635630"),
)

classes = Bound(
    id="mohri2018-kernel-margin-classes",
    title="Largest norm of an output over the margin, both fixed in advance, linear in the number of classes",
    aliases=("rkhs-margin-multiclass-linear",),
    family="margin",
    guarantee="comparator",
    theorem=Theorem(
        value=R + 4 * k / gamma * sqrt(kappa**2 * w**2 / n) + sqrt(log(1 / delta) / (2 * n)),
        assumptions=(*FIXED, a.bounded_kernel),
        citation=Citation(
            MOHRI_2018,
            theorem="Theorem 9.2 and Proposition 9.3",
            derivation="docs/theory/kernel-margins.md",
            verified="re-derived; check values to ten digits",
        ),
    ),
    symbols={
        n: q.sample_size,
        delta: q.delta,
        gamma: q.margin,
        R: q.ramp_risk,
        w: q.rkhs_norm,
        k: q.classes,
        kappa: q.kernel_bound,
    },
    best_over=gamma,
    example=Example({n: 50_000, delta: "1/20", gamma: 1, R: "1/20", k: 10, w: 10, kappa: 1}, "1.844327710"),
)
