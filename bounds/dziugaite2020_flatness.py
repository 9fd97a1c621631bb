"""Jiang et al. 2020 and Dziugaite et al. 2020: how much noise, or how bad a change, the weights bear."""

from sympy import log, symbols

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .references import DZIUGAITE_2020, JIANG_2020

n, w, sigma, alpha = symbols("n w sigma alpha", positive=True)

noise = Measure(
    id="dziugaite2020-flatness",
    title="PAC-Bayes flatness: inverse variance of the noise that the weights bear",
    aliases=("pacbayes-flatness",),
    value=1 / sigma**2,
    symbols={sigma: q.flatness},
    citation=Citation(DZIUGAITE_2020, theorem="appendix", derivation="docs/measures.md"),
    example=Example({sigma: "1/10"}, "100"),
    differs="sigma is the standard deviation of the noise; a public code passes its square. The search returns the last scale that was safe, not a midpoint, at the same draws for every scale",
)

relative_noise = Measure(
    id="dziugaite2020-flatness-relative",
    title="Magnitude-aware flatness: the same for noise proportional to the weights",
    aliases=("pacbayes-mag-flatness",),
    value=1 / sigma**2,
    symbols={sigma: q.relative_flatness},
    citation=Citation(DZIUGAITE_2020, theorem="appendix", derivation="docs/measures.md"),
    example=Example({sigma: "1/10"}, "100"),
    differs="sigma is the standard deviation of the noise; a public code passes its square. The search returns the last scale that was safe, not a midpoint, at the same draws for every scale",
)

worst = Measure(
    id="dziugaite2020-flatness-worst",
    title="Sharpness: inverse square of the box in which the worst change found is harmless",
    aliases=("sharpness-flatness",),
    value=1 / alpha**2,
    symbols={alpha: q.sharpness_radius},
    citation=Citation(JIANG_2020, theorem="appendix C", derivation="docs/measures.md"),
    example=Example({alpha: "1/4"}, "16"),
    differs="sigma is the standard deviation of the noise; a public code passes its square. The search returns the last scale that was safe, not a midpoint, at the same draws for every scale",
)

relative_worst = Measure(
    id="dziugaite2020-flatness-worst-relative",
    title="Magnitude-aware sharpness: the same for a box proportional to the weights",
    aliases=("sharpness-mag-flatness",),
    value=1 / alpha**2,
    symbols={alpha: q.relative_sharpness_radius},
    citation=Citation(JIANG_2020, theorem="appendix C", derivation="docs/measures.md"),
    example=Example({alpha: "1/4"}, "16"),
    differs="sigma is the standard deviation of the noise; a public code passes its square. The search returns the last scale that was safe, not a midpoint, at the same draws for every scale",
)

initial = Measure(
    id="dziugaite2020-flatness-initial",
    title="Squared distance from initialization over the variance of the noise that the weights bear",
    aliases=("pacbayes-init",),
    value=w**2 / (4 * sigma**2) + log(n / sigma) + 10,
    symbols={w: q.parameter_distance, sigma: q.flatness, n: q.sample_size},
    citation=Citation(JIANG_2020, theorem="appendix C", derivation="docs/measures.md"),
    example=Example({w: 2, sigma: "1/10", n: 1000}, "119.2103404"),
    differs="sigma is the standard deviation of the noise; a public code passes its square. The search returns the last scale that was safe, not a midpoint, at the same draws for every scale",
)

origin = Measure(
    id="dziugaite2020-flatness-origin",
    title="Squared norm of the weights over the variance of the noise that they bear",
    aliases=("pacbayes-orig",),
    value=w**2 / (4 * sigma**2) + log(n / sigma) + 10,
    symbols={w: q.parameter_norm, sigma: q.flatness, n: q.sample_size},
    citation=Citation(JIANG_2020, theorem="appendix C", derivation="docs/measures.md"),
    example=Example({w: 2, sigma: "1/10", n: 1000}, "119.2103404"),
    differs="sigma is the standard deviation of the noise; a public code passes its square. The search returns the last scale that was safe, not a midpoint, at the same draws for every scale",
)
