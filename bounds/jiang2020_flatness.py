"""Jiang et al. 2020: how much Gaussian noise the weights bear before the training error rises by 0.1."""

from sympy import log, symbols

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .references import JIANG_2020

n, w, sigma = symbols("n w sigma", positive=True)

SEARCH = (
    "sigma is a standard deviation; a public code draws noise whose standard deviation is sigma squared. The search returns "
    "the last scale that was safe and the next that was not, at the same draws for every scale; codes return the last "
    "midpoint, and take the size of the change of the error, so that an error that fell by 0.1 counts as one that rose"
)

noise = Measure(
    id="jiang2020-flatness",
    title="PAC-Bayes flatness: inverse variance of the noise that the weights bear",
    aliases=("pacbayes-flatness",),
    value=1 / sigma**2,
    symbols={sigma: q.flatness},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (53)", derivation="docs/measures.md"),
    example=Example({sigma: "1/10"}, "100"),
    differs=SEARCH,
)

relative = Measure(
    id="jiang2020-flatness-relative",
    title="Magnitude-aware flatness: the same for noise proportional to the weights",
    aliases=("pacbayes-mag-flatness",),
    value=1 / sigma**2,
    symbols={sigma: q.relative_flatness},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (61)", derivation="docs/measures.md"),
    example=Example({sigma: "1/10"}, "100"),
    differs="the standard deviation on a weight is sigma (|w| + 0.001), which goes to 0 with sigma; the paper's is the root of "
    "sigma^2 w^2 + 0.001^2, which does not; " + SEARCH,
)

initial = Measure(
    id="jiang2020-flatness-initial",
    title="Squared distance from initialization over the variance of the noise that the weights bear",
    aliases=("pacbayes-init",),
    value=w**2 / (4 * sigma**2) + log(n / sigma) + 10,
    symbols={w: q.parameter_distance, sigma: q.flatness, n: q.sample_size},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (48)", derivation="docs/measures.md"),
    example=Example({w: 2, sigma: "1/10", n: 1000}, "119.2103404"),
    differs="biases count in the distance; " + SEARCH,
)

origin = Measure(
    id="jiang2020-flatness-origin",
    title="Squared norm of the weights over the variance of the noise that they bear",
    aliases=("pacbayes-orig",),
    value=w**2 / (4 * sigma**2) + log(n / sigma) + 10,
    symbols={w: q.parameter_norm, sigma: q.flatness, n: q.sample_size},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (49)", derivation="docs/measures.md"),
    example=Example({w: 2, sigma: "1/10", n: 1000}, "119.2103404"),
    differs="biases count in the norm; " + SEARCH,
)
