"""Does a number order networks as their generalization gaps do? Kendall's tau when the numbers are intervals.

Kendall 1938; Jiang, Neyshabur, Mobahi, Krishnan and Bengio 2020, equation (1): ties count 0 and stay in the denominator
(tau-a; libraries often compute tau-b).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from .interval import Interval


def order(a: Interval, b: Interval) -> Interval:
    """The sign of a - b: -1, 0 or 1 where it is certain, [-1, 1] where the intervals overlap."""
    if a > b:
        return Interval(1)
    if a < b:
        return Interval(-1)
    if a.is_exact and a == b:
        return Interval(0)
    return Interval(-1, 1)


def kendall(measures: Sequence[Interval], gaps: Sequence[Interval]) -> Interval:
    """(concordant - discordant) / pairs over all unordered pairs, with undecided pairs either way.

    Raises `ValueError` for fewer than two networks or sequences of different lengths.
    """
    if len(measures) != len(gaps) or len(measures) < 2:
        raise ValueError(
            f"tau compares at least two networks with one gap each; received {len(measures)} and {len(gaps)}"
        )
    pairs = list(itertools.combinations(range(len(measures)), 2))
    total = sum(
        (order(measures[i], measures[j]) * order(gaps[i], gaps[j]) for i, j in pairs),
        Interval(0),
    )
    return (total / len(pairs)).maximum(-1).minimum(1)
