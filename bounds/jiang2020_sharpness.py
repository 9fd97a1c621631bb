"""Jiang et al. 2020: how far the weights can be moved, in the worst direction found, before the training error rises by 0.1."""

from sympy import symbols

from boundcheck import Citation, Example, Measure
from boundcheck import quantities as q

from .references import JIANG_2020

alpha = symbols("alpha", positive=True)

SEARCH = (
    "an ascent finds a bad direction and never certifies that there is no worse one; it starts in the middle of the box, "
    "without chance, and its largest error on the way counts, not its last. The search returns the last radius that was safe "
    "and the next that was not, not a midpoint"
)

worst = Measure(
    id="jiang2020-sharpness",
    title="Sharpness: inverse square of the box in which the worst change found is harmless",
    aliases=("sharpness-flatness",),
    value=1 / alpha**2,
    symbols={alpha: q.sharpness_radius},
    citation=Citation(JIANG_2020, theorem="appendix C", derivation="docs/measures.md"),
    example=Example({alpha: "1/4"}, "16"),
    differs=SEARCH,
)

relative = Measure(
    id="jiang2020-sharpness-relative",
    title="Magnitude-aware sharpness: the same for a box proportional to the weights",
    aliases=("sharpness-mag-flatness",),
    value=1 / alpha**2,
    symbols={alpha: q.relative_sharpness_radius},
    citation=Citation(JIANG_2020, theorem="appendix C", derivation="docs/measures.md"),
    example=Example({alpha: "1/4"}, "16"),
    differs="a weight may move by alpha (|w| + 0.001), which goes to 0 with alpha; in the paper 0.001 is not multiplied by alpha; "
    + SEARCH,
)
