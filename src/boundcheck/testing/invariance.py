"""What a bound declares to leave its value as it is does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..bound import Bound
from ..evaluation import evaluate_bound
from ..interval import Interval
from ..quantities.study import Study
from ..run import Run
from .finding import PASSED, Finding, failed, skipped
from .networks import stock
from .refusals import DELTA, study_of

AGREEMENT = 1e-6
"""Relative; the ends of two enclosures of one number may differ by the width of either."""


def declared_invariances_hold(bound: Bound) -> Finding:
    """The classes renamed, the examples reordered, or a factor moved between layers: the same value."""
    if not bound.invariances:
        return skipped("it declares no invariance.")
    before = _value(bound, study_of("dense"))
    if before is None:
        return failed(
            "it declares an invariance and has no value for the stock network `dense`, where it could be tried."
        )
    for name in bound.invariances:
        after = _value(bound, Study(CHANGES[name](), DELTA))
        if after is None or not _same(before, after):
            return failed(f"it declares {name}, which moves its value from {before} to {after}.")
    return PASSED


def _value(bound: Bound, study: Study) -> Interval | None:
    return evaluate_bound(bound, study, "").value


def _same(a: Interval, b: Interval) -> bool:
    def near(x: Any, y: Any) -> bool:
        return bool(x == y) or abs(Interval(x) - Interval(y)) <= AGREEMENT * abs(Interval(x))

    return near(a.lo, b.lo) and near(a.hi, b.hi)


def _relabelled() -> Run:
    """The rows of the last matrix and the labels permuted alike: the labels are the network's own predictions."""
    network = stock()["dense"]
    shuffled = {**network.params, "out": np.roll(network.params["out"], 1, axis=0)}
    x, y = network.examples()
    cut = network.run().sizes["train"]
    renamed = (y + 1) % len(shuffled["out"])
    return Run.from_arrays(
        network.f,
        shuffled,
        init_params={k: 0 * v for k, v in shuffled.items()},
        train=(x[:cut], renamed[:cut]),
        test=(x[cut:], renamed[cut:]),
        assume=network.run().assume,
        name=network.name,
    )


def _reordered() -> Run:
    network = stock()["dense"]
    return network.run(order=np.arange(network.run().sizes["train"])[::-1])


def _rescaled() -> Run:
    """A power of two, so that nothing is rounded."""
    network = stock()["dense"]
    first, last = network.params["in"], network.params["out"]
    return network.run(params={"in": 8 * first, "out": last / 8})


CHANGES: dict[str, Callable[[], Run]] = {
    "relabelling": _relabelled,
    "reordering": _reordered,
    "rescaling": _rescaled,
}
