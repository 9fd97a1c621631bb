"""Jiang et al. 2020: the number of parameters."""

from sympy import symbols

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .references import JIANG_2020

P = symbols("P", positive=True)

measure = Measure(
    id="jiang2020-parameters",
    title="Number of parameters",
    aliases=("params",),
    value=P,
    symbols={P: q.parameters},
    citation=Citation(JIANG_2020, theorem="appendix C, equation (20)", derivation="docs/measures.md"),
    example=Example({P: 669_706}, "669706"),
    differs="biases and the parameters of normalization count; codes leave them out",
)
