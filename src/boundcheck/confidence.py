"""The ledger of confidence: who spends which part of delta, and what a choice among bounds would cost.

A theorem holds except with probability delta over the training set. A sampled quantity (the Rademacher complexity
from random sign draws) may also fail, independently, over its own draws. When a bound has one, delta is shared in
halves: both ends of its value then hold together except with probability delta. The end that only the theorem
supports could have spent all of delta, so the theorem's delta is the interval [delta/2, delta]: its lower end is the
value at delta, its upper end the value at delta/2.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .errors import BoundcheckError
from .interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One expense."""

    spent_on: str
    delta: float


def level(delta: float) -> Fraction:
    """`delta` as the decimal number that was written. Raises `BoundcheckError` outside (0, 1)."""
    exact = Fraction(repr(float(delta))) if delta == delta and abs(delta) != float("inf") else Fraction(-1)
    if not 0 < exact < 1:
        raise BoundcheckError(
            f"delta = {delta} is not a failure probability; give a number strictly between 0 and 1, such as 0.05."
        )
    return exact


def share(delta: Fraction, sampled: Fraction) -> Interval:
    """The theorem's delta when its sampled quantities fail with probability at most `sampled` in all.

    Raises `BoundcheckError` when they leave nothing to the theorem.
    """
    if not 0 <= sampled < delta:
        raise BoundcheckError(
            f"the sampled quantities spend {float(sampled):g} of delta = {float(delta):g}; less is needed, so that the theorem has a share."
        )
    return Interval(delta - sampled, delta)


def best_of(delta: Fraction, bounds: int) -> Entry:
    """What quoting the smallest of several bounds costs, each having been evaluated at `delta`."""
    total = min(1.0, float(delta * bounds))
    return Entry(
        spent_on=f"quoting the smallest of the {bounds} bounds instead of one chosen beforehand", delta=total
    )
