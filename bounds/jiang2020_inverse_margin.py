"""Jiang et al. 2020: the margin by itself."""

from boundcheck import Citation, Example, Measure

from .jiang2020 import MARGIN, MARGIN_DIFFERS, gamma
from .references import JIANG_2020

measure = Measure(
    id="jiang2020-inverse-margin",
    title="Inverse square of the 10th percentile of the margins",
    aliases=("inverse-margin",),
    value=1 / gamma**2,
    symbols=MARGIN,
    citation=Citation(JIANG_2020, theorem="appendix C, equation (22)", derivation="docs/measures.md"),
    example=Example({gamma: 4}, "0.0625"),
    differs=MARGIN_DIFFERS,
)
