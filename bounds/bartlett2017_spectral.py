"""Bartlett, Foster and Telgarsky 2017: spectral norms and (2,1) norms, reference matrices zero; all norms and margins at once."""

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .references import BARTLETT_2017
from .spectral_cover import (
    b,
    beta,
    complexity,
    example_printed,
    example_values,
    gamma,
    stratification,
    symbols_of_cover,
    value,
)

bound = Bound(
    id="bartlett2017-spectral",
    title="Spectrally normalized margin bound, reference matrices zero",
    aliases=("spectral-cover",),
    family="margin",
    invariances=("relabelling", "reordering"),
    theorem=Theorem(
        value=value,
        where={**complexity(0), **stratification},
        assumptions=(a.iid, a.fixed_in_advance, a.chain),
        citation=Citation(
            BARTLETT_2017,
            theorem="Theorem 3.3",
            derivation="docs/theory/spectral-cover.md",
            changes="ceilings and proper covers repaired; sharper constants; biases and convolutions; all norms and margins at once",
            verified="proved in full; check values to ten digits; simulated coverage (benchmarks/coverage.md)",
        ),
    ),
    symbols={**symbols_of_cover, b: q.covering_masses, beta: q.bias_masses},
    best_over=gamma,
    example=Example(example_values, example_printed),
)
