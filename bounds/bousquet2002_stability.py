"""Bousquet and Elisseeff 2002: uniform stability under removal, from the training loss and from the leave-one-out loss."""

from sympy import log, sqrt

from boundcheck import Bound, Citation, Example, Theorem
from boundcheck import assumptions as a
from boundcheck import quantities as q

from .kernel import FIXED
from .references import BOUSQUET_2002
from .stability import R, b, delta, n, symbols_of_removal

bound = Bound(
    id="bousquet2002-stability",
    title="Uniform stability under removal, ramp loss at margin 1",
    aliases=("stab-be-empirical", "stab-krr-uniform"),
    family="stability",
    theorem=Theorem(
        value=R + 2 * b / n + (4 * b + 1) * sqrt(log(1 / delta) / (2 * n)),
        assumptions=(*FIXED, a.bounded_kernel),
        citation=Citation(
            BOUSQUET_2002,
            theorem="Theorem 12",
            derivation="docs/theory/stability.md",
            changes="the ramp loss of the k-class margin at 1; the stability of ridge regression with k outputs, in closed form",
            verified="proved in full; check values to ten digits; simulated in the conformance kit",
        ),
    ),
    symbols={**symbols_of_removal, R: q.unit_ramp_risk},
    example=Example({n: 50_000, R: 0, b: "1/2", delta: "1/20"}, "0.01643998492"),
)

left_out = Bound(
    id="bousquet2002-stability-left-out",
    title="Uniform stability under removal, from the leave-one-out ramp loss at margin 1",
    aliases=("stab-be-loo",),
    family="stability",
    theorem=Theorem(
        value=R + b / n + (4 * b + 1) * sqrt(log(1 / delta) / (2 * n)),
        assumptions=(*FIXED, a.bounded_kernel),
        citation=Citation(
            BOUSQUET_2002,
            theorem="Theorem 12",
            derivation="docs/theory/stability.md",
            changes="the ramp loss of the k-class margin at 1; the same ridge on the diagonal for n - 1 examples",
            verified="proved in full; check values to ten digits; simulated in the conformance kit",
        ),
    ),
    symbols={**symbols_of_removal, R: q.leave_one_out_ramp},
    example=Example({n: 50_000, R: "1/10", b: "1/2", delta: "1/20"}, "0.1164299849"),
)
