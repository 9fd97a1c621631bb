"""The figure of a witness: a function on a line through every training point, at three scales."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ..witness import Memorized
from .plots import STYLE

CLASSES: Final = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#7F7F7F",
    "#8C564B",
)
"""Okabe and Ito's palette, a grey and a brown; an eleventh class has the first colour again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """c along <a, x>: where it bends (kinks) and where it must take a value (points), rounded to float64.

    Positions are distances from `origin`, so that rounding does not merge neighbours.
    """

    origin: Fraction
    kinks: np.ndarray
    bends: np.ndarray
    points: np.ndarray
    labels: np.ndarray

    @classmethod
    def between(cls, found: Memorized, first: int, last: int) -> Line:
        """The line from the `first` to the `last` of the distinct inputs in their order, both included."""
        projection, witness = found.projection, found.witness
        order = projection.order[first : last + 1]
        unit = witness.unit(projection.exponent)
        shift = projection.exponent - unit
        points = [projection.values[i] << shift for i in order]
        every = sorted(b.over(unit) for b in witness.kinks)
        within = every[bisect.bisect_left(every, points[0]) : bisect.bisect_right(every, points[-1])]
        heights = list(witness.along(within, unit))
        origin, scale = points[0], Fraction(1, 1 << -unit) if unit < 0 else Fraction(1 << unit)

        def placed(values: list[int]) -> np.ndarray:
            return np.array([float((v - origin) * scale) for v in values])

        return cls(
            origin=origin * scale,
            kinks=placed(within),
            bends=np.array([float(h) for h in heights]),
            points=placed(points),
            labels=np.array([int(found.labels[i]) for i in order]),
        )

    @property
    def graph(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions and values of c at every kink and every point, in order: the graph is straight between them."""
        x = np.concatenate([self.kinks, self.points])
        y = np.concatenate([self.bends, self.labels])
        order = np.argsort(x, kind="stable")
        return x[order], y[order]


def interpolant(found: Memorized) -> Figure:
    """c over <a, x> at all points, at a hundred neighbours, and at ten of those; points coloured by label."""
    n = len(found.projection.order)
    hundred = _window(found, 0, n - 1, 100)
    ten = _window(found, *hundred, 10)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 8.2), layout="constrained")
        panels = figure.subplots(3, 1)
        for ax, (first, last) in zip(panels, ((0, n - 1), hundred, ten), strict=True):
            _panel(ax, found, first, last)
        figure.supylabel("c(x); labels are 1, 2, …", fontsize=9)
        panels[-1].set_xlabel("⟨a, x⟩ minus its value at the first point shown")
    return figure


def _window(found: Memorized, first: int, last: int, size: int) -> tuple[int, int]:
    """Of the middle half of the points, the `size` neighbours between which c strays least from the labels."""
    n = last - first + 1
    if n <= size:
        return first, last
    low = first + max(0, n // 4 - size // 2)
    high = min(last, max(low + size - 1, first + 3 * n // 4 + size // 2))
    line = Line.between(found, low, high)
    stray = np.abs(line.bends)
    interval = np.searchsorted(line.points, line.kinks, side="right") - 1
    gaps = np.zeros(len(line.points) - 1)
    np.maximum.at(gaps, np.clip(interval, 0, len(gaps) - 1), stray)
    worst = np.lib.stride_tricks.sliding_window_view(gaps, size - 1).max(axis=1)
    start = low + int(worst.argmin())
    return start, start + size - 1


def _panel(ax: Axes, found: Memorized, first: int, last: int) -> None:
    line = Line.between(found, first, last)
    x, y = line.graph
    few = last - first < 40
    classes = found.classes
    low, high = (float(y.min()), float(y.max())) if few else (-0.5 * classes, 1.5 * classes + 1)
    pad = 0.08 * (high - low) + 0.2
    ax.plot(
        x,
        y,
        color="0.35" if few else "0.55" if last - first < 400 else "0.85",
        lw=1.1 if few else 0.6 if last - first < 400 else 0.3,
        zorder=1,
        rasterized=len(x) > 2000,
    )
    size = 34 if few else 12 if last - first < 400 else 1.5
    for label in range(1, classes + 1):
        chosen = line.labels == label
        ax.scatter(
            line.points[chosen],
            line.labels[chosen],
            s=size,
            color=CLASSES[(label - 1) % len(CLASSES)],
            edgecolors="0.2" if last - first < 400 else "none",
            linewidths=0.4,
            zorder=3,
            rasterized=chosen.sum() > 500,
        )
    ax.set_ylim(low - pad, high + pad)
    ax.set_xlim(*_padded(x))
    ax.set_yticks(range(1, classes + 1, max(1, (classes - 1) // 3)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}" if x[-1] > 20 else f"{v:g}"))
    if few:
        ax.plot(line.kinks, line.bends, "x", color="#B00020", ms=5, mew=1.3, zorder=4)
        _name_points(ax, line)
    beyond = np.abs(line.bends).max(initial=0)
    told = f"{last - first + 1:,} points" + (", kinks crossed" if few else "")
    if beyond > high:
        told += f"; cut off: between points |c| reaches {_short(beyond)}"
    if not first and last + 1 == len(found.projection.order):
        told = f"all {told}"
    ax.set_title(told, loc="left", fontsize=9, parse_math=False)


def _padded(x: Any) -> tuple[float, float]:
    low, high = float(x.min()), float(x.max())
    pad = 0.02 * (high - low) or 1.0
    return low - pad, high + pad


def _name_points(ax: Axes, line: Line) -> None:
    for x, label in zip(line.points, line.labels, strict=True):
        ax.annotate(
            str(label),
            (x, label),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            parse_math=False,
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value < 1e5 else f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
