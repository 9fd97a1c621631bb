"""What a training leaves: its history, and the trained network or why there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from ..errors import RunError
from .recipe import Recipe

PATIENCE: Final = 20
"""Epochs for which the loss may stay above `RISEN` times its smallest value before a training counts as diverging."""

RISEN: Final = 3.0


class EpochRecord(NamedTuple):
    """One line of the history. No clock: two identical trainings have the same history.

    `loss`, `running_error`: means over the epoch, each example at the weights before its own step.
    `train_error`: at the end of the epoch, the fraction of the training set that is not fitted
    (`program.GAP`), in inference mode. `test_error`: then too, the fraction of the monitored test examples that is
    misclassified; None when none are.
    """

    epoch: int
    loss: float
    running_error: float
    train_error: float
    test_error: float | None = None


class Missed(NamedTuple):
    """How many examples the trained network misclassifies, in inference mode, in float32.

    `train`: are not fitted. `test`: with the labels of the law. `clean_test`: with those of the data set.
    """

    train: int
    test: int
    clean_test: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """A finished training.

    `params`, `initial`: the weights after and before, pytrees of float32 NumPy arrays. `epochs`: how many
    were trained. `interpolated`: whether training ended because the training error was 0, not the budget
    spent. `step_loss`, `step_error`: of each step's batch at the weights before it, means, float32 [steps]. `missed`: None where
    no test examples were given.
    """

    params: Any
    initial: Any
    history: tuple[EpochRecord, ...]
    step_loss: Float32[np.ndarray, " s"]
    step_error: Float32[np.ndarray, " s"]
    missed: Missed | None
    epochs: int
    interpolated: bool


class DivergedError(RunError):
    """The loss or a logit became nan or infinite, or the loss has been rising. `history`: of the epochs before."""

    def __init__(self, recipe: Recipe, history: tuple[EpochRecord, ...], reason: str) -> None:
        self.history = history
        self.reason = reason
        super().__init__(
            f"training diverged in epoch {len(history) + 1}: {reason}; a learning rate below "
            f"{recipe.learning_rate:g} is needed. Lower `learning_rate` in the recipe."
        )


def rising(history: Sequence[EpochRecord], loss: float) -> str:
    """Why a loss after this history is diverging; empty while it is not."""
    if not math.isfinite(loss):
        return "the loss is not a finite number"
    if len(history) < PATIENCE:
        return ""
    least = min(record.loss for record in history[: -PATIENCE + 1])
    recent = [record.loss for record in history[-PATIENCE + 1 :]] + [loss]
    if min(recent) > RISEN * least and min(recent) > 0.1:
        return f"the loss fell to {least:.3g} and has been above {RISEN:g} times that for {PATIENCE} epochs"
    return ""
