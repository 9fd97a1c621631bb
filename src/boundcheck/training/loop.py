"""`fit`: trains a network on given labels until every example is fitted, and resumes where it was killed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, UInt8

from ..errors import RunError
from ..models import ModelSpec
from ..storage import digest
from .checkpoint import Checkpoint
from .interruption import deferred_interrupt
from .program import State, program
from .recipe import Recipe

CHECKPOINT_SECONDS = 10.0
"""Checkpoints are written at most this often, so that they cost little however short an epoch is."""


class EpochRecord(NamedTuple):
    """One line of the history. No clock: two identical trainings have the same history.

    `loss`, `running_error`: means over the epoch, each example at the weights before its own step.
    `train_error`: at the end of the epoch, the fraction of the training set that is not fitted
    (`program.GAP`).
    """

    epoch: int
    loss: float
    running_error: float
    train_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished training.

    `params`, `initial`: the weights after and before, pytrees of float32 NumPy arrays. `epochs`: how many
    were trained. `interpolated`: whether training ended because the training error was 0, not the budget
    spent.
    """

    params: Any
    initial: Any
    history: tuple[EpochRecord, ...]
    epochs: int
    interpolated: bool


class DivergedError(RunError):
    """The loss or a logit became nan or infinite. `history`: of the epochs before."""

    def __init__(self, recipe: Recipe, history: tuple[EpochRecord, ...]) -> None:
        self.history = history
        super().__init__(
            f"training diverged in epoch {len(history) + 1}: the loss is not a finite number; a learning "
            f"rate below {recipe.learning_rate:g} is needed. Lower `learning_rate` in the recipe."
        )


def _ignore(record: EpochRecord) -> None:
    pass


def fit(
    *,
    model_spec: ModelSpec,
    recipe: Recipe,
    images: UInt8[np.ndarray, "n h w c"],
    labels: Int[np.ndarray, " n"],
    classes: int,
    preparation: str,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] = _ignore,
) -> Trained:
    """Train a network on images with these labels.

    **Arguments.** `images`: as stored; `preparation` names the map to network inputs, computed on the device.
    `seed`: in 0..2^32-1; initial weights and the order of the examples follow from it alone. `checkpoint`: a
    folder that holds the state of an unfinished training; with one, training goes on from there to the same
    weights, bit for bit, as without interruption. `on_epoch`: called with the record of each epoch, also of
    those resumed from.

    After the last epoch, and on Ctrl-C at the end of the running epoch, the checkpoint is written; removing
    it is the caller's, once the result is safe. Raises `DivergedError` when the loss is no longer finite,
    `RunError` for a checkpoint that is damaged, of another training, or beyond the budget, and
    `KeyboardInterrupt` on Ctrl-C.
    """
    if labels.shape != (len(images),) or len(images) == 0 or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"labels {labels.shape} do not fit {len(images)} images with labels 0..{classes - 1}"
        )
    compiled = program(
        model_spec, recipe, preparation=preparation, image_shape=images.shape[1:], classes=classes
    )
    key_initial, key_order = jax.random.split(jax.random.key(seed))
    state = compiled.initial(key_initial)
    initial = _to_host(state.params)
    history: list[EpochRecord] = []
    place = Checkpoint(
        folder=checkpoint,
        identity={}
        if checkpoint is None
        else {
            "model": model_spec.model_dump(mode="json"),
            "recipe": recipe.model_dump(mode="json", exclude={"epochs"}),
            "preparation": preparation,
            "classes": classes,
            "seed": seed,
            "labels": digest(labels),
            "images": digest(images),
        },
    )

    def tree() -> dict[str, Any]:
        return {"params": state.params, "initial": initial, "optimizer": state.optimizer}

    if (resumed := place.read(tree(), budget=recipe.epochs)) is not None:
        state = State(*jax.tree.map(jnp.array, (resumed.tree["params"], resumed.tree["optimizer"])))
        initial = resumed.tree["initial"]
        history = [EpochRecord(int(row[0]), *row[1:]) for row in resumed.history]
    for record in history:
        on_epoch(record)
    n = len(images)
    device_images, device_labels = jnp.asarray(images), jnp.asarray(labels.astype(np.int32))
    saved = time.monotonic()
    with deferred_interrupt() as interruption:
        while len(history) < recipe.epochs and not (history and history[-1].train_error == 0):
            number = len(history) + 1
            rate = np.float32(recipe.rate(number))
            state, sums = compiled.epoch(
                state, device_images, device_labels, jax.random.fold_in(key_order, number), rate
            )
            evaluation = compiled.evaluate(state.params, device_images, device_labels)
            loss = float(sums.loss) / n
            if not (math.isfinite(loss) and bool(evaluation.finite)):
                raise DivergedError(recipe, tuple(history))
            history.append(EpochRecord(number, loss, int(sums.errors) / n, int(evaluation.unfitted) / n))
            on_epoch(history[-1])
            if interruption.requested:
                place.write(tree(), tuple(history))
                raise KeyboardInterrupt
            if time.monotonic() - saved >= CHECKPOINT_SECONDS:
                place.write(tree(), tuple(history))
                saved = time.monotonic()
    place.write(tree(), tuple(history))
    return Trained(
        params=_to_host(state.params),
        initial=initial,
        history=tuple(history),
        epochs=len(history),
        interpolated=history[-1].train_error == 0,
    )


def _to_host(tree: Any) -> Any:
    # A copy: on the CPU an array may share its memory with the device, which the next epoch reuses.
    return jax.tree.map(lambda leaf: np.array(leaf), tree)
