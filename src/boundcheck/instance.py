"""`Instance`: a theorem with its symbols filled, and everything a reader asks of it.

Where a theorem leaves a margin open, the value is the smallest over the declared margins: the powers 2^(j/8) up to the
largest margin in the training set. Beyond that every example counts as partly wrong and every margin bound creeps
towards 1 from above, which would hide how vacuous it is. The verdict nevertheless covers every margin: a lower bound
over all of them, by cells, must also reach the threshold before a bound is called vacuous.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy

from . import confidence, record
from .bound import Bound
from .errors import PluginError
from .extension import Extension
from .interval import Interval
from .quantities.quantity import Evidence, Measurement, Quantity
from .quantities.study import Study
from .theorem import ORDERS_OF_N, Parts

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
        """The smallest interval that holds them all; everything where there is no entry to hold."""
        return Interval.hull(*self.parts) if self.parts else Interval(-math.inf, math.inf)


class Instance:
    """A theorem with its symbols filled, at the best declared margin."""

    def __init__(self, bound: Bound, quantities: Mapping[sympy.Basic, Quantity], study: Study) -> None:
        self.bound = bound
        self.quantities = quantities
        self.sampled = sum((q.failure for q in quantities.values()), Fraction(0))
        self.delta = confidence.share(study.delta, self.sampled)
        if any(q.evidence is Evidence.SAMPLED and not q.failure > 0 for q in quantities.values()):
            raise PluginError(
                f"a sampled quantity of `{bound.id}` states no failure probability; one is needed."
            )
        if any(q.evidence is Evidence.ESTIMATED for q in quantities.values()):
            raise PluginError(
                f"`{bound.id}` is filled by an estimate; a bound needs quantities that are exact, enclosed or sampled with a failure probability."
            )
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

    def values(self, margin: Interval | None) -> dict[Any, Any]:
        """What fills every symbol at a margin."""
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
        return values

    def _at(self, margin: Interval | None, moved: Mapping[sympy.Basic, Any] | None = None) -> Interval:
        return self.bound.theorem.enclose(self.values(margin) | dict(moved or {}))

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
            for end in limit[1:]
            for s in end.free_symbols
        }
        result = {}
        for symbol, measurement in self.bound.symbols.items():
            if symbol in fixed:
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
                y = min(y, measurement.at_most)
            return Interval(round(y)) if measurement.whole else Interval(y)

        if isinstance(now, tuple):
            return self._at(self.margin, {symbol: tuple(x * Interval(factor) for x in now)}), factor
        moved = move(now)
        return self._at(self.margin, {symbol: moved}), float(moved.midpoint()) / float(now.midpoint())

    @property
    def _sample(self) -> sympy.Basic | None:
        """The symbol that counts examples: training examples, those of the second half, or test examples for a test-set bound."""
        for name in ("sample-size", "late-size", "test-size"):
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

        def below(gamma: Interval | None, n: Interval) -> bool:
            marginal = {} if gamma is None else self._moving_with(gamma)
            try:
                return at({**marginal, symbol: n}) < threshold
            except ArithmeticError:
                return False

        def enough(log10_n: float) -> bool:
            n = Interval(_power_of_ten(log10_n))
            return any(below(gamma, n) for gamma in margins)

        # Most bounds that never get there are found out by the largest sizes alone.
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
