"""Figures of trainings in time: the loss by step under each law of the examples, and the errors by epoch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from . import callouts, text
from .callouts import Callout
from .comparison import Comparison
from .plots import STYLE
from .setting import DESCENT, distinctions
from .training import Training

LOOKS: Final[Mapping[str, tuple[str, Any]]] = {
    # Of Okabe and Ito's palette those that can be read as text; the dashes tell them apart without colour.
    "true labels": ("#0072B2", "-"),
    "random labels": ("#D55E00", (0, (5, 1.5))),
    "shuffled pixels": ("#009E73", (0, (3, 1, 1, 1))),
    "random pixels": ("#A8487B", (0, (1.5, 1))),
    "Gaussian images": ("#000000", (0, (6, 1, 1, 1, 1, 1))),
}
"""Colour and dashes of a law. The pink is darker than theirs, to be read as text."""

POINTS: Final = 30
"""So many points are enough for a curve of the loss: with as many epochs each is the mean of a whole one.

Within an epoch every example comes once, so the loss rises towards its end and falls when the next begins: finer means show
teeth.
"""

BEGINNING: Final = 10
"""The first epoch has so many points: most of the fall may be in it."""

TRAIN: Final = "#0072B2"
TEST: Final = "#D55E00"


def optimization(comparisons: Sequence[Comparison]) -> Figure:
    """Training loss by step, one line a law, one panel a comparison; a dot where the training error reached 0."""
    figure, axes = panels(len(comparisons), height=2.7)
    names = []
    with mpl.rc_context(STYLE):
        for ax, comparison in zip(axes, comparisons, strict=True):
            names.append((ax, _losses(ax, comparison)))
        figure.supxlabel("step", fontsize=9)
        figure.supylabel("training loss (logarithmic)", fontsize=9)
        callouts.place(figure, names)
    return figure


def _losses(ax: Axes, comparison: Comparison) -> list[Callout]:
    settings = [t.setting for t in comparison.trainings]
    named: list[Callout] = []
    last = 1.0
    said: set[str] = set()
    for training, apart in zip(comparison.trainings, distinctions(settings, of=DESCENT), strict=True):
        x, y = curve(training)
        if not len(x):
            continue
        colour, dashes = LOOKS[training.setting.law]
        ax.plot(x, y, color=colour, ls=dashes, lw=1.4, zorder=3)
        last = max(last, x[-1])
        reached = training.interpolation_epoch
        if reached is not None:
            step = reached * training.steps_per_epoch
            ax.plot([step], [np.interp(step, x, y)], "o", color=colour, ms=5, zorder=4)
        name = training.setting.law + (f" ({apart})" if apart else "")
        if name not in said:
            named.append(Callout(x[-1], y[-1], name, colour))
        said.add(name)
    ax.set_yscale("log")
    ax.set_xlim(-0.01 * last, 1.42 * last)
    low, high = ax.get_ylim()
    ax.set_ylim(low * (low / high) ** 0.25, high)
    ax.yaxis.set_major_locator(LogLocator(subs=(1,) if high > 30 * low else (1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _decimal(v)))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    ax.locator_params(axis="x", nbins=5)
    title(ax, comparison.title)
    # From the right: a name that finds its place taken goes below it, and its line passes on the left.
    return sorted(named, key=lambda callout: -callout.x)


def _decimal(value: float) -> str:
    return f"{value:g}" if value >= 1e-4 else text.power(round(math.log10(value)))


def curve(training: Training) -> tuple[np.ndarray, np.ndarray]:
    """The training loss by step, both float64 [N]: means over steps of one epoch, or over whole epochs where steps were not kept.

    A mean stands at the last of its steps. What is not a positive number, as after a divergence, is left out.
    """
    per_epoch = training.steps_per_epoch
    if training.losses is None:
        x = np.array([row["epoch"] for row in training.history], float) * per_epoch
        y = np.array([row["loss"] for row in training.history], float)
    else:
        losses = np.asarray(training.losses, float)
        epochs = math.ceil(len(losses) / per_epoch)
        ends: list[int] = []
        for start in range(0, len(losses), per_epoch):
            size = min(per_epoch, len(losses) - start)
            blocks = max(1, POINTS // epochs, 0 if start else BEGINNING)
            ends += [start + size * (k + 1) // blocks for k in range(blocks)]
        edges = np.unique([0, *ends])
        x = edges[1:].astype(float)
        y = np.array([losses[a:b].mean() for a, b in itertools.pairwise(edges)])
    kept = np.isfinite(y) & (y > 0)
    return x[kept], y[kept]


def errors(trainings: Sequence[Training]) -> Figure:
    """Training error, and monitored test error where there is one, by epoch; one panel a run.

    A diamond marks the smallest monitored test error: where early stopping would have stopped.
    """
    figure, axes = panels(len(trainings), columns=3 if len(trainings) <= 18 else 4, height=1.75, alike=True)
    names = []
    with mpl.rc_context(STYLE):
        for ax, training in zip(axes, trainings, strict=True):
            names.append((ax, _errors(ax, training)))
        figure.supxlabel("epoch (logarithmic)", fontsize=9)
        figure.supylabel("error", fontsize=9)
        callouts.place(figure, names, size=7.5)
    return figure


def _errors(ax: Axes, training: Training) -> list[Callout]:
    epochs = [row["epoch"] for row in training.history]
    fitted = [row["train_error"] for row in training.history]
    # A single epoch is a point, which a line would not show.
    ax.plot(epochs, fitted, color=TRAIN, lw=1.4, marker="o", ms=3, markevery=[len(epochs) - 1], zorder=3)
    named = [Callout(epochs[-1], fitted[-1], "training", TRAIN)]
    best = training.best
    if best is not None:
        x, y = zip(*training.monitored, strict=True)
        ax.plot(x, y, color=TEST, lw=1.4, ls=(0, (5, 1.5)), zorder=3)
        ax.plot([best.epoch], [best.error], "D", color=TEST, mfc="white", mew=1.4, ms=5, zorder=4)
        named.append(Callout(x[-1], y[-1], "test", TEST))
    ax.set_xscale("log")
    ax.set_xlim(0.93, max(2.0, epochs[-1]) ** 1.5)
    ax.set_ylim(-0.12, 1.08)
    ax.set_yticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    end = f"\nstop at epoch {best.epoch}: {text.percent(best.error)}" if best is not None else ""
    end = "\ndiverged" if training.diverged else end
    law = training.setting.law.replace("labels corrupted with probability", "corruption")
    title(ax, f"{_short(training.name, 28)}\n{law}{end}", size=7.5)
    return named


def panels(count: int, *, height: float, columns: int = 2, alike: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of the width of a page with so many panels, each so many inches high. `alike`: one vertical axis for all."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    with mpl.rc_context(STYLE):
        width = 6.4 if count == 1 else 8.4
        figure = Figure(figsize=(width, 0.4 + height * rows), layout="constrained")
        axes = list(figure.subplots(rows, columns, squeeze=False, sharey=alike).flat)
    for ax in axes[count:]:
        ax.remove()
    return figure, axes[:count]


def title(ax: Axes, words: str, size: float = 9) -> None:
    """What a panel shows, above its left end; never read as mathematics."""
    ax.set_title(words, fontsize=size, loc="left", parse_math=False)


def _short(name: str, length: int) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
