"""Runs times bounds gives verdicts.

One bound on one run: its assumptions are decided, its quantities measured, its statement enclosed, and the value set
against the confidence interval of the observed test error. Whatever a plugin raises becomes a `failed` row.

Where a theorem leaves a margin open, the value is the smallest over the declared margins: the powers 2^(j/8) up to the
largest margin in the training set. Beyond that every example counts as partly wrong and every margin bound creeps
towards 1 from above, which would hide how vacuous it is. The verdict nevertheless covers every margin: a lower bound
over all of them, by cells, must also reach the threshold before a bound is called vacuous.
"""

from __future__ import annotations

import itertools
import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pandas as pd
import sympy

from . import confidence, record
from .bound import Bound
from .extension import Extension
from .functions import BinomialInverse
from .interval import Interval
from .quantities.quantity import Evidence, Measurement, Quantity, UnavailableError
from .quantities.study import Progress, Study, silent
from .registry import Failure, Registry, installed
from .run import Run
from .theorem import ORDERS_OF_N, Citation, Parts, Resolution
from .verdict import Verdict, guessing_error, judge

OCTAVES = 20
"""Declared margins reach this many octaves below the largest margin."""

DECADES = (2, 4, 6, 8, 10, 13, 16, 20, 25, 30, 40, 60, 100, 200, ORDERS_OF_N)
"""Powers of ten at which a sufficient sample size is looked for before bisecting."""

TAIL_OCTAVES = 12
"""The lower bound over every margin is refined this many octaves above the largest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What filled one symbol: the measured interval (one a layer for a family), with its evidence."""

    symbol: str
    latex: str
    title: str
    parts: tuple[Interval, ...]
    family: bool
    evidence: str
    method: str

    @property
    def hull(self) -> Interval:
        return Interval.hull(*self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one bound says about one run. `value` and what follows from it are None where there is no value."""

    id: str
    title: str
    family: str
    object: str
    guarantee: str
    plugin: str
    verdict: Verdict
    reasons: tuple[str, ...]
    assumptions: tuple[tuple[str, str, Resolution], ...] = ()
    value: Interval | None = None
    slack: Interval | None = None
    floor: Interval | None = None
    margin: Interval | None = None
    symbols: tuple[Filled, ...] = ()
    terms: tuple[tuple[str, Interval], ...] = ()
    elasticities: Mapping[str, float] = field(default_factory=dict)
    sample_size: float | None = None
    sample_symbol: str = "n"
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


def clopper_pearson(errors: Interval, n: int, delta: Fraction) -> Interval:
    """The two-sided confidence interval of a binomial proportion: delta/2 on each side.

    Clopper and Pearson 1934. An interval of counts (ties that rounding leaves open) widens it.
    """
    c = -Interval(delta / 2).log()
    fewest, most = errors.integers()
    upper = BinomialInverse.enclose(Interval(most), Interval(n), c)
    # The lower limit is the upper one for the number of successes, mirrored.
    lower = BinomialInverse.enclose_slack(Interval(n - fewest), Interval(n), c)
    return Interval(lower.lo, upper.hi)


def observe(study: Study) -> Observed:
    """Count the errors. Raises `DataError` when the examples are not at hand and nothing is cached."""
    test = study.margins("test")
    return Observed(
        train=study.margins("train").errors,
        test=test.errors,
        clean=study.clean_margins().errors,
        confidence=clopper_pearson(test.errors, test.size, study.delta),
        sizes=study.run.sizes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All verdicts on one run, sorted by value; failed and inapplicable bounds last."""

    run: str
    record: Mapping[str, Any]
    n: int
    classes: int
    parameters: int
    delta: Fraction
    observed: Observed
    outcomes: tuple[Outcome, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `boundcheck evaluate --json` prints and `evaluation.json` holds."""
        return record.evaluation(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a bound, sorted by value, in the columns of the JSON."""
        return record.frame(self.to_json())

    @property
    def alarming(self) -> bool:
        """Whether some bound was violated or failed."""
        return any(o.verdict in (Verdict.VIOLATED, Verdict.FAILED) for o in self.outcomes)


def evaluate(
    run: Run,
    *,
    bounds: Sequence[str | Bound] | None = None,
    delta: float = 0.05,
    progress: Progress = silent,
    registry: Registry | None = None,
) -> Evaluation:
    """Set theorems against a run.

    **Arguments.** `run`: from `load` or `Run.from_arrays`. `bounds`: ids, aliases or `Bound` objects; all that are
    installed for None. `delta`: the failure probability of each verdict, in (0, 1).

    Raises `UnknownNameError` for an unknown id, `BoundcheckError` for a delta outside (0, 1), `DataError` when the
    examples are needed and not at hand. What goes wrong inside a bound is an outcome, not an exception.
    """
    study = Study(run, confidence.level(delta), progress)
    registry = installed() if registry is None else registry
    chosen, failures = _choose(registry, bounds)
    observed = observe(study)
    outcomes = []
    for index, bound in enumerate(chosen):
        progress("bounds", index, len(chosen))
        plugin = registry.plugins.get(bound.id, "given as an object")
        outcomes.append(evaluate_bound(bound, study, observed.confidence, plugin))
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
    )


def _choose(
    registry: Registry, bounds: Sequence[str | Bound] | None
) -> tuple[tuple[Bound, ...], tuple[Failure, ...]]:
    if bounds is None:
        return registry.select(None), registry.failures
    failed = {failure.name: failure for failure in registry.failures}
    chosen: dict[str, Bound] = {}
    failures = []
    for item in bounds:
        if isinstance(item, str) and item in failed:
            failures.append(failed[item])
            continue
        bound = registry.find(item) if isinstance(item, str) else item
        chosen[bound.id] = bound
    return tuple(chosen.values()), tuple(failures)


def _rank(outcome: Outcome) -> tuple[int, float, float, str]:
    """By value, then by the distance from 1 where the value is 1 to every printed digit; rows without a value last."""
    if outcome.value is None:
        return (1, 0.0, 0.0, outcome.id)
    near_one = outcome.slack is not None and outcome.slack > 0
    decades = -float(outcome.slack.log10().hi) if near_one and outcome.slack is not None else math.inf
    return (0, round(float(outcome.value.log10().hi), 12), decades, outcome.id)


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


def evaluate_bound(bound: Bound, study: Study, observed: Interval, plugin: str) -> Outcome:
    """One bound on one run; what the plugin raises is the outcome."""
    known: dict[str, Any] = {
        "id": bound.id,
        "title": bound.title,
        "family": bound.family,
        "object": bound.object,
        "guarantee": bound.guarantee,
        "plugin": plugin,
        "latex": bound.theorem.latex(),
        "citation": bound.theorem.citation,
    }
    try:
        decided = tuple((a.name, a.statement, a.check(study)) for a in bound.theorem.assumptions)
        known["assumptions"] = decided
        refuted = tuple(f"{name}: {r.reason}" for name, _, r in decided if r.status == "refuted")
        if refuted:
            return Outcome(verdict=Verdict.NOT_APPLICABLE, reasons=refuted, **known)
        quantities = {symbol: study.measure(m) for symbol, m in bound.symbols.items() if m.role == "measured"}
        instance = Instance(bound, quantities, study)
        value = instance.best
        floor = instance.floor()
        verdict, reasons = judge(
            value,
            floor=floor,
            observed=observed,
            classes=study.run.classes,
            resolutions=[(name, r) for name, _, r in decided],
        )
        if bound.guarantee == "unconfirmed" and verdict is not Verdict.VIOLATED:
            verdict, reasons = (
                Verdict.INCONCLUSIVE,
                ("the statement is unconfirmed; nothing is certified with it.", *reasons),
            )
        return Outcome(
            verdict=verdict,
            reasons=reasons,
            value=value,
            slack=instance.slack(),
            floor=floor,
            margin=instance.margin,
            symbols=instance.filled(),
            terms=instance.terms(),
            where=instance.where(),
            latex_numbers=instance.latex_numbers(),
            elasticities=instance.elasticities(),
            sample_size=instance.sample_size(guessing_error(study.run.classes)),
            sample_symbol=instance.sample_symbol,
            sampled=instance.sampled,
            **known,
        )
    except UnavailableError as error:
        return Outcome(verdict=Verdict.NOT_APPLICABLE, reasons=error.reasons, **known)
    except Exception as error:
        # The promise of the instrument: one plugin's mistake is one row, with what is needed to find it.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Outcome(verdict=Verdict.FAILED, reasons=(reason,), traceback=traceback.format_exc(), **known)


class Instance:
    """A theorem with its symbols filled, at the best declared margin."""

    def __init__(self, bound: Bound, quantities: Mapping[sympy.Basic, Quantity], study: Study) -> None:
        self.bound = bound
        self.quantities = quantities
        self.sampled = sum((q.failure for q in quantities.values()), Fraction(0))
        self.delta, _ = confidence.share(study.delta, sampled=bool(self.sampled))
        self._expression = bound.theorem.closed_form
        # What moves when the margin does: itself, and what is measured at it.
        self._marginal = {s for s, q in quantities.items() if not isinstance(q.value, (Interval, tuple))}
        if bound.best_over is not None:
            self._marginal.add(bound.best_over)
        self._at_margin = Extension(self._expression, self.values(Interval(1)), self._marginal)
        self.margin: Interval | None = None
        self._largest = study.margins("train").largest if bound.best_over is not None else 0.0
        if bound.best_over is None:
            self.best = self._at(None)
        else:
            self.best, self.margin = self._best_margin()

    def values(
        self, margin: Interval | None, moved: Mapping[sympy.Basic, Any] | None = None
    ) -> dict[Any, Any]:
        """What fills every symbol at a margin; `moved` replaces some of it."""
        values: dict[Any, Any] = {}
        for symbol, measurement in self.bound.symbols.items():
            if measurement.role == "delta":
                values[symbol] = self.delta
            elif measurement.role == "margin":
                values[symbol] = margin
            else:
                value = self.quantities[symbol].value
                if not isinstance(value, (Interval, tuple)):
                    value = value.at(margin if margin is not None else Interval(1))
                values[symbol] = value
        return values | dict(moved or {})

    def _at(self, margin: Interval | None, moved: Mapping[sympy.Basic, Any] | None = None) -> Interval:
        return self.bound.theorem.enclose(self.values(margin, moved))

    # The margin ---------------------------------------------------------------------------------------------------

    def _margins(self, step: int) -> list[Interval]:
        """The declared margins, every `step`-th: 2^(j/8) up to the largest training margin.

        Each is the least number of the working precision that is not below 2^(j/8), hence on the grid of a theorem that
        rounds margins down.
        """
        if not 0 < self._largest < math.inf:
            return [Interval(1)]
        top = math.floor(8 * math.log2(self._largest))
        return [Interval((Interval(2) ** Fraction(j, 8)).hi) for j in range(top, top - 8 * OCTAVES, -step)]

    def _best_margin(self) -> tuple[Interval, Interval]:
        """The smallest value end by end, and the margin with the smallest upper end."""
        tried = [(self._at_margin(self._moving_with(gamma)), gamma) for gamma in self._margins(step=1)]
        lo, hi = min(value.lo for value, _ in tried), min(value.hi for value, _ in tried)
        return Interval(lo, hi), next(gamma for value, gamma in tried if value.hi == hi)

    def _moving_with(self, gamma: Interval) -> dict[Any, Any]:
        """The values at a margin of what moves with it."""
        values = self.values(gamma)
        return {symbol: values[symbol] for symbol in self._marginal}

    def floor(self) -> Interval | None:
        """A number below the bound at every margin whatsoever; None where the theorem has no margin.

        The half line of margins is cut into cells; on each the interval extension holds for all its margins at once.
        """
        if self.bound.best_over is None:
            return None
        top = math.floor(8 * math.log2(self._largest)) if 0 < self._largest < math.inf else 0
        cuts = [Interval(2) ** Fraction(j, 8) for j in range(top - 8 * OCTAVES, top + 8 * TAIL_OCTAVES + 1)]
        cells = [
            Interval.hull(0, cuts[0]),
            *(Interval.hull(a, b) for a, b in itertools.pairwise(cuts)),
            Interval.hull(cuts[-1], math.inf),
        ]
        return Interval(min(self._at_margin(self._moving_with(cell)).lo for cell in cells), math.inf)

    # What a reader asks next ----------------------------------------------------------------------------------------

    def slack(self) -> Interval:
        """One minus the value."""
        return self.bound.theorem.enclose_slack(self.values(self.margin))

    def terms(self) -> tuple[tuple[str, Interval], ...]:
        """The summands of the statement with their values at the best margin."""
        values = self.values(self.margin)
        return tuple((sympy.latex(t), v) for t, v in self.bound.theorem.enclose_terms(values))

    def where(self) -> tuple[tuple[str, str, Parts], ...]:
        """The named sub-expressions of the statement with their values."""
        parts = self.bound.theorem.enclose_where(self.values(self.margin))
        return tuple((sympy.latex(name), sympy.latex(part), value) for name, part, value in parts)

    def latex_numbers(self) -> str:
        """The statement with numbers for its symbols."""
        values = self.values(self.margin)
        named = {name: value for name, _, value in self.bound.theorem.enclose_where(values)}
        numbers = {s: v for s, v in (values | named).items() if isinstance(v, Interval)}
        return self.bound.theorem.latex({s: record.latex_number(v) for s, v in numbers.items()})

    def filled(self) -> tuple[Filled, ...]:
        """What filled each symbol, in alphabetical order."""
        values = self.values(self.margin)
        return tuple(
            self._filled(symbol, measurement, values[symbol])
            for symbol, measurement in sorted(self.bound.symbols.items(), key=lambda item: str(item[0]))
        )

    def _filled(self, symbol: sympy.Basic, measurement: Measurement, value: Any) -> Filled:
        quantity = self.quantities.get(symbol)
        if measurement.role == "delta":
            evidence, method = Evidence.EXACT, "the ledger"
        elif quantity is None:
            evidence, method = Evidence.EXACT, "the best of the declared margins 2^(j/8)"
        else:
            evidence, method = quantity.evidence, quantity.method
        family = isinstance(value, tuple)
        return Filled(
            symbol=str(symbol),
            latex=sympy.latex(symbol.label if isinstance(symbol, sympy.IndexedBase) else symbol),
            title=measurement.title,
            parts=value if family else (value,),
            family=family,
            evidence=evidence.value,
            method=method,
        )

    def elasticities(self) -> dict[str, float]:
        """By how many per cent the bound moves when a symbol moves by one per cent, averaged over an octave.

        log(value at sqrt(2) x / value at x / sqrt(2)) / log 2: for a power law its exponent, and meaningful for the
        steps of a grid or of a count. A family moves as a whole. Symbols that count layers or classes of a fixed
        architecture are left out, as is what is 0.
        """
        fixed = {
            s
            for x in self._expression.atoms(sympy.Sum, sympy.Product)
            for limit in x.limits
            for s in limit[1:]
        }
        fixed_symbols = {s for expression in fixed for s in sympy.sympify(expression).free_symbols}
        result = {}
        for symbol, measurement in self.bound.symbols.items():
            if symbol in fixed_symbols:
                continue
            slope = self._elasticity(symbol, measurement)
            if slope is not None and math.isfinite(slope):
                result[str(symbol)] = slope
        return result

    def _elasticity(self, symbol: sympy.Basic, measurement: Measurement) -> float | None:
        now = self.values(self.margin)[symbol]
        if not isinstance(now, tuple) and now <= 0:
            return None
        try:
            (low, x_low), (high, x_high) = (
                self._moved(symbol, measurement, now, factor) for factor in (math.sqrt(0.5), math.sqrt(2))
            )
        except (ArithmeticError, IndexError):
            return None
        if x_low == x_high or not (low > 0 and high > 0):
            return None
        ratio = Interval(high.midpoint()).log() - Interval(low.midpoint()).log()
        return round(float(ratio.midpoint()) / math.log(x_high / x_low), 6)

    def _moved(
        self, symbol: sympy.Basic, measurement: Measurement, now: Any, factor: float
    ) -> tuple[Interval, float]:
        """(the bound, the factor applied) with one symbol moved by `factor` inside its range."""

        def move(x: Interval) -> Interval:
            y = float(x.midpoint()) * factor
            if measurement.at_most is not None:
                y = min(
                    y,
                    measurement.at_most * (1 - 2**-20)
                    if measurement.role == "delta"
                    else measurement.at_most,
                )
            return Interval(round(y)) if measurement.whole else Interval(y)

        if isinstance(now, tuple):
            return self._at(self.margin, {symbol: tuple(x * Interval(factor) for x in now)}), factor
        moved = move(now)
        return self._at(self.margin, {symbol: moved}), float(moved.midpoint()) / float(now.midpoint())

    @property
    def _sample(self) -> sympy.Basic | None:
        """The symbol that counts examples: training examples, or test examples for a test-set bound."""
        for name in ("sample-size", "test-size"):
            for symbol, measurement in self.bound.symbols.items():
                if measurement.name == name:
                    return symbol
        return None

    @property
    def sample_symbol(self) -> str:
        """Its name."""
        return str(self._sample) if self._sample is not None else "n"

    def sample_size(self, threshold: Interval) -> float | None:
        """log10 of a number of examples at which the bound falls below `threshold`, all else as measured.

        Found by bisection to 0.001 decade; the upper end of the bound is below the threshold there. None when it is
        not below it for any size up to 10^400.
        """
        symbol = self._sample
        if symbol is None:
            return None
        margins = [*self._margins(step=8), self.margin] if self.margin is not None else [None]
        at = Extension(self._expression, self.values(self.margin), {symbol, *self._marginal})

        def enough(log10_n: float) -> bool:
            n = {symbol: Interval(_power_of_ten(log10_n))}
            return any(
                below(at, n if gamma is None else {**self._moving_with(gamma), **n}) for gamma in margins
            )

        def below(at: Extension, moved: Mapping[sympy.Basic, Any]) -> bool:
            try:
                return at(moved) < threshold
            except ArithmeticError:
                return False

        if not any(enough(x) for x in (60, ORDERS_OF_N)):
            return None
        known = next((k for k, x in enumerate(DECADES) if enough(x)), None)
        if known is None:
            return None
        low, high = (float(DECADES[known - 1]) if known else 0.0), float(DECADES[known])
        while high - low > 1e-3:
            middle = (low + high) / 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high


def _power_of_ten(x: float) -> int:
    """A whole number just above 10^x, with at most 60 significant bits so that its small multiples are exact."""
    whole = math.floor(x)
    n = math.ceil(Fraction(10) ** (whole - 15) * round(10 ** (x - whole) * 10**15))
    spare = max(0, n.bit_length() - 60)
    return -(-n >> spare) << spare
