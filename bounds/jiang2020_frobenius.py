"""Jiang et al. 2020: Frobenius norms of the weights."""

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .jiang2020 import FROBENIUS, MARGIN, MARGIN_DIFFERS, D, F, d, gamma, squares, total
from .references import JIANG_2020

product = Measure(
    id="jiang2020-frobenius-product",
    title="Product of squared Frobenius norms",
    aliases=("prod-of-fro",),
    value=squares(F),
    symbols=FROBENIUS,
    citation=Citation(JIANG_2020, theorem="appendix C, equation (37)", derivation="docs/measures.md"),
    example=Example({d: 2, F: (2, 3)}, "36"),
)

product_margin = Measure(
    id="jiang2020-frobenius-product-margin",
    title="Product of squared Frobenius norms over the squared margin",
    aliases=("prod-of-fro-over-margin",),
    value=squares(F) / gamma**2,
    symbols={**FROBENIUS, **MARGIN},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (36)", derivation="docs/measures.md"),
    example=Example({d: 2, F: (2, 3), gamma: 4}, "2.25"),
    differs=MARGIN_DIFFERS,
)

sum_ = Measure(
    id="jiang2020-frobenius-sum",
    title="Depth times the geometric mean of squared Frobenius norms",
    aliases=("sum-of-fro",),
    value=d * squares(F) ** (1 / d),
    symbols=FROBENIUS,
    citation=Citation(JIANG_2020, theorem="appendix C, equation (39)", derivation="docs/measures.md"),
    example=Example({d: 2, F: (2, 3)}, "12"),
)

sum_margin = Measure(
    id="jiang2020-frobenius-sum-margin",
    title="Depth times the geometric mean of squared Frobenius norms over the margin",
    aliases=("sum-of-fro-over-margin",),
    value=d * (squares(F) / gamma**2) ** (1 / d),
    symbols={**FROBENIUS, **MARGIN},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (38)", derivation="docs/measures.md"),
    example=Example({d: 2, F: (2, 3), gamma: 4}, "3"),
    differs=MARGIN_DIFFERS,
)

distance = Measure(
    id="jiang2020-frobenius-distance",
    title="Sum of squared Frobenius norms of the changes since initialization",
    aliases=("fro-dist",),
    value=total(D),
    symbols={d: q.learned_layers, D: q.layer_frobenius_distances},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (40)", derivation="docs/measures.md"),
    example=Example({d: 2, D: (1, 2)}, "5"),
)
