"""The measures of a report: values by run, and how well each orders the runs. Never a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..interval import Interval
from ..ranking import kendall
from . import text
from .report import Report
from .text import code, escape

FEWEST = 3
"""A rank correlation of two runs is a single comparison."""


def position(stored: Mapping[str, Any] | None) -> Interval | None:
    """Where a stored number lies, for comparing: its decimal logarithm, enclosed; None without a value."""
    value = None if stored is None else stored["value"]
    if value is None:
        return None
    low = -math.inf if value["log10_lo"] is None else value["log10_lo"]
    high = math.inf if value["log10_hi"] is None else value["log10_hi"]
    # Both are doubles rounded to nearest or outward; one more float on each side keeps them apart only if they are.
    return (
        Interval(math.nextafter(low, -math.inf), math.nextafter(high, math.inf))
        if low < high
        else Interval(low)
    )


def correlation(report: Report, identifier: str) -> Interval | None:
    """Kendall's tau of a measure with the generalization gap; None where a run lacks a value, or runs are few."""
    places = [position(run.measure(identifier)) for run in report.runs]
    known = [place for place in places if place is not None]
    if len(known) < len(places) or len(known) < FEWEST:
        return None
    return kendall(known, [run.gap for run in report.runs])


def section(report: Report) -> Iterator[str]:
    """The markdown of the section; nothing where no measure was read."""
    if not report.measures:
        return
    yield "## Measures"
    yield (
        "Formulas that lack the constants, or the proof, that would make them bounds. They are ranked, never judged: a good one is larger "
        "where the gap between training and test error is larger."
    )
    ranked = len(report.runs) >= FEWEST
    header = ["measure", *(escape(run.name) for run in report.runs), *(["τ"] if ranked else [])]
    rows = []
    for identifier in report.measures:
        cells = [_name(report, identifier)]
        for run in report.runs:
            m = run.measure(identifier)
            cells.append(
                "–"
                if m is None or m["value"] is None
                else text.value({**m["value"], "log10_below_one": None})
            )
        if ranked:
            cells.append(_tau(correlation(report, identifier)))
        rows.append(cells)
    gaps = [run.gap for run in report.runs]
    shown = ["*gap, per cent*", *(f"*{100 * float(g.lo):.1f} to {100 * float(g.hi):.1f}*" for g in gaps)]
    rows.append([*shown, *([""] if ranked else [])])
    align = "l" + "r" * (len(header) - 1)
    marks = {"l": "---", "r": "---:"}
    lines = [header, [marks[a] for a in align], *rows]
    yield "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    if ranked:
        pairs = len(report.runs) * (len(report.runs) - 1) // 2
        yield (
            f"τ: Kendall's rank correlation with the gap over {pairs} pairs of runs, as an interval where measured intervals overlap. "
            "1: every pair in the right order; −1: every pair in the wrong one."
        )
    if len(report.runs) > 1:
        yield (
            "!["
            + escape("Each measure on each run, as a multiple of its value on the first run.")
            + "](figures/measures.png)"
        )
    missing = {
        (identifier, run.name): run.measure(identifier)
        for identifier in report.measures
        for run in report.runs
    }
    said = [
        f"- {code(identifier)} on {escape(name)}: {escape('; '.join(m['reasons']))}"
        for (identifier, name), m in missing.items()
        if m is not None and m["value"] is None
    ]
    if said:
        yield "\n".join(["Without a value:", "", *said])


def _name(report: Report, identifier: str) -> str:
    m = next(m for run in report.runs if (m := run.measure(identifier)) is not None)
    return f"{escape(m['title'])} ({code(identifier)})"


def _tau(tau: Interval | None) -> str:
    if tau is None:
        return "–"
    low, high = float(tau.lo), float(tau.hi)
    shown = [f"{x:.2f}".replace("-", "−") for x in (low, high)]
    return shown[0] if shown[0] == shown[1] else f"{shown[0]} to {shown[1]}"
