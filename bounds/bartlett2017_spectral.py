"""Bartlett, Foster and Telgarsky 2017: spectral norms and (2,1) norms, reference matrices zero; all norms and margins at once."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q
from boundcheck.functions import Dudley

from .references import BARTLETT_2017
from .spectral_cover import B, C, L, Pi, R, b, beta, complexity, delta, gamma, n, p, rho, s, stratification, x

bound = Bound(
    id="bartlett2017-spectral",
    title="Spectrally normalized margin bound, reference matrices zero",
    aliases=("spectral-cover",),
    family="margin",
    theorem=Theorem(
        value=R + 2 * Dudley(C, n) + 3 * sqrt((log(2 / delta) + Pi) / (2 * n)),
        where={**complexity(0), **stratification},
        assumptions=(a.iid, a.fixed_in_advance, a.chain),
        citation=Citation(BARTLETT_2017, theorem="Theorem 3.3", derivation="docs/theory/spectral-cover.md"),
    ),
    symbols={
        n: q.sample_size,
        delta: q.delta,
        gamma: q.margin,
        R: q.ramp_risk,
        x: q.rms_input_norm,
        L: q.depth,
        s: q.spectral_norms,
        b: q.row_norm_sums,
        beta: q.bias_l1_norms,
        B: q.bias_flags,
        rho: q.lipschitz_constants,
        p: q.covering_atoms,
    },
    best_over=gamma,
    # Powers of the grids, so that nothing is rounded up: s = (2, 4), b = (8, 16), gamma = 8.
    example=Example(
        {
            n: 10_000,
            delta: "1/100",
            gamma: 8,
            R: "1/10",
            x: 10,
            L: 2,
            s: (2, 4),
            b: (8, 16),
            beta: (0, 0),
            B: (0, 0),
            rho: (1, 1),
            p: (200, 100),
        },
        "129.1854155",
    ),
)
