"""After Belkin, Ma and Mandal 2018: what the margin bound is worth for any predictor that fits all labels with a margin."""

from sympy import log, sqrt, symbols

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import quantities as q

from .kernel import FIXED, delta, k, n, t
from .references import BELKIN_2018

S = symbols("S", positive=True)

bound = Bound(
    id="belkin2018-margin-floor",
    title="The margin bound of every predictor that fits all training labels with one margin",
    aliases=("kernel-overfit-norm-lower",),
    family="margin",
    guarantee="LOWER",
    theorem=Theorem(
        value=4 * (k - 1) / sqrt(k) * sqrt(t / S) + 3 * sqrt(log(2 / delta) / (2 * n)),
        assumptions=FIXED,
        citation=Citation(
            BELKIN_2018,
            theorem="Theorem 1",
            derivation="docs/theory/margin-floor.md",
            changes="a computable lower bound on the norm, in place of one whose constants are not known; set into maurer2016-kernel-margin",
            verified="proved in full; check values to ten digits",
        ),
    ),
    symbols={n: q.sample_size, delta: q.delta, k: q.classes, t: q.kernel_diagonal, S: q.label_alignment},
    example=Example({n: 3, delta: "1/20", k: 3, t: 1, S: "5/9"}, "8.549074181"),
)
