"""Measures of linear and kernel predictors: norms, and effective ranks of benign overfitting."""

from sympy import sqrt, symbols

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .references import BARTLETT_2002, BARTLETT_2020, ZHANG_2017

n, k, N, T, w, t = symbols("n k N T w t", positive=True)
r = symbols("r", positive=True)

PAGE = "docs/measures.md"

norm = Measure(
    id="zhang2017-interpolation-norm",
    title="Norm of the solution of least norm",
    aliases=("kernel-min-norm",),
    value=sqrt(n * N),
    symbols={n: q.sample_size, N: q.interpolation_norm_squared},
    citation=Citation(ZHANG_2017, theorem="section 5", derivation=PAGE),
    example=Example({n: 3, N: "34/27"}, "1.943650632"),
    differs="of labels less 1/k, which are predicted the same; one-hot labels have a larger norm",
)

contrast = Measure(
    id="zhang2017-label-contrast",
    title="Squared norm over what random labels would need on average",
    aliases=("kernel-random-label-norm",),
    value=N / ((1 - 1 / k) * T),
    symbols={N: q.interpolation_norm_squared, k: q.classes, T: q.inverse_trace},
    citation=Citation(ZHANG_2017, theorem="section 5", derivation=PAGE),
    example=Example({k: 3, N: "34/27", T: "13/9"}, "1.307692308"),
    differs="the expectation over random labels in closed form, not one draw",
)

ball = Measure(
    id="bartlett2002-kernel-ball",
    title="Rademacher complexity of the ball of the predictor's norm, from above",
    aliases=("rad-rkhs",),
    value=w * sqrt(t / n),
    symbols={w: q.rkhs_norm, t: q.kernel_diagonal, n: q.sample_size},
    citation=Citation(BARTLETT_2002, theorem="Lemma 22", derivation="docs/theory/kernel-margins.md"),
    example=Example({w: 10, t: 1, n: 50_000}, "0.04472135955"),
)

rank = Measure(
    id="bartlett2020-effective-rank",
    title="Effective rank r_0, inverted: the share of the largest eigenvalue",
    aliases=("benign-effective-rank",),
    value=1 / r,
    symbols={r: q.effective_rank},
    citation=Citation(BARTLETT_2020, theorem="Definition 3", derivation=PAGE),
    example=Example({r: 2}, "0.5"),
)

rank_squares = Measure(
    id="bartlett2020-effective-rank-squares",
    title="Effective rank R_0, inverted",
    aliases=("benign-effective-rank-squares",),
    value=1 / r,
    symbols={r: q.effective_rank_squares},
    citation=Citation(BARTLETT_2020, theorem="Definition 3", derivation=PAGE),
    example=Example({r: 3}, "0.3333333333"),
)

variance = Measure(
    id="bartlett2020-variance-proxy",
    title="k*/n + n/R_k*, the variance term of benign overfitting",
    aliases=("benign-variance-proxy",),
    value=t,
    symbols={t: q.variance_proxy},
    citation=Citation(BARTLETT_2020, theorem="Theorem 4", derivation=PAGE),
    example=Example({t: "1/2"}, "0.5"),
    differs="the spectrum of a sample, with b = 1/10; the theorem speaks of the population and of regression",
)
