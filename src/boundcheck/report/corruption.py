"""Figures of trainings against the corruption of their labels: the time to training error 0, and the error at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import callouts
from .callouts import Callout
from .comparison import Comparison, delays
from .curves import panels, title
from .plots import MARKS, STYLE
from .training import Training

INKS = ("#0072B2", "#D55E00", "#007A59", "#000000", "#A8487B", "#8A6100")
"""Okabe and Ito's colours, the lighter ones darkened to be read as text."""

DASHES: Sequence[Any] = ("-", (0, (5, 1.5)), (0, (2, 1)), (0, (6, 1, 1, 1)))

LAW, CLEAN = "#D55E00", "#0072B2"


def slowdown(comparisons: Sequence[Comparison]) -> Figure:
    """The time to training error 0 as a multiple of that on true labels, one line an architecture, one panel a data set.

    An open triangle points up from where a training's budget ended before it got there.
    """
    datasets = list(dict.fromkeys(c.setting.dataset for c in comparisons))
    figure, axes = panels(len(datasets), height=2.8)
    names = []
    with mpl.rc_context(STYLE):
        for ax, dataset in zip(axes, datasets, strict=True):
            own = [c for c in comparisons if c.setting.dataset == dataset]
            names.append((ax, [_delay(ax, c, i) for i, c in enumerate(own)]))
            ax.set_xlim(-0.04, 1.5)
            ax.set_ylim(bottom=0, top=1.12 * ax.get_ylim()[1])
            _corruption_axis(ax)
            title(ax, dataset)
        figure.supxlabel("probability that a label is drawn anew", fontsize=9)
        figure.supylabel("time, relative to true labels", fontsize=9)
        callouts.place(figure, names)
    return figure


def _delay(ax: Axes, comparison: Comparison, index: int) -> Callout:
    ink, mark = INKS[index % len(INKS)], MARKS[index % len(MARKS)]
    points = delays(comparison)
    places = sorted({p.corruption for p in points})
    means = [float(np.mean([p.factor for p in points if p.corruption == c])) for c in places]
    ax.plot(places, means, color=ink, lw=1.4, ls=DASHES[index % len(DASHES)], zorder=2)
    for point in points:
        shape, face = (mark, ink) if point.reached else ("^", "white")
        size = 5 if point.reached else 8
        ax.plot([point.corruption], [point.factor], shape, color=ink, mfc=face, mew=1.4, ms=size, zorder=3)
    return Callout(places[-1], means[-1], comparison.subject, ink)


def generalization(comparisons: Sequence[Comparison]) -> Figure:
    """The test error at the end by corruption, under the run's own law of labels and on clean ones; one panel a comparison.

    Bars are Clopper-Pearson intervals. Dotted: the error of guessing, 1 - 1/k, and p (1 - 1/k), which no
    classifier's goes below on average when each label is drawn anew with probability p.
    """
    figure, axes = panels(len(comparisons), height=2.5, columns=3, alike=True)
    names = []
    with mpl.rc_context(STYLE):
        for ax, comparison in zip(axes, comparisons, strict=True):
            names.append((ax, _ends(ax, comparison)))
            _corruption_axis(ax)
            ax.set_xlim(-0.04, 1.04)
            ax.set_ylim(-0.02, 1.02)
            title(ax, f"{comparison.setting.dataset}\n{comparison.subject}")
        figure.supxlabel("probability that a label is drawn anew", fontsize=9)
        figure.supylabel("test error", fontsize=9)
        callouts.place(figure, names)
    return figure


def _ends(ax: Axes, comparison: Comparison) -> list[Callout]:
    counted = [t for t in comparison.trainings if t.error("test") is not None]
    guess = counted[0].guessing
    ax.plot([0, 1], [guess, guess], color="0.55", lw=0.9, ls=":", zorder=1)
    ax.plot([0, 1], [0, guess], color="0.55", lw=0.9, ls=":", zorder=1)
    said = []
    for which, ink, dashes, mark, name, side in (
        ("test", LAW, "-", "o", "labels as in training", 1),
        ("clean_test", CLEAN, (0, (4, 2)), "s", "clean labels", -1),
    ):
        x, y = _mean(counted, which)
        ax.plot(x, y, color=ink, lw=1.3, ls=dashes, zorder=2)
        for training in counted:
            _bar(ax, training, which, ink, mark)
        middle = (len(x) - 1) // 2
        at = (x[middle] + x[middle + 1]) / 2, (y[middle] + y[middle + 1]) / 2
        said.append(Callout(*at, name, ink, side))
    said.append(Callout(0.3, guess, "guessing", "0.4", 1))
    return said


def _mean(trainings: Sequence[Training], which: str) -> tuple[list[float], list[float]]:
    """The mean error at each corruption."""
    known = [(t.setting.corruption, t.error(which)) for t in trainings]
    places = sorted({c for c, e in known if e is not None})
    return places, [float(np.mean([e for c, e in known if c == p and e is not None])) for p in places]


def _bar(ax: Axes, training: Training, which: str, ink: str, mark: str) -> None:
    error, ends = training.error(which), training.confidence(which)
    if error is None or ends is None:
        return
    below, above = max(0.0, error - ends[0]), max(0.0, ends[1] - error)
    ax.errorbar(
        [training.setting.corruption],
        [error],
        yerr=[[below], [above]],
        fmt=mark,
        color=ink,
        mfc="white" if which == "clean_test" else ink,
        mew=1.2,
        ms=4.5,
        elinewidth=1.1,
        capsize=2.5,
        zorder=3,
    )


def _corruption_axis(ax: Axes) -> None:
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
