"""Neyshabur, Tomioka and Srebro 2015, as in Jiang et al. 2020: path norms."""

from sympy import symbols

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .jiang2020 import MARGIN, MARGIN_DIFFERS, gamma
from .references import NEYSHABUR_2015

r = symbols("r", positive=True)

squared = Measure(
    id="neyshabur2015-path-norm",
    title="Squared l2 path norm",
    aliases=("path-norm-squared",),
    value=r**2,
    symbols={r: q.path_norm_l2},
    citation=Citation(NEYSHABUR_2015, theorem="section 4", derivation="docs/measures.md"),
    example=Example({r: 3}, "9"),
    differs="normalization at inference is folded into its layer before absolute values are taken; codes that leave it beside the layer get another number",
)

squared_margin = Measure(
    id="neyshabur2015-path-norm-margin",
    title="Squared l2 path norm over the squared margin",
    aliases=("path-norm-over-margin",),
    value=r**2 / gamma**2,
    symbols={r: q.path_norm_l2, **MARGIN},
    citation=Citation(NEYSHABUR_2015, theorem="section 4", derivation="docs/measures.md"),
    example=Example({r: 3, gamma: 4}, "0.5625"),
    differs="normalization at inference is folded into its layer before absolute values are taken; codes that leave it beside the layer get another number"
    + "; "
    + MARGIN_DIFFERS,
)

l1_margin = Measure(
    id="neyshabur2015-path-norm-l1-margin",
    title="l1 path norm over the margin",
    aliases=("l1-path-norm-over-margin",),
    value=r / gamma,
    symbols={r: q.path_norm, **MARGIN},
    citation=Citation(NEYSHABUR_2015, theorem="section 4", derivation="docs/measures.md"),
    example=Example({r: 3, gamma: 4}, "0.75"),
    differs="normalization at inference is folded into its layer before absolute values are taken; codes that leave it beside the layer get another number"
    + "; "
    + MARGIN_DIFFERS,
)
