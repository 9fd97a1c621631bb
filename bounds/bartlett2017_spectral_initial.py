"""Bartlett, Foster and Telgarsky 2017: spectral norms and (2,1) norms, reference matrices the initial ones; all norms and margins at once."""

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .references import BARTLETT_2017
from .spectral_cover import (
    b,
    beta,
    beta0,
    complexity,
    example_printed,
    example_values,
    gamma,
    j,
    stratification,
    symbols_of_cover,
    value,
)

bound = Bound(
    id="bartlett2017-spectral-initial",
    title="Spectrally normalized margin bound, reference matrices the initial ones",
    aliases=("spectral-cover-initial",),
    family="margin",
    invariances=("relabelling", "reordering"),
    theorem=Theorem(
        value=value,
        where={**complexity(beta0[j]), **stratification},
        assumptions=(a.iid, a.fixed_in_advance, a.chain, a.recorded_initialization),
        citation=Citation(
            BARTLETT_2017,
            theorem="Theorem 3.3",
            derivation="docs/theory/spectral-cover.md",
            changes="ceilings and proper covers repaired; sharper constants; biases and convolutions; all norms and margins at once",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={
        **symbols_of_cover,
        b: q.covering_masses_from_initial,
        beta: q.bias_masses_from_initial,
        beta0: q.initial_bias_l2_norms,
    },
    best_over=gamma,
    example=Example(example_values | {beta0: (0, 0)}, example_printed),
)
