"""What a theorem does not speak of it must refuse, with a reason that names the layer."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from ..bound import Bound
from ..evaluation import evaluate_bound
from ..quantities.quantity import UnavailableError
from ..quantities.study import Study
from ..verdict import Verdict
from .finding import PASSED, Finding, failed, skipped
from .networks import STRUCTURAL, Stock, frozen, stock

DELTA = Fraction(1, 20)


@lru_cache
def study_of(name: str) -> Study:
    """The stock network of this name under examination; shared by all bounds."""
    return Study(frozen(stock()[name].run()), DELTA)


def refuses_what_it_must(bound: Bound) -> Finding:
    """A stock network that refutes an assumption is refused, and the reason names a layer or a line of source."""
    assumed = {a.name for a in bound.theorem.assumptions}
    tried = [s for s in stock().values() if s.refutes & assumed]
    for network in tried:
        wrong = _not_refused(bound, network, sorted(network.refutes & assumed))
        if wrong:
            return failed(wrong)
    if not tried:
        return skipped("no stock network refutes any of its assumptions.")
    return PASSED


def _not_refused(bound: Bound, network: Stock, refuted: list[str]) -> str:
    outcome = evaluate_bound(bound, study_of(network.name), "")
    if outcome.verdict is not Verdict.NOT_APPLICABLE:
        return (
            f"it gave {outcome.verdict.value} for the stock network `{network.name}`, on which {', '.join(refuted)} does "
            "not hold; decide the assumption on the run."
        )
    try:
        study_of(network.name).of(bound.object)
    except UnavailableError:
        return ""  # it speaks of a classifier that this run does not have, which is the reason given
    for name in refuted:
        reasons = [r for r in outcome.reasons if r.startswith(f"{name}:")]
        if not reasons:
            return f"it refused the stock network `{network.name}` without mention of {name}: {'; '.join(outcome.reasons)}"
        if name in STRUCTURAL and network.structure and not any(map(_names_a_place, reasons)):
            return f"the reason names no layer and no line of source: {'; '.join(reasons)}"
    return ""


def _names_a_place(reason: str) -> bool:
    return bool(re.search(r"`[^`]+`|\.py:\d+", reason))


def declares_what_its_quantities_need(bound: Bound) -> Finding:
    """Where every assumption holds, every quantity can be measured: what it needs is declared, not found out."""
    for name in stock():
        study = study_of(name)
        try:
            study = study.of(bound.object)
        except UnavailableError as error:
            return skipped(f"it speaks of another classifier: {error}")
        if any(a.check(study).status == "refuted" for a in bound.theorem.assumptions):
            continue
        for measurement in bound.symbols.values():
            if measurement.role != "measured":
                continue
            try:
                study.measure(measurement)
            except UnavailableError as error:
                return failed(
                    f"all its assumptions hold of the stock network `{name}`, and yet the {measurement.title} is not "
                    f"to be had ({error}); declare the assumption."
                )
    return PASSED
