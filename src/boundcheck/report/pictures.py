"""The figures of the part on trainings: which of them the runs span, and what stands in their place and below them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from . import corruption, curves, text
from .comparison import Comparison, by_corruption, by_law, delays
from .training import Training


class Picture(NamedTuple):
    """A figure that can be drawn, the text for those who do not see it, and its caption in markdown."""

    draw: Callable[[], Figure]
    alternative: str
    caption: str


def pictured(trainings: Sequence[Training]) -> Mapping[str, Picture]:
    """The figures that trainings span, by file name."""
    laws, delayed, ends = by_law(trainings), timed(trainings), _ended(trainings)
    recorded = [t for t in trainings if t.history]
    found: dict[str, Picture] = {}
    if drawn := [c for c in laws if any(len(curves.curve(t)[0]) for t in c.trainings)]:
        kept = all(t.losses is not None for c in drawn for t in c.trainings)
        found["optimization"] = Picture(
            lambda: curves.optimization(drawn),
            "Training loss by step under each law of the examples. " + "; ".join(map(_laws_told, drawn)),
            "Training loss by step, averaged over an epoch or parts of one"
            + ("" if kept else " (over whole ones where the steps were not recorded)")
            + ". A dot marks where the training error reached 0.",
        )
    if delayed:
        found["slowdown"] = Picture(
            lambda: corruption.slowdown(delayed),
            "Time to training error 0 by corruption, relative to true labels. "
            + "; ".join(map(_delays_told, delayed)),
            "Epochs until the training error is 0, as a multiple of those on true labels. An open triangle points up from where "
            "the budget ended before that.",
        )
    if ends:
        found["generalization"] = Picture(
            lambda: corruption.generalization(ends),
            "Test error at the end by corruption. " + "; ".join(map(_ends_told, ends)),
            "Test error at the end of training, with its Clopper-Pearson interval at 95 %. Dotted: the error of guessing, and "
            "below it what every classifier errs with on average, at least, when so many test labels are drawn anew.",
        )
    if recorded:
        monitored = any(t.best for t in recorded)
        found["training"] = Picture(
            lambda: curves.errors(recorded),
            "Errors by epoch. " + "; ".join(map(_epochs_told, recorded)),
            "Training error by epoch"
            + (
                ", and the test error monitored after each. A diamond marks its smallest value, which no training knows: it is "
                "chosen on the test set."
                if monitored
                else "."
            ),
        )
    return found


def timed(trainings: Sequence[Training]) -> tuple[Comparison, ...]:
    """Those with a time on true labels to compare with."""
    return tuple(c for c in by_corruption(trainings, timed=True) if any(p.corruption for p in delays(c)))


def _ended(trainings: Sequence[Training]) -> tuple[Comparison, ...]:
    """Those whose test errors span some corruption."""
    return by_corruption([t for t in trainings if t.error("test") is not None], timed=False)


def _laws_told(comparison: Comparison) -> str:
    ends = ", ".join(f"{t.setting.law} {_end_of(t)}" for t in comparison.trainings)
    return f"{comparison.title}: {ends}"


def _end_of(training: Training) -> str:
    if training.diverged:
        return "diverged"
    reached = training.interpolation_epoch
    return f"fitted after {reached} epochs" if reached else f"not fitted in {training.epochs}"


def _delays_told(comparison: Comparison) -> str:
    points = ", ".join(
        f"{'' if p.reached else 'more than '}{p.factor:.2g} at {p.corruption:g}" for p in delays(comparison)
    )
    return f"{comparison.title}: {points}"


def _ends_told(comparison: Comparison) -> str:
    points = ", ".join(
        f"{text.percent(t.error('test') or 0)} at {t.setting.corruption:g}" for t in comparison.trainings
    )
    return f"{comparison.title}: {points}"


def _epochs_told(training: Training) -> str:
    last = training.history[-1]["train_error"]
    return f"{training.name} ends at training error {last:.3g} after {len(training.history)} epochs"
