"""Figures: every bound, and every measure, of every run on one logarithmic axis.

A function draws on matplotlib axes and returns them; `save` writes PNG and SVG without dates, so that two renderings
of one stored run differ in no byte.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import storage
from ..record import UNCERTIFIED
from . import text
from .report import Judged, Report

COLOURS: Final[Mapping[str, str]] = {
    # Okabe and Ito's palette, told apart by colour-blind readers; one family, one colour, everywhere.
    "test-set": "#000000",
    "counting": "#E69F00",
    "vc": "#0072B2",
    "rademacher": "#CC79A7",
    "norm": "#009E73",
    "margin": "#D55E00",
    "pac-bayes": "#56B4E9",
}
OTHER: Final = "#7A7A7A"
MARKS: Final = "osD^vP"
OBSERVED: Final = "#B00020"
STYLE: Final[Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "boundcheck",
    "figure.dpi": 150,
}


def colour(family: str) -> str:
    """The colour of a family of bounds."""
    return COLOURS.get(family, OTHER)


def ladder(report: Report, ids: Sequence[str] | None = None) -> Figure:
    """Bounds against the observed test error, one panel a run, sorted by value; the vacuous region shaded.

    `ids`: which bounds; for None all that have a value on some run, or all where none has.
    """
    ids = (report.valued or report.bounds) if ids is None else tuple(ids)
    with mpl.rc_context(STYLE):
        columns = min(2, len(report.runs))
        rows = math.ceil(len(report.runs) / columns)
        figure = Figure(
            figsize=(2.6 + 4.2 * columns, 0.9 + rows * (1.0 + 0.30 * len(ids))), layout="constrained"
        )
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        low, high = _limits(report, ids)
        for run, ax in zip(report.runs, axes.flat, strict=False):
            _panel(ax, run, ids, low, high)
        for ax in list(axes.flat)[len(report.runs) :]:
            ax.remove()
        figure.supxlabel("bound on the test error (logarithmic)", fontsize=9)
    return figure


def _limits(report: Report, ids: tuple[str, ...]) -> tuple[float, float]:
    """Decades that hold every value and every observed error, with room for labels on the right."""
    tops, bottoms = [0.0], [-1.0]
    for run in report.runs:
        bottoms.append(math.log10(max(run.evaluation["observed"]["test_error_interval"][0], 1e-4)))
        for b in run.evaluation["bounds"]:
            if b["id"] in ids and b["value"] is not None:
                low, high = b["value"]["log10_lo"], b["value"]["log10_hi"]
                tops.append(high if high is not None else 0.0)
                bottoms.append(max(low if low is not None else -4.0, -4.0))
    low, high = math.floor(min(bottoms) * 2) / 2 - 0.1, max(tops)
    return low, max(1.0, high + 0.34 * (high - low))


def _panel(ax: Axes, run: Judged, ids: tuple[str, ...], low: float, high: float) -> None:
    observed = run.evaluation["observed"]
    ax.set_xlim(low, high)
    ax.set_ylim(-0.9, len(ids) - 0.4)
    ax.axvspan(0, high, color="0.93", lw=0, zorder=0)
    ax.text(0.06, len(ids) - 0.45, "vacuous", color="0.4", va="top", fontsize=8, style="italic")
    guess = math.log10(1 - 1 / run.evaluation["classes"])
    ax.axvline(guess, color="0.55", lw=0.8, ls=(0, (4, 3)), zorder=1)
    e_low, e_high = (math.log10(max(e, 10**low)) for e in observed["test_error_interval"])
    ax.axvspan(e_low, e_high, color=OBSERVED, alpha=0.25, lw=0, zorder=1)
    ax.axvline(math.log10(max(observed["test_error"], 10**low)), color=OBSERVED, lw=1.4, zorder=2)
    for row, identifier in enumerate(ids):
        _row(ax, len(ids) - 1 - row, run.bound(identifier), low)
    ax.set_yticks(range(len(ids)), [*reversed(ids)], fontsize=8)
    ax.tick_params(axis="y", length=0)
    ticks = _ticks(low, high)
    ax.set_xticks(ticks, [text.power(t) if t else "1" for t in ticks])
    name = run.name if len(run.name) <= 40 else run.name[:39] + "…"
    ax.set_title(
        f"{name}: {run.labels}\ntest error {text.percent(observed['test_error'])} (red), "
        f"training error {text.percent(observed['train_error'])}",
        fontsize=9,
        loc="left",
        parse_math=False,
    )


def _ticks(low: float, high: float) -> list[int]:
    step = max(1, round((high - low) / 7))
    return [t for t in range(math.ceil(low), math.floor(high) + 1) if t % step == 0]


def _row(ax: Axes, y: int, b: Mapping[str, Any] | None, low: float) -> None:
    if b is None:
        return
    c = colour(b["family"])
    v = b["value"]
    if v is None:
        ax.text(0.06, y, b["verdict"], color="0.45", va="center", fontsize=7.5, style="italic")
        return
    left, right = (max(low, v[key] if v[key] is not None else low) for key in ("log10_lo", "log10_hi"))
    ax.plot([left, right], [y, y], color=c, lw=5, alpha=0.45, solid_capstyle="butt", zorder=3)
    filled = b["verdict"] == "non-vacuous"
    marker = "x" if b["guarantee"] in UNCERTIFIED else "o"
    ax.plot([right], [y], marker, ms=6, color=c, mfc=c if filled else "white", mew=1.6, zorder=4)
    ax.annotate(
        text.value(v),
        (right, y),
        xytext=(7, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color=c,
        parse_math=False,
        zorder=5,
    )


def measures(report: Report) -> Figure:
    """Each measure on each run, as a multiple of its value on the first run, on a logarithmic axis.

    The runs of a row stand a little below each other, so that none hides another. A measure that is known of no run has no
    row.
    """
    ids = [m for m in report.measures if any(_log10(run, m) is not None for run in report.runs)]
    step = min(0.2, 0.6 / len(report.runs))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 1.1 + 0.3 * len(ids)), layout="constrained")
        ax = figure.subplots()
        ax.plot([0, 0], [-0.8, len(ids) - 0.4], color="0.55", lw=0.8, zorder=1)
        for row, identifier in enumerate(reversed(ids)):
            ax.axhline(row, color="0.92", lw=0.8, zorder=0)
            base = _log10(report.runs[0], identifier)
            for index, run in enumerate(report.runs):
                at = _log10(run, identifier)
                if base is not None and at is not None:
                    ax.plot(
                        [at - base],
                        [row + step * ((len(report.runs) - 1) / 2 - index)],
                        MARKS[index % len(MARKS)],
                        color=_run_colour(index),
                        ms=5,
                        zorder=3,
                    )
        low, high = ax.get_xlim()
        ticks = _ticks(low, high)
        ax.set_xticks(ticks, [text.power(t) if t else "1" for t in ticks])
        ax.set_yticks(range(len(ids)), [*reversed(ids)], fontsize=8)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(-0.8, len(ids) + 0.1 + 0.7 * len(report.runs))
        ax.set_xlabel(f"multiple of the value on {report.runs[0].name} (logarithmic)", parse_math=False)
        for index, run in enumerate(report.runs):
            y = len(ids) - 0.5 + 0.7 * (len(report.runs) - index)
            ax.plot(
                [0.012],
                [y],
                MARKS[index % len(MARKS)],
                color=_run_colour(index),
                ms=6,
                transform=ax.get_yaxis_transform(),
            )
            o = run.evaluation["observed"]
            label = f"{run.name}: gap {100 * (o['test_error'] - o['train_error']):.1f} per cent"
            ax.text(
                0.03,
                y,
                label,
                color=_run_colour(index),
                fontsize=8,
                va="center",
                parse_math=False,
                transform=ax.get_yaxis_transform(),
            )
    return figure


def _run_colour(index: int) -> str:
    return ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")[index % 6]


def _log10(run: Judged, identifier: str) -> float | None:
    m = run.measure(identifier)
    value = None if m is None else m["value"]
    if value is None or value["log10_lo"] is None or value["log10_hi"] is None:
        return None
    return (value["log10_lo"] + value["log10_hi"]) / 2


def save(figure: Figure, path: Path) -> None:
    """Write `path`.png and `path`.svg, each in one step and without dates or program versions."""
    for suffix, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        buffer = io.BytesIO()
        with mpl.rc_context(STYLE):
            figure.savefig(buffer, format=suffix, metadata=metadata, dpi=160)
        storage.write(path.with_suffix(f".{suffix}"), buffer.getvalue())
