"""A bound holds as often as it promises: training sets are drawn from small worlds, and its failures counted."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import comb
from typing import Any, Final

from .. import confidence
from ..bound import Bound
from ..evaluation import evaluate_bound
from ..interval import Interval
from ..quantities.quantity import Quantity, UnavailableError
from ..verdict import Verdict
from .finding import PASSED, Finding, failed, skipped
from .worlds import WORLDS, Trial, World, trial

SURPRISE: Final = Fraction(1, 10**6)
"""A bound is wrong when it fails so often that its promise gives this, or anything as surprising, at most this probability."""

LOOKS: Final = (8, 4, 2, 1)
"""The failures are judged after an eighth, a quarter, half and all of the draws, each time at a quarter of `SURPRISE`."""

MARGINS: Final = tuple(Interval(Fraction(x)) for x in ("1/2", "1", "2"))
"""Tried where the theorem leaves the margin open; in the memorizers' worlds every example has margin 1."""

SUPPLIED: Final = "draws-fixed-in-advance"
"""The assumption of quantities that are worked out here instead of measured by training again."""


def covers_the_true_error(bound: Bound) -> Finding:
    """Over training sets drawn from worlds of known true error, it fails no more often than delta allows."""
    if bound.guarantee != "HP":
        return skipped(f"a guarantee of kind {bound.guarantee} promises nothing of one classifier.")
    tried = 0
    for world in WORLDS.values():
        if world.test_sets and not _speaks_of_test_sets(bound):
            continue
        wrong, applied = _simulated(bound, world)
        if wrong:
            return failed(wrong)
        tried += applied > 0
    if not tried:
        return skipped("it applies to none of the stock worlds.")
    return Finding("passed", f"in {tried} worlds no more failures than delta allows")


def too_many(draws: int, delta: Fraction) -> int:
    """The least number of failures among `draws` that is too surprising at failure probability delta."""
    tail = Fraction(0)
    for count in range(draws, -1, -1):
        tail += comb(draws, count) * delta**count * (1 - delta) ** (draws - count)
        if tail > SURPRISE / len(LOOKS):
            return count + 1
    return 0


def _speaks_of_test_sets(bound: Bound) -> bool:
    return any(a.name == "fresh-test-set" for a in bound.theorem.assumptions)


def _simulated(bound: Bound, world: World) -> tuple[str, int]:
    """What is wrong, if anything, and on how many training sets the bound was tried.

    Ends at the first look that finds too many failures, or after a quarter of the draws as few as promised.
    """
    looks = {world.draws // part for part in LOOKS}
    failures, example, seen = 0, "", {}
    for index in range(world.draws):
        drawn = trial(world.name, index)
        value = _upper_end(bound, drawn, seen)
        if value is None:
            return "", index  # all draws of a world are of one kind
        truth = drawn.true_error(bound.object)
        if value < truth:
            failures += 1
            example = example or f"the first time it was {value} for a true error of {truth}"
        tried = index + 1
        if tried in looks and failures >= too_many(tried, world.delta):
            return (
                f"in the world `{world.name}` it lay below the true error for {failures} of {tried} training sets, more "
                f"than delta = {float(world.delta):g} allows; {example}."
            ), tried
        if 4 * tried >= world.draws and failures <= world.delta * tried:
            return "", tried
    return "", world.draws


def _upper_end(bound: Bound, drawn: Trial, seen: dict[str, Interval]) -> Interval | None:
    """The guarantee at the best of a few margins; None where the theorem does not apply. `seen`: by what filled it."""
    try:
        study = drawn.study.of(bound.object)
        for assumption in bound.theorem.assumptions:
            supplied = assumption.name == SUPPLIED and drawn.known
            if not supplied and assumption.check(study).status in ("refuted", "undecided"):
                return None
        quantities: dict[Any, Quantity] = {
            symbol: drawn.known[m.name] if m.name in drawn.known else study.measure(m)
            for symbol, m in bound.symbols.items()
            if m.role == "measured"
        }
    except UnavailableError:
        return None
    spent = sum((q.failure for q in quantities.values()), Fraction(0))
    delta = confidence.share(study.delta, spent)
    margins = MARGINS if bound.best_over is not None else MARGINS[:1]
    ends = []
    for margin in margins:
        values = _values(bound, quantities, delta, margin)
        key = repr([(str(s), _dumped(v)) for s, v in values.items()])
        if key not in seen:
            seen[key] = bound.theorem.enclose(values)
        ends.append(seen[key].hi)
    return Interval(min(ends))


def _values(
    bound: Bound, quantities: Mapping[Any, Quantity], delta: Interval, margin: Interval
) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for symbol, measurement in bound.symbols.items():
        if measurement.role == "delta":
            values[symbol] = delta
        elif measurement.role == "margin":
            values[symbol] = margin
        else:
            value = quantities[symbol].value
            values[symbol] = value if isinstance(value, (Interval, tuple)) else value.at(margin)
    return values


def _dumped(value: Any) -> Any:
    return [part.dump() for part in value] if isinstance(value, tuple) else value.dump()


def random_labels_are_not_denied(bound: Bound) -> Finding:
    """For a network that memorized random labels no certified bound lies below its true error, and nothing fails."""
    for name in ("memorizer", "memorizer with a large first layer"):
        drawn = trial(name, 0)
        outcome = evaluate_bound(bound, drawn.study, "")
        if outcome.verdict is Verdict.FAILED:
            return failed(f"it failed on the stock world `{name}`: {'; '.join(outcome.reasons)}")
        certified = outcome.verdict in (Verdict.NON_VACUOUS, Verdict.VIOLATED)
        if certified and outcome.value is not None and outcome.value < drawn.true_error(bound.object):
            return failed(
                f"for the network of the stock world `{name}`, which memorized random labels, it certifies an error of at "
                f"most {outcome.value}; the true error is {drawn.true_error(bound.object)}."
            )
    return PASSED
