"""`Comparison`: trainings that differ in one thing, so that a difference between them means something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from .setting import DESCENT, SCENE, Setting, distinctions
from .training import Training

LAWS: Final = ("true labels", "random labels", "shuffled pixels", "random pixels", "Gaussian images")
"""What the examples are in figure 1a of Zhang et al. 2017."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Trainings of one architecture on one data set. `apart`: what tells it from one of the same data set and architecture."""

    trainings: tuple[Training, ...]
    apart: str

    @property
    def setting(self) -> Setting:
        """That of the first: the data set and the architecture are those of all."""
        return self.trainings[0].setting

    @property
    def title(self) -> str:
        return f"{self.setting.dataset}: {self.subject}"

    @property
    def subject(self) -> str:
        """The architecture, with what tells the comparison apart."""
        return self.setting.architecture + (f" ({self.apart})" if self.apart else "")


class Delay(NamedTuple):
    """How many times as long as on true labels a training took to reach training error 0, or more than that if not `reached`."""

    corruption: float
    factor: float
    reached: bool
    training: Training


def by_law(trainings: Iterable[Training]) -> tuple[Comparison, ...]:
    """Comparisons of two or more of `LAWS`, all else alike but how the loss is minimized."""
    chosen = [t for t in trainings if t.setting.law in LAWS]
    return _compare(chosen, lambda s: s.scene, lambda s: s.law, SCENE)


def by_corruption(trainings: Iterable[Training], *, timed: bool) -> tuple[Comparison, ...]:
    """Comparisons of three or more corruption probabilities. `timed`: only where the loss is minimized alike."""
    chosen = [t for t in trainings if t.setting.pixels == "true" and not t.diverged]
    key = (lambda s: (*s.scene, *s.descent)) if timed else (lambda s: s.scene)
    of = (*SCENE, *DESCENT) if timed else SCENE
    return tuple(
        Comparison(trainings=tuple(sorted(c.trainings, key=lambda t: t.setting.corruption)), apart=c.apart)
        for c in _compare(chosen, key, lambda s: s.corruption, of, fewest=3)
    )


def delays(comparison: Comparison) -> tuple[Delay, ...]:
    """The time to training error 0 relative to that on true labels, which is a mean where there are several such runs.

    Empty where no run on true labels reached training error 0.
    """
    times = [t.interpolation_epoch for t in comparison.trainings if t.setting.corruption == 0]
    known = [time for time in times if time is not None]
    if not known:
        return ()
    unit = sum(known) / len(known)
    return tuple(
        Delay(
            training.setting.corruption,
            (training.interpolation_epoch or training.epochs) / unit,
            training.interpolation_epoch is not None,
            training,
        )
        for training in comparison.trainings
    )


def _compare(
    trainings: Sequence[Training],
    key: Callable[[Setting], tuple[Any, ...]],
    axis: Callable[[Setting], Any],
    of: Sequence[str],
    fewest: int = 2,
) -> tuple[Comparison, ...]:
    """Groups of equal key that have so many places on the axis, in the order of their first members."""
    groups: dict[tuple[Any, ...], list[Training]] = {}
    for training in trainings:
        groups.setdefault(key(training.setting), []).append(training)
    spanning = [group for group in groups.values() if len({axis(t.setting) for t in group}) >= fewest]
    return tuple(Comparison(trainings=tuple(group), apart=_apart(group, spanning, of)) for group in spanning)


def _apart(group: Sequence[Training], groups: Sequence[Sequence[Training]], of: Sequence[str]) -> str:
    """What tells a group from the others of its data set and architecture."""
    own = group[0].setting
    rivals = [
        other[0].setting
        for other in groups
        if (other[0].setting.dataset, other[0].setting.architecture) == (own.dataset, own.architecture)
    ]
    return distinctions(rivals, of=of)[rivals.index(own)]
