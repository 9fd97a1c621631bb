"""What the trainings of a report answer, in words that their numbers support."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from . import text
from .comparison import LAWS, Comparison, Delay, delays
from .text import escape
from .training import Training


def optimization(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Is optimization easy on random data?"""
    randomized = [t for c in comparisons for t in c.trainings if t.setting.law != LAWS[0]]
    if not randomized:
        return
    kinds = _listed(law for law in LAWS[1:] if any(t.setting.law == law for t in randomized))
    fitted = [t for t in randomized if t.interpolated]
    if len(fitted) == len(randomized):
        how_many = "The one run" if len(randomized) == 1 else f"All {len(randomized)} runs"
        yield f"{how_many} on {kinds} reached training error 0, so the training set is fitted exactly."
    elif fitted:
        yield f"Of the {len(randomized)} runs on {kinds}, {len(fitted)} reached training error 0 within their budget."
    else:
        ran = "The one run" if len(randomized) == 1 else f"None of the {len(randomized)} runs"
        yield f"{ran} on {kinds} {'did not reach' if len(randomized) == 1 else 'reached'} training error 0 within the budget."
    for comparison in comparisons:
        true = [t for t in comparison.trainings if t.setting.law == LAWS[0]]
        said = [
            _fate(training, true)
            for law in LAWS
            for training in comparison.trainings
            if training.setting.law == law
        ]
        yield f"- {escape(comparison.title)}: {'; '.join(said)}."


def _fate(training: Training, true: Sequence[Training]) -> str:
    """When a training reached error 0, against those on true labels that minimize the loss alike; or how it ended."""
    law = training.setting.law
    if training.diverged:
        return f"{law}: diverged"
    if not training.interpolated:
        missed = training.final_train_error
        left = "" if missed is None else f", {text.percent(missed)} of the examples still missed"
        return f"{law}: not within {_epochs(training.epochs)}{left}"
    when = training.interpolation_epoch or training.epochs
    rivals = [
        t.interpolation_epoch
        for t in true
        if t is not training and t.setting.descent == training.setting.descent
    ]
    unit = rivals[0] if len(rivals) == 1 else None
    times = "" if not unit or law == LAWS[0] else f" ({when / unit:.2g} times as long as on true labels)"
    return f"{law}: after {_epochs(when)}{times}"


def slowdown(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """How does corruption slow optimization down?"""
    for comparison in comparisons:
        points = delays(comparison)
        corrupted = [p for p in points if p.corruption > 0]
        if not corrupted:
            continue
        reached = [p for p in corrupted if p.reached]
        beyond = [p for p in corrupted if not p.reached]
        said = []
        if reached:
            slowest = max(reached, key=lambda p: p.factor)
            said.append(
                f"training error 0 is reached at every corruption up to {max(p.corruption for p in reached):g}"
                if not beyond
                else f"training error 0 is reached by {len(reached)} of {len(corrupted)} runs on corrupted labels"
            )
            said.append(
                f"the longest of these takes {slowest.factor:.2g} times as long as on true labels, with corruption "
                f"{slowest.corruption:g}"
            )
            if _grows(reached, beyond):
                said.append("the time grows with the corruption at each step")
        said += [
            f"with corruption {p.corruption:g} it was not reached in {_epochs(p.training.epochs)}, "
            f"{p.factor:.2g} times as long"
            for p in beyond
        ]
        yield f"- {escape(comparison.title)}: {'; '.join(said)}."


def _grows(reached: Sequence[Delay], beyond: Sequence[Delay]) -> bool:
    """Whether each corruption took longer than the one below it, and only larger ones were not reached."""
    points = sorted(reached, key=lambda p: p.corruption)
    places = [0.0, *(p.corruption for p in points)]
    factors = [1.0, *(p.factor for p in points)]
    rising = all(a < b for row in (places, factors) for a, b in itertools.pairwise(row))
    return len(points) > 1 and rising and all(p.corruption > places[-1] for p in beyond)


def generalization(trainings: Sequence[Training]) -> Iterator[str]:
    """Do networks generalize without regularization?"""
    plain = [t for t in _on_true_labels(trainings) if not t.setting.regularizers and t.interpolated]
    if not plain:
        return
    better = [t for t in plain if (t.confidence("test") or (0, 1))[1] < t.guessing]
    condition = "without random crops, weight decay and dropout, and with training error 0"
    if len(better) == len(plain):
        every = "the one run errs" if len(plain) == 1 else f"all {len(plain)} runs err"
        yield (
            f"On true labels, {condition}, {every} less than a guess, by the confidence interval: to fit the training set "
            "exactly does not keep a network from generalizing."
        )
    else:
        yield f"On true labels, {condition}, {len(better)} of {len(plain)} runs err less than a guess, by the confidence interval."
    for training in plain:
        yield f"- {'; '.join(_end(training, trainings))}."


def _on_true_labels(trainings: Sequence[Training]) -> list[Training]:
    return [t for t in trainings if t.setting.law == LAWS[0] and t.error("test") is not None]


def _end(training: Training, trainings: Sequence[Training]) -> Iterator[str]:
    setting = training.setting
    title = f"{setting.dataset}: {setting.architecture}"
    yield f"{escape(title)} ({escape(training.name)}) errs on {rate(training)} of the test set"
    kin = [
        t
        for t in trainings
        if t.error("test") is not None
        and (t.setting.problem, t.setting.architecture) == (setting.problem, setting.architecture)
    ]
    for other in kin:
        if other.setting.law == "random labels" and other.interpolated and not other.setting.regularizers:
            yield f"with random labels, also fitted exactly, on {rate(other)}"
    for other in kin:
        if other.setting.law == LAWS[0] and other.setting.regularizers:
            words = " and ".join(other.setting.regularizers)
            yield f"with {words} on {rate(other)}, {_compared(other, training)}"
    best, last = training.best, training.monitored[-1:]
    if best is not None and best.error < last[0].error:
        yield (
            f"early stopping would have given {text.percent(best.error)} at epoch {best.epoch} in place of "
            f"{text.percent(last[0].error)} on the examples monitored, at best: the epoch is chosen by them"
        )
    elif best is not None:
        yield "early stopping would have gained nothing: the monitored error was never smaller than at the end"


def _compared(one: Training, other: Training) -> str:
    first, second = one.confidence("test"), other.confidence("test")
    if first is not None and second is not None:
        if first[1] < second[0]:
            return "which is less"
        if second[1] < first[0]:
            return "which is more"
    return "which the intervals do not tell apart"


def rate(training: Training, which: str = "test") -> str:
    """A test error in per cent with its interval; a dash where it is not known."""
    error, ends = training.error(which), training.confidence(which)
    if error is None or ends is None:
        return "–"
    return f"{text.percent(error)} [{100 * ends[0]:.2f}, {100 * ends[1]:.2f}]"


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _listed(words: Iterator[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
