"""Jiang et al. 2020: the squared norm of the weights, layer by layer."""

from boundcheck import Citation, Example, Measure

from .jiang2020 import FROBENIUS, F, d, total
from .references import JIANG_2020

measure = Measure(
    id="jiang2020-parameter-norm",
    title="Sum of the squared Frobenius norms of the layers",
    aliases=("param-norm",),
    value=total(F),
    symbols=FROBENIUS,
    citation=Citation(JIANG_2020, theorem="appendix C, equation (42)", derivation="docs/measures.md"),
    example=Example({d: 2, F: (2, 3)}, "13"),
)
