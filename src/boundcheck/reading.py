"""`Reading`: what a measure says of a run. A number or the reasons why there is none; never a verdict."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

import sympy

from .errors import said
from .instance import Filled
from .interval import Interval
from .measure import Measure
from .quantities.quantity import Quantity, UnavailableError
from .quantities.study import Study
from .theorem import Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The value of a measure on a run, with what filled its symbols; or why it has none."""

    id: str
    title: str
    plugin: str
    latex: str
    citation: Citation
    differs: str
    value: Interval | None = None
    reasons: tuple[str, ...] = ()
    symbols: tuple[Filled, ...] = ()
    failed: bool = False
    traceback: str = ""


def read(measure: Measure, study: Study, plugin: str) -> Reading:
    """Measure a run; what the plugin raises is the reading."""
    known = {
        "id": measure.id,
        "title": measure.title,
        "plugin": plugin,
        "citation": measure.citation,
        "differs": measure.differs,
    }
    latex = ""
    try:
        latex = measure.latex
        quantities = {symbol: study.measure(m) for symbol, m in measure.symbols.items()}
        value = measure.enclose({symbol: q.value for symbol, q in quantities.items()})
        filled = tuple(_filled(symbol, measure, quantities[symbol]) for symbol in sorted(quantities, key=str))
        return Reading(value=value, symbols=filled, latex=latex, **known)
    except UnavailableError as error:
        return Reading(reasons=error.reasons, latex=latex, **known)
    except Exception as error:
        # One plugin's mistake is one row, with what is needed to find it.
        return Reading(
            reasons=(said(error),), failed=True, traceback=traceback.format_exc(), latex=latex, **known
        )


def _filled(symbol: sympy.Basic, measure: Measure, quantity: Quantity) -> Filled:
    family = isinstance(quantity.value, tuple)
    return Filled(
        symbol=str(symbol),
        latex=sympy.latex(symbol.label if isinstance(symbol, sympy.IndexedBase) else symbol),
        title=measure.symbols[symbol].title,
        parts=quantity.value if family else (quantity.value,),  # type: ignore[arg-type]
        family=family,
        evidence=quantity.evidence.value,
        method=quantity.method,
    )
