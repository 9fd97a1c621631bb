"""The graph dimension of the architecture: the VC dimension of its k-class 0-1 loss class, from both sides."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..interval import Interval
from .capacity import Round, rounds_of, shattered_points
from .memorization import memorized_points
from .quantity import Evidence, Quantity, measurement
from .study import Study


def largest_shattered(rounds: Sequence[Round]) -> int:
    """No set of more points is shattered: the root of sum_r (ln 2 + V_r ln(2 e m T_r D_r / V_r)) = m ln 2, rounded down.

    Source: docs/theory/growth-function.md, after Bartlett, Harvey, Liaw and Mehrabian 2019, Theorem 7.
    """
    ln2 = Interval(2).log()
    e = Interval(1).exp()

    def beyond(m: int) -> bool:
        """Whether m lies certainly above the root; the difference is concave, and positive at its maximum."""
        patterns = sum(
            (ln2 + r.parameters * (2 * e * m * r.tests * r.degree / r.parameters).log() for r in rounds),
            Interval(0),
        )
        return bool(patterns < m * ln2)

    low = math.ceil(sum(r.parameters for r in rounds) / math.log(2)) + 1
    high = 2 * low
    while not beyond(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return low


@measurement("graph dimension: VC dimension of the k-class 0-1 loss class", whole=True)
def graph_dimension(study: Study) -> Quantity:
    """d, between the number of points surely shattered and what counting sign patterns allows."""
    least = study.measure(shattered_points).value
    assert isinstance(least, Interval)
    if float(least.hi) == 0:
        # No chain of dense layers. What is labelled in every way is shattered as well.
        least = study.measure(memorized_points).value
        assert isinstance(least, Interval)
    most = largest_shattered(rounds_of(study.network))
    return Quantity(
        value=Interval.hull(Interval(least.lo), most),
        evidence=Evidence.ENCLOSED,
        method="an explicit construction below, sign patterns of polynomials above",
    )


@measurement("Natarajan dimension of the classifier", whole=True)
def natarajan_dimension(study: Study) -> Quantity:
    """d_N, between the number of inputs that receive every labelling and the graph dimension."""
    graph, points = (study.measure(m).value for m in (graph_dimension, memorized_points))
    assert isinstance(graph, Interval)
    assert isinstance(points, Interval)
    return Quantity(
        value=Interval.hull(Interval(points.lo), Interval(graph.hi)),
        evidence=Evidence.ENCLOSED,
        method="inputs that receive every labelling below, the graph dimension above",
    )
