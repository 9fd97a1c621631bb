"""`Callout`: a name beside a line, in its colour, placed where it covers nothing. Figures have these in place of legends."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox


class Callout(NamedTuple):
    """A text for the point (x, y) of some axes, in data coordinates. `side`: 1 to stand above it, −1 below, 0 either way."""

    x: float
    y: float
    text: str
    colour: str
    side: int = 0


STEP = 4.0
"""Points by which a text is moved when it would cover something."""

FAR = 8.0
"""A text so many points above or below the height of its point, or the place next to it, is tied to it by a thin line."""


def place(figure: Figure, callouts: Sequence[tuple[Axes, Sequence[Callout]]], size: float = 8) -> None:
    """Write the texts near their points, where they cover no line, no other text and no edge, if there is such a place.

    Everything else must have been drawn: lines are what is avoided.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    scale = figure.dpi / 72
    for ax, own in callouts:
        obstacles, taken = _points(ax, scale), []
        for callout in own:
            drawn = ax.text(callout.x, callout.y, callout.text, fontsize=size, va="center", parse_math=False)
            here = drawn.get_window_extent(renderer)
            drawn.remove()
            dx, dy = _offset(here, ax.get_window_extent(), obstacles, taken, scale, callout.side)
            taken.append(here.translated(dx * scale, dy * scale))
            # Where the line would begin: the side of the text that is next to the point.
            place = 0.0 if dx > 0 else 1.0 if dx * scale < -here.width else 0.5
            tie = {
                "arrowstyle": "-",
                "color": callout.colour,
                "lw": 0.6,
                "shrinkA": 0,
                "shrinkB": 3,
                "relpos": (place, 0.5),
            }
            ax.annotate(
                callout.text,
                (callout.x, callout.y),
                xytext=(dx, dy),
                textcoords="offset points",
                color=callout.colour,
                fontsize=size,
                va="center",
                annotation_clip=False,
                parse_math=False,
                zorder=6,
                arrowprops=tie if abs(dy) > FAR * (2 if place == 0.5 else 1) else None,
            ).set_in_layout(False)


def _offset(
    here: Bbox, frame: Bbox, obstacles: np.ndarray, taken: Sequence[Bbox], scale: float, side: int
) -> tuple[float, float]:
    """How far to move a text from its point, in points: the cheapest of its places."""
    best: tuple[float, tuple[float, float]] | None = None
    for dx, dy in _offsets(here.width / scale, here.height / scale):
        box = here.translated(dx * scale, dy * scale)
        wide = Bbox.from_extents(box.x0 - 2 * scale, box.y0 - scale, box.x1 + 2 * scale, box.y1 + scale)
        covered = _within(wide, obstacles) + 1000 * sum(wide.overlaps(other) for other in taken)
        outside = not (
            frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        )
        cost = 40 * covered + 1e6 * outside + abs(dy) + 0.15 * abs(dx) + 60 * (dy * side < 0)
        if best is None or cost < best[0]:
            best = cost, (dx, dy)
    assert best is not None
    return best[1]


def _offsets(width: float, height: float) -> Iterator[tuple[float, float]]:
    """Right of the point, centred on it, and left of it; at its height, then ever farther above and below; in points."""
    for dx in (7, -width / 2, -width - 7):
        for k in range(30):
            for sign in (1, -1):
                dy = sign * (k * STEP + (0 if dx == 7 else height))
                yield dx, dy


def _within(box: Bbox, points: np.ndarray) -> int:
    x, y = points.T
    return int(np.sum((box.x0 <= x) & (x <= box.x1) & (box.y0 <= y) & (y <= box.y1)))


def _points(ax: Axes, scale: float) -> np.ndarray:
    """Where lines run, every few pixels, and the rims of their markers, in display coordinates [N, 2]."""
    found = [np.empty((0, 2))]
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for line in ax.lines:
        xy = line.get_transform().transform(np.asarray(line.get_xydata(), float))
        xy = xy[np.isfinite(xy).all(axis=1)]
        found.append(xy)
        for start, end in itertools.pairwise(xy):
            n = min(400, int(np.hypot(*(end - start)) // 3))
            found.append(start + (end - start) * np.linspace(0, 1, n + 1)[:, None])
        if line.get_marker() not in ("None", None) and len(xy) == 1:
            rim = np.stack([np.cos(angles), np.sin(angles)], axis=1) * line.get_markersize() / 2 * scale
            found.append(xy + rim)
    return np.concatenate(found)
