"""Jiang et al. 2020: parameters, and the margin by itself."""

from sympy import symbols

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .jiang2020 import MARGIN, MARGIN_DIFFERS, gamma
from .references import JIANG_2020

P = symbols("P", positive=True)

parameters = Measure(
    id="jiang2020-parameters",
    title="Number of parameters",
    aliases=("params",),
    value=P,
    symbols={P: q.parameters},
    citation=Citation(JIANG_2020, theorem="appendix C", derivation="docs/measures.md"),
    example=Example({P: 669_706}, "669706"),
)

inverse = Measure(
    id="jiang2020-inverse-margin",
    title="Inverse square of the 10th percentile of the margins",
    aliases=("inverse-margin",),
    value=1 / gamma**2,
    symbols=MARGIN,
    citation=Citation(JIANG_2020, theorem="appendix C", derivation="docs/measures.md"),
    example=Example({gamma: 4}, "0.0625"),
    differs=MARGIN_DIFFERS,
)
