"""The measures of a report: values by run, and how well each orders the runs. Never a verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ..interval import Interval
from ..ranking import kendall, order
from . import text
from .report import Report
from .text import code, escape

FEWEST = 3
"""A rank correlation of two runs is a single comparison."""


def positions(report: Report, identifier: str) -> list[Interval] | None:
    """Where the values of a measure lie, run by run, for comparing; None where a run lacks one.

    The values themselves, so that equal counts are a tie; their decimal logarithms where one is beyond a double.
    """
    values = [None if (m := run.measure(identifier)) is None else m["value"] for run in report.runs]
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return None
    if all(v["lo"] is not None and v["hi"] is not None for v in known):
        return [Interval(v["lo"], v["hi"]) for v in known]
    return [_logarithm(v) for v in known]


def _logarithm(value: Mapping[str, Any]) -> Interval:
    low, high = value["log10_lo"], value["log10_hi"]
    # One more double on each side: numbers whose logarithms print alike are not known to be equal.
    return Interval(
        -math.inf if low is None else math.nextafter(low, -math.inf),
        math.inf if high is None else math.nextafter(high, math.inf),
    )


def correlation(report: Report, identifier: str) -> Interval | None:
    """Kendall's tau of a measure with the generalization gap; None where a run lacks a value, or runs are few."""
    places = positions(report, identifier)
    if places is None or len(places) < FEWEST:
        return None
    return kendall(places, [run.gap for run in report.runs])


def larger(report: Report, places: list[Interval] | None) -> str:
    """Of two runs the one with the larger number; a dash where their intervals overlap."""
    if places is None:
        return "–"
    sign = order(*places)
    first, second = (escape(run.name) for run in report.runs)
    return first if sign > 0 else second if sign < 0 else "equal" if sign.is_exact else "–"


def section(report: Report) -> Iterator[str]:
    """The markdown of the section; nothing where no measure was read."""
    if not report.measures:
        return
    yield "## Measures"
    yield (
        "Formulas that lack the constants, or the proof, that would make them bounds. They are ranked, never judged: a good one is larger "
        "where the gap between training and test error is larger."
    )
    ranked, pair = len(report.runs) >= FEWEST, len(report.runs) == 2
    last = ["τ"] if ranked else ["larger on"] if pair else []
    header = ["measure", *(escape(run.name) for run in report.runs), *last]
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
        if pair:
            cells.append(larger(report, positions(report, identifier)))
        rows.append(cells)
    gaps = [run.gap for run in report.runs]
    shown = ["*gap, per cent*", *(f"*{100 * float(g.lo):.1f} to {100 * float(g.hi):.1f}*" for g in gaps)]
    rows.append([*shown, *([""] if ranked else [f"*{larger(report, gaps)}*"] if pair else [])])
    yield text.table(header, rows, "l" + "r" * (len(header) - 1))
    if ranked:
        pairs = len(report.runs) * (len(report.runs) - 1) // 2
        yield (
            f"τ: Kendall's rank correlation with the gap over {pairs} {'pairs' if pairs > 1 else 'pair'} of runs, equal values counted as neither. It is an "
            "interval where measured intervals, or confidence intervals of the test error, overlap. 1: every pair in the right order; "
            "−1: every pair in the wrong one."
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
