"""Jiang et al. 2020: spectral norms of the layers."""

from sympy import Sum

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .jiang2020 import (
    MARGIN,
    MARGIN_DIFFERS,
    SPECTRAL,
    SPECTRAL_DIFFERS,
    D,
    F,
    S,
    d,
    gamma,
    i,
    s,
    squares,
    total,
)
from .references import JIANG_2020

product = Measure(
    id="jiang2020-spectral-product",
    title="Product of squared spectral norms",
    aliases=("prod-of-spec",),
    value=squares(s),
    symbols=SPECTRAL,
    citation=Citation(JIANG_2020, theorem="appendix C, equation (32)", derivation="docs/measures.md"),
    example=Example({d: 2, s: (2, 3)}, "36"),
    differs=SPECTRAL_DIFFERS,
)

product_margin = Measure(
    id="jiang2020-spectral-product-margin",
    title="Product of squared spectral norms over the squared margin",
    aliases=("prod-of-spec-over-margin",),
    value=squares(s) / gamma**2,
    symbols={**SPECTRAL, **MARGIN},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (31)", derivation="docs/measures.md"),
    example=Example({d: 2, s: (2, 3), gamma: 4}, "2.25"),
    differs=SPECTRAL_DIFFERS + "; " + MARGIN_DIFFERS,
)

sum_ = Measure(
    id="jiang2020-spectral-sum",
    title="Depth times the geometric mean of squared spectral norms",
    aliases=("sum-of-spec",),
    value=d * squares(s) ** (1 / d),
    symbols=SPECTRAL,
    citation=Citation(JIANG_2020, theorem="appendix C, equation (35)", derivation="docs/measures.md"),
    example=Example({d: 2, s: (2, 3)}, "12"),
    differs=SPECTRAL_DIFFERS,
)

sum_margin = Measure(
    id="jiang2020-spectral-sum-margin",
    title="Depth times the geometric mean of squared spectral norms over the margin",
    aliases=("sum-of-spec-over-margin",),
    value=d * (squares(s) / gamma**2) ** (1 / d),
    symbols={**SPECTRAL, **MARGIN},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (34)", derivation="docs/measures.md"),
    example=Example({d: 2, s: (2, 3), gamma: 4}, "3"),
    differs=SPECTRAL_DIFFERS + "; " + MARGIN_DIFFERS,
)

distance = Measure(
    id="jiang2020-spectral-distance",
    title="Sum of squared spectral norms of the changes since initialization",
    aliases=("spec-dist",),
    value=total(S),
    symbols={d: q.learned_layers, S: q.layer_spectral_distances},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (41)", derivation="docs/measures.md"),
    example=Example({d: 2, S: (1, 2)}, "5"),
    differs=SPECTRAL_DIFFERS,
)

initial = Measure(
    id="jiang2020-spectral-initial",
    title="Product of squared spectral norms over the squared margin, times relative distances",
    aliases=("spec-init-main",),
    value=squares(s) / gamma**2 * Sum((D[i] / s[i]) ** 2, (i, 1, d)),
    symbols={**SPECTRAL, **MARGIN, D: q.layer_frobenius_distances},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (29)", derivation="docs/measures.md"),
    example=Example({d: 2, s: (2, 3), D: (1, 3), gamma: 4}, "2.8125"),
    differs=SPECTRAL_DIFFERS + "; " + MARGIN_DIFFERS,
)

origin = Measure(
    id="jiang2020-spectral-origin",
    title="Product of squared spectral norms over the squared margin, times stable ranks",
    aliases=("spec-orig-main",),
    value=squares(s) / gamma**2 * Sum((F[i] / s[i]) ** 2, (i, 1, d)),
    symbols={**SPECTRAL, **MARGIN, F: q.layer_frobenius_norms},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (30)", derivation="docs/measures.md"),
    example=Example({d: 2, s: (2, 3), F: (4, 6), gamma: 4}, "18"),
    differs=SPECTRAL_DIFFERS + "; " + MARGIN_DIFFERS,
)

ranks = Measure(
    id="jiang2020-spectral-ranks",
    title="Sum of the stable ranks of the layers",
    aliases=("fro-over-spec",),
    value=Sum((F[i] / s[i]) ** 2, (i, 1, d)),
    symbols={**SPECTRAL, F: q.layer_frobenius_norms},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (33)", derivation="docs/measures.md"),
    example=Example({d: 2, s: (2, 3), F: (4, 6)}, "8"),
    differs=SPECTRAL_DIFFERS,
)
