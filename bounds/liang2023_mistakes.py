"""Liang and Recht 2023: interpolating classifiers make few mistakes."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .online import ONLINE, N, delta, kappa, mu, n
from .references import LIANG_2023

bound = Bound(
    id="liang2023-mistakes",
    title="Mistakes of the minimum-norm interpolants on all prefixes, by their norm",
    aliases=("kernel-mistake-bound",),
    family="norm",
    object="online-avg",
    theorem=Theorem(
        value=2 * (kappa**2 + mu) * N + sqrt(log(1 / delta) / (2 * n)),
        assumptions=(*ONLINE, a.bounded_kernel),
        citation=Citation(
            LIANG_2023,
            derivation="docs/theory/online-mistakes.md",
            changes="k classes: a mistake has a squared residual of at least 1/2; with probability 1 - delta in place of an expectation",
            verified="proved in full; check values to ten digits; brute-force retraining in the tests",
        ),
    ),
    symbols={
        n: q.sample_size,
        delta: q.delta,
        N: q.interpolation_norm_squared,
        kappa: q.kernel_bound,
        mu: q.diagonal_shift,
    },
    # The norm 220 that was reported for MNIST.
    example=Example({n: 60_000, delta: "1/20", N: "48400/60000", kappa: 1, mu: 0}, "1.618329776"),
)
