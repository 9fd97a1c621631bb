"""Runs times bounds gives verdicts.

One bound on one run: its assumptions are decided, its quantities measured, its statement enclosed, and the value set
against the confidence interval of the observed test error. Whatever a plugin raises becomes a `failed` row.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pandas as pd

from . import confidence, quantities, record
from .bound import Bound
from .errors import said
from .instance import Filled, Instance
from .interval import Interval
from .measure import Measure
from .quantities.quantity import UnavailableError
from .quantities.study import Progress, Study, silent
from .reading import Reading, read
from .registry import Failure, Registry, installed
from .run import Run
from .theorem import Citation, Parts, Resolution
from .verdict import Verdict, guessing_error, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one bound says about one run. `value` and what follows from it are None where there is no value.

    `observed`: the confidence interval of the test error of the classifier it speaks of.
    """

    id: str
    title: str
    family: str
    object: str
    guarantee: str
    plugin: str
    verdict: Verdict
    reasons: tuple[str, ...]
    assumptions: tuple[tuple[str, str, Resolution], ...] = ()
    observed: Interval | None = None
    value: Interval | None = None
    slack: Interval | None = None
    floor: Interval | None = None
    margin: Interval | None = None
    symbols: tuple[Filled, ...] = ()
    terms: tuple[tuple[str, Interval], ...] = ()
    elasticities: Mapping[str, float] = field(default_factory=dict)
    sample_size: float | None = None
    sample_symbol: str | None = None
    latex: str = ""
    latex_numbers: str = ""
    where: tuple[tuple[str, str, Parts], ...] = ()
    citation: Citation | None = None
    sampled: Fraction = Fraction(0)
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The errors of the trained network, as counts, with the confidence interval of the test error."""

    train: Interval
    test: Interval
    clean: Interval
    confidence: Interval
    sizes: Mapping[str, int]

    def rate(self, which: str) -> float:
        """An error rate; undecided examples count as errors."""
        counts = {"train": self.train, "test": self.test, "clean": self.clean}[which]
        return int(counts.integers()[1]) / self.sizes["train" if which == "train" else "test"]


def interval_of(study: Study) -> Interval:
    """The confidence interval of the test error."""
    value = study.measure(quantities.test_error_interval).value
    assert isinstance(value, Interval)
    return value


def observe(study: Study) -> Observed:
    """Count the errors. Raises `DataError` when the examples are not at hand and nothing is cached."""
    test = study.margins("test")
    return Observed(
        train=study.margins("train").errors,
        test=test.errors,
        clean=study.clean_margins().errors,
        confidence=interval_of(study),
        sizes=study.run.sizes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All verdicts on one run, sorted by value, failed and inapplicable bounds last; and what the measures read."""

    run: str
    record: Mapping[str, Any]
    n: int
    classes: int
    parameters: int
    delta: Fraction
    observed: Observed
    outcomes: tuple[Outcome, ...]
    readings: tuple[Reading, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `boundcheck evaluate --json` prints and `evaluation.json` holds."""
        return record.evaluation(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a bound, sorted by value, in the columns of the JSON."""
        return record.frame(self.to_json())

    @property
    def alarming(self) -> bool:
        """Whether some bound was violated or failed, or a measure failed."""
        return any(o.verdict in (Verdict.VIOLATED, Verdict.FAILED) for o in self.outcomes) or any(
            reading.failed for reading in self.readings
        )


def evaluate(
    run: Run,
    *,
    bounds: Sequence[str | Bound | Measure] | None = None,
    delta: float = 0.05,
    progress: Progress = silent,
    registry: Registry | None = None,
) -> Evaluation:
    """Set theorems against a run.

    **Arguments.** `run`: from `load` or `Run.from_arrays`. `bounds`: ids or aliases of bounds and measures, or such objects;
    all that are installed for None. `delta`: the failure probability of each verdict, in (0, 1).

    Raises `UnknownNameError` for an unknown id, `BoundcheckError` for a delta outside (0, 1), `DataError` when the
    examples are needed and not at hand. What goes wrong inside a bound is an outcome, not an exception.
    """
    study = Study(run, confidence.level(delta), progress)
    registry = installed() if registry is None else registry
    chosen, failures = _choose(registry, bounds)
    observed = observe(study)
    outcomes, readings = [], []
    for index, entry in enumerate(chosen):
        progress("bounds", index, len(chosen))
        plugin = registry.plugins.get(entry.id, "given as an object")
        if isinstance(entry, Measure):
            readings.append(read(entry, study, plugin))
        else:
            outcomes.append(evaluate_bound(entry, study, plugin))
    progress("bounds", len(chosen), len(chosen))
    outcomes += [_failed_plugin(failure) for failure in failures]
    return Evaluation(
        run=run.name,
        record=run.record,
        n=run.sizes["train"],
        classes=run.classes,
        parameters=run.parameters,
        delta=study.delta,
        observed=observed,
        outcomes=tuple(sorted(outcomes, key=_rank)),
        readings=tuple(readings),
    )


def _choose(
    registry: Registry, bounds: Sequence[str | Bound | Measure] | None
) -> tuple[tuple[Bound | Measure, ...], tuple[Failure, ...]]:
    if bounds is None:
        return registry.select(None), registry.failures
    failed = {failure.name: failure for failure in registry.failures}
    chosen: dict[str, Bound | Measure] = {}
    failures = []
    for item in bounds:
        if isinstance(item, str) and item in failed:
            failures.append(failed[item])
            continue
        entry = registry.find(item) if isinstance(item, str) else item
        chosen[entry.id] = entry
    return tuple(chosen.values()), tuple(failures)


def _rank(outcome: Outcome) -> tuple[int, float, float, str]:
    """By value, then by the distance from 1 where the value is 1 to every printed digit; rows without a value last."""
    if outcome.value is None:
        return (1, 0.0, 0.0, outcome.id)
    near_one = outcome.slack is not None and outcome.slack > 0
    decades = -float(outcome.slack.log10().hi) if near_one and outcome.slack is not None else math.inf
    return (0, round(float(outcome.value.maximum(0).log10().hi), 12), decades, outcome.id)


def _failed_plugin(failure: Failure) -> Outcome:
    return Outcome(
        id=failure.name,
        title="a plugin that did not load",
        family="?",
        object="?",
        guarantee="?",
        plugin=failure.plugin,
        verdict=Verdict.FAILED,
        reasons=(failure.reason,),
        traceback=failure.traceback,
    )


def _explanation(instance: Instance, classes: int) -> tuple[dict[str, Any], tuple[str, ...], str]:
    """What a reader asks next, each answer by itself: what is known, what failed in words, and its traceback.

    The verdict stands, whatever goes wrong in explaining it. Without a `sample_symbol` the sample size was not searched.
    """
    answers: dict[str, Callable[[], Any]] = {
        "slack": instance.slack,
        "symbols": instance.filled,
        "terms": instance.terms,
        "where": instance.where,
        "latex_numbers": instance.latex_numbers,
        "elasticities": instance.elasticities,
        "sample_size": lambda: instance.sample_size(guessing_error(classes)),
        "sample_symbol": lambda: instance.sample_symbol,
    }
    known: dict[str, Any] = {}
    reasons, last = [], ""
    for name, answer in answers.items():
        try:
            known[name] = answer()
        except Exception as error:
            reasons.append(f"its explanation failed: {said(error)}")
            last = traceback.format_exc()
    if "sample_size" not in known:
        known.pop("sample_symbol", None)
    return known, tuple(dict.fromkeys(reasons)), last


def _qualified(guarantee: str, verdict: Verdict, reasons: tuple[str, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict that a kind of guarantee can support: only `HP` promises anything of the network at hand."""
    if guarantee in record.UNCERTIFIED:
        return Verdict.INCONCLUSIVE, (record.UNCERTIFIED[guarantee], *reasons)
    if guarantee != "HP" and verdict in (Verdict.NON_VACUOUS, Verdict.VIOLATED):
        reason = f"a guarantee of kind {guarantee} does not hold for one network with probability 1 - delta."
        return Verdict.INCONCLUSIVE, (reason, *reasons)
    return verdict, reasons


def evaluate_bound(bound: Bound, study: Study, plugin: str) -> Outcome:
    """One bound on one run; what the plugin raises is the outcome."""
    known: dict[str, Any] = {
        "id": bound.id,
        "title": bound.title,
        "family": bound.family,
        "object": bound.object,
        "guarantee": bound.guarantee,
        "plugin": plugin,
        "citation": bound.theorem.citation,
    }
    try:
        known["latex"] = bound.theorem.latex()
        study = study.of(bound.object)
        observed = interval_of(study)
        known["observed"] = observed
        decided = tuple((a.name, a.statement, a.check(study)) for a in bound.theorem.assumptions)
        known["assumptions"] = decided
        refuted = tuple(f"{name}: {r.reason}" for name, _, r in decided if r.status == "refuted")
        if refuted:
            return Outcome(verdict=Verdict.NOT_APPLICABLE, reasons=refuted, **known)
        measured = {symbol: study.measure(m) for symbol, m in bound.symbols.items() if m.role == "measured"}
        instance = Instance(bound, measured, study)
        value = instance.best
        floor = instance.floor()
        verdict, reasons = judge(
            value,
            floor=floor,
            observed=observed,
            classes=study.run.classes,
            resolutions=[(name, r) for name, _, r in decided],
        )
        verdict, reasons = _qualified(bound.guarantee, verdict, reasons)
        known.update(value=value, floor=floor, margin=instance.margin, sampled=instance.sampled)
        explained, failed, where = _explanation(instance, study.run.classes)
        known.update(explained, traceback=where)
        reasons = (*reasons, *failed)
        return Outcome(verdict=verdict, reasons=reasons, **known)
    except UnavailableError as error:
        return Outcome(verdict=Verdict.NOT_APPLICABLE, reasons=error.reasons, **known)
    except Exception as error:
        # The promise of the instrument: one plugin's mistake is one row, with what is needed to find it.
        return Outcome(
            verdict=Verdict.FAILED, reasons=(said(error),), traceback=traceback.format_exc(), **known
        )
