"""`Training`: what a run's directory says of how it was trained and where it ended. Read, never computed anew."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from .. import storage, weights
from ..archive import read_history
from ..errors import RunError
from ..interval import Interval
from ..quantities.counts import clopper_pearson
from .recorded import SPLITS, Recorded

DELTA: Final = Fraction(1, 20)
"""The intervals of test errors fail with at most this probability, each."""


class Stop(NamedTuple):
    """An epoch, and the monitored test error after it."""

    epoch: int
    error: float


@dataclass(frozen=True, kw_only=True)
class Training(Recorded):
    """The record of a run, its history, and what its evaluation counted where the record does not say.

    **Fields.** `history`: a row an epoch, `test_error` only where it was monitored. `losses`: the mean loss of each step's
    batch, float32 [T], None where steps were not kept.
    """

    history: Sequence[Mapping[str, float]]
    losses: Float32[np.ndarray, " T"] | None = None

    @property
    def diverged(self) -> str:
        """The reason, in words; empty for a training that ended."""
        return str(self.record.get("diverged") or "")

    @property
    def parameters(self) -> int | None:
        """The number of weights; None where neither the record nor an evaluation says."""
        stated = self.record.get("parameters")
        if stated is None and self.evaluation is not None:
            stated = self.evaluation["parameters"]
        return None if stated is None else int(stated)

    def missed(self, which: str) -> Interval | None:
        """How many of the `train`, `test` or `clean_test` examples the final network misclassifies.

        The count of the record; else that of the evaluation, an interval where rounding leaves examples undecided.
        None for a training that diverged, and where nothing was counted.
        """
        if self.diverged:
            return None
        stated = (self.record.get("missed") or {}).get(which)
        if stated is not None:
            return Interval(int(stated))
        if self.evaluation is None:
            return None
        observed = self.evaluation["observed"]
        most = round(observed[f"{which}_error"] * self.size(SPLITS[which]))
        undecided = observed.get("undecided_by_rounding", {}).get(SPLITS[which], 0)
        return Interval(max(0, most - undecided), most)

    def error(self, which: str) -> float | None:
        """The rate of misclassified `train`, `test` or `clean_test` examples; undecided ones count as errors."""
        missed = self.missed(which)
        return None if missed is None else missed.integers()[1] / self.size(SPLITS[which])

    def confidence(self, which: str) -> tuple[float, float] | None:
        """The Clopper-Pearson interval of a test error at confidence 95 %."""
        if which not in self._confidence:
            return None
        return self._confidence[which]

    @cached_property
    def _confidence(self) -> Mapping[str, tuple[float, float]]:
        known: dict[str, tuple[float, float]] = {}
        for which in ("test", "clean_test"):
            missed = self.missed(which)
            if missed is not None:
                interval = clopper_pearson(missed, self.size("test"), DELTA)
                known[which] = float(interval.lo), float(interval.hi)
        return known

    @property
    def final_train_error(self) -> float | None:
        """The training error at the end: as counted, else the last of the history, where what is fitted barely is missed."""
        counted = self.error("train")
        if counted is not None or self.diverged or not self.history:
            return counted
        return self.history[-1]["train_error"]

    @property
    def interpolated(self) -> bool:
        """Whether the training ended with every example fitted."""
        return bool(self.record.get("interpolated")) and not self.diverged

    @property
    def interpolation_epoch(self) -> int | None:
        """The first epoch after which the training error is 0; None where there is none."""
        for row in self.history:
            if row["train_error"] == 0:
                return int(row["epoch"])
        return None

    @property
    def epochs(self) -> int:
        return int(self.record.get("epochs") or len(self.history))

    @property
    def steps_per_epoch(self) -> int:
        """Those recorded; else the number of batches that hold all examples."""
        batches = math.ceil(self.size("train") / int(self.setting.recipe.get("batch", 1)))
        if self.losses is None or not self.epochs or len(self.losses) % self.epochs:
            return batches
        return len(self.losses) // self.epochs

    @property
    def monitored(self) -> tuple[Stop, ...]:
        """The test error after each epoch that it was measured after."""
        return tuple(
            Stop(int(row["epoch"]), row["test_error"]) for row in self.history if "test_error" in row
        )

    @property
    def best(self) -> Stop | None:
        """Where early stopping would have stopped: the smallest monitored test error, and the first epoch that has it."""
        return min(self.monitored, key=lambda stop: (stop.error, stop.epoch), default=None)

    @property
    def examples_monitored(self) -> int | None:
        """How many test examples were monitored; None where none were."""
        return self.setting.spec.get("monitor") or None


def read_training(directory: Path, evaluation: Mapping[str, Any] | None) -> Training | None:
    """The training that a directory records; None where it records none (an evaluation of arrays, say).

    `evaluation`: what `evaluation.json` holds. Raises `RunError` for a record that is not one, for steps that are
    damaged, and for an evaluation of other weights than those of the record.
    """
    path = directory / "run.json"
    if path.exists():
        record = storage.read_json(path, "the record of the run")
    elif evaluation is not None and evaluation.get("training"):
        record = evaluation["training"]
    else:
        return None
    _check(path, record)
    if evaluation is not None:
        _check_same_weights(directory, record, evaluation.get("training") or {})
    return Training(
        record=record,
        history=read_history(directory / "history.csv"),
        losses=_read_losses(directory / "steps.safetensors"),
        evaluation=evaluation,
    )


def _check(path: Path, record: Any) -> None:
    try:
        spec = record["spec"]
        names = (spec["name"], spec["dataset"], spec["model"]["name"], spec["recipe"]["learning_rate"])
        counts = [int(n) for n in (record["classes"], record["sizes"]["train"], record["sizes"]["test"])]
        if not all(names) or min(counts) < 1:
            raise ValueError("a name is empty, or a size is not positive")
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} is not the record of a run ({type(error).__name__}: {error}); train the run again."
        ) from None


def _check_same_weights(directory: Path, record: Mapping[str, Any], judged: Mapping[str, Any]) -> None:
    now, then = (r.get("digests", {}).get("weights") for r in (record, judged))
    if then is not None and now != then:
        raise RunError(
            f"{directory}/evaluation.json is of other weights than run.json records; run `boundcheck evaluate --run "
            f"{directory}` again."
        )


def _read_losses(path: Path) -> np.ndarray | None:
    if not path.exists():
        return None
    arrays, _ = weights.read(path)
    losses = arrays.get("loss")
    if losses is None or losses.ndim != 1:
        raise RunError(
            f"{path} holds no row of numbers named `loss`; the losses of the steps are needed. Train the run again."
        )
    return losses
