"""Checks of a statement by itself: its symbols, its example, its source, what it assumes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from ..bound import Bound, exact_values
from ..interval import Interval
from ..registry import installed
from .finding import PASSED, Finding, failed
from .points import RISKS, SIZES


def statement_is_closed(bound: Bound) -> Finding:
    """The symbols of the statement, of the measurements and of the example are the same, and the example is in range."""
    statement, filled = bound.theorem.symbols, frozenset(bound.symbols)
    example = frozenset(bound.example.values)
    for what, names in (("`symbols` fills", filled), ("the example gives", example)):
        if names != statement:
            return failed(
                f"the statement is in {_named(statement)}, and {what} {_named(names)}; all three must be the same."
            )
    for symbol, value in exact_values(bound.example.values).items():
        wrong = _out_of_range(bound, symbol, value)
        if wrong:
            return failed(f"the example gives {symbol} = {bound.example.values[symbol]}: {wrong}.")
    return PASSED


def _named(symbols: frozenset[Any]) -> str:
    return ", ".join(sorted(map(str, symbols))) or "nothing"


def _out_of_range(bound: Bound, symbol: Any, value: Any) -> str:
    measurement = bound.symbols[symbol]
    for part in value if isinstance(value, tuple) else (value,):
        if part < 0:
            return f"no {measurement.title} is negative"
        if measurement.whole and part != Interval(part.integers()[0]):
            return f"a {measurement.title} is a whole number"
        if measurement.at_most is not None and part > measurement.at_most:
            return f"no {measurement.title} is above {measurement.at_most:g}"
    return ""


def example_agrees(bound: Bound) -> Finding:
    """The interval evaluation of the exact example contains, and agrees with, every printed digit."""
    value = bound.example_value()
    digits = len(bound.example.value.partition(".")[2])
    printed, unit = Fraction(bound.example.value), Fraction(1, 2 * 10**digits)
    if not Interval(printed - unit, printed + unit).contains(value):
        return failed(f"the example evaluates to {value}, and {bound.example.value} is declared.")
    return PASSED


def names_its_source(bound: Bound) -> Finding:
    """The citation names a work and where in it, or beside it, the proof is."""
    citation = bound.theorem.citation
    work = citation.reference
    missing = [part for part in ("key", "authors", "year", "title") if not getattr(work, part)]
    if missing:
        return failed(f"the citation lacks {', '.join(missing)}: {work}")
    if not (citation.theorem or citation.derivation):
        return failed(
            f"the citation of {work.key} says neither which theorem it is nor where the form used here is derived; "
            "give `theorem` or `derivation`."
        )
    if not bound.theorem.assumptions:
        return failed("a theorem of learning theory assumes something; `assumptions` is empty.")
    page = _page(bound)
    if page is not None and not page.is_file():
        return failed(f"the derivation {citation.derivation} is not there; write {page}.")
    return PASSED


def _page(bound: Bound) -> Path | None:
    """Where the derivation of a first-party bound should be, when boundcheck runs from its source folder."""
    root = Path(__file__).parents[3]
    ours = installed().plugins.get(bound.id, "").startswith("boundcheck ")
    derivation = bound.theorem.citation.derivation
    if not ours or not derivation or "://" in derivation or not (root / "docs" / "theory").is_dir():
        return None
    return root / derivation.partition("#")[0]


def assumes_how_its_examples_were_drawn(bound: Bound) -> Finding:
    """Nothing about a sample follows unless it is assumed how the sample was drawn, and what was chosen with it."""
    used = {m.name for m in bound.symbols.values()} & (RISKS | SIZES)
    assumed = {a.name for a in bound.theorem.assumptions}
    needed = {"iid"} if used else set()
    if used & {"test-error", "test-size"}:
        needed.add("fresh-test-set")
    if used - {"test-error", "test-size"}:
        needed.add("fixed-in-advance")
    missing = sorted(needed - assumed)
    if missing:
        return failed(
            f"it is filled by {', '.join(sorted(used))} and does not assume {', '.join(missing)}; add it to `assumptions`."
        )
    return PASSED
