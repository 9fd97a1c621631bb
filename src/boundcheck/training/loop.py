"""`fit` and `fit_all`: train networks on given labels until every example is fitted, and resume where they were killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, UInt8

from ..data import Part
from ..errors import RunError
from ..models import Architecture
from ..storage import digest
from .ball import Ball, projected
from .checkpoint import Checkpoint, Writer
from .interruption import deferred_interrupt
from .memory import explained
from .program import Program, State, program
from .recipe import Recipe
from .record import DivergedError, EpochRecord, Missed, Trained, rising

CHECKPOINT_SECONDS = 10.0
"""Checkpoints are written at most this often, so that they cost little however short an epoch is."""


def _ignore(record: EpochRecord) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """One of the networks that train together: what distinguishes it from the others.

    **Fields.** `labels`: int [n], in 0..k-1. `seed`: in 0..2^32-1; initial weights, the order of the examples and whatever else is
    random follow from it alone. `test`: test examples, classified at the end, and the first `monitor` of them after each
    epoch; they change nothing. `checkpoint`: a folder that holds the state of an unfinished training; with one, training
    goes on from there to the same weights, bit for bit, as without interruption. `on_epoch`: called with the record of each
    epoch, also of those resumed from. `ball`: the norms within which the weights stay from the beginning; None for no limit.
    """

    labels: Int[np.ndarray, " n"]
    seed: int
    test: Part | None = None
    monitor: int = 0
    checkpoint: Path | None = None
    on_epoch: Callable[[EpochRecord], None] = _ignore
    ball: Ball | None = None


def fit(
    *,
    architecture: Architecture,
    recipe: Recipe,
    images: UInt8[np.ndarray, "n h w c"],
    classes: int,
    preparation: str,
    devices: int = 1,
    **member: Any,
) -> Trained:
    """Train one network: `fit_all` with the single `Member` made of the other arguments.

    Raises `DivergedError` when the loss is no longer finite or has been rising for long.
    """
    ((_, outcome),) = fit_all(
        [Member(**member)],
        architecture=architecture,
        recipe=recipe,
        images=images,
        classes=classes,
        preparation=preparation,
        devices=devices,
    )
    if isinstance(outcome, DivergedError):
        raise outcome
    return outcome


def fit_all(
    members: Sequence[Member],
    *,
    architecture: Architecture,
    recipe: Recipe,
    images: UInt8[np.ndarray, "n h w c"],
    classes: int,
    preparation: str,
    together: int = 1,
    devices: int = 1,
    vectorized: bool | None = None,
) -> Iterator[tuple[int, Trained | DivergedError]]:
    """Train networks of one architecture on the same images, `together` at a time; yields each as it ends, with its place.

    When one ends, the next takes its place. `images`: as stored; `preparation` names the map to network inputs, computed on
    the device. `devices`: over how many devices each batch is shared out (`jax.sharding`). `vectorized`: see `program`.

    After its last epoch, and on Ctrl-C at the end of the running epoch, a network's checkpoint is written; removing it is
    the caller's, once the result is safe. A network that diverges is yielded as a `DivergedError`, and the others go on.
    Raises `RunError` for a checkpoint that is damaged, of another training, or beyond the budget, for a batch that the
    devices cannot share, and when the device has not enough memory, saying what would fit; `KeyboardInterrupt` on Ctrl-C.
    """
    for member in members:
        labels = member.labels
        if labels.shape != (len(images),) or len(images) == 0 or labels.min() < 0 or labels.max() >= classes:
            raise ValueError(
                f"labels {labels.shape} do not fit {len(images)} images with labels 0..{classes - 1}"
            )
    if len({member.ball is None for member in members}) > 1:
        raise ValueError("networks that train together are all in a ball, or none is")
    if devices > len(jax.devices()) or recipe.batch % devices:
        raise RunError(
            f"a batch of {recipe.batch} is to be shared out over {devices} devices, and there are {len(jax.devices())}; "
            "a number of devices that are there and that divides `batch` is needed."
        )

    def at_batch(size: int) -> Program:
        return program(
            architecture,
            recipe.model_copy(update={"batch": size}),
            preparation=preparation,
            image_shape=images.shape[1:],
            classes=classes,
            devices=devices,
            vectorized=vectorized,
        )

    def need(members: int, size: int) -> int:
        return at_batch(size).memory(members, len(images))

    compiled = at_batch(recipe.batch)
    shared = {
        "model": architecture.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json", exclude={"epochs"}),
        "preparation": preparation,
        "classes": classes,
        "images": digest(images) if any(member.checkpoint for member in members) else "",
    }
    waiting = list(enumerate(members))
    active: list[tuple[int, _Training]] = []
    device_images = compiled.place(images)
    with deferred_interrupt() as interruption, Writer() as writer:
        while waiting or active:
            while waiting and len(active) < together:
                place, member = waiting.pop(0)
                active.append((place, _Training.begin(member, compiled, recipe, shared)))
            # Those that a checkpoint brought to their end leave without another epoch.
            running = [training for _, training in active if not training.ended]
            if running:
                with explained(architecture, len(running), recipe.batch, need):
                    _advance(running, compiled, recipe, device_images)
            going = [training for training in running if training.diverged is None]
            for training in going:
                training.member.on_epoch(training.history[-1])
            stop = interruption.requested
            for training in going:
                if stop or training.ended or training.due:
                    training.save(writer)
            if stop:
                writer.wait()
                raise KeyboardInterrupt
            for place, training in [pair for pair in active if pair[1].ended]:
                active.remove((place, training))
                writer.wait()
                yield place, training.diverged or training.finish(compiled, device_images)


@dataclass(slots=True, kw_only=True, eq=False)
class _Training:
    """One network on its way."""

    member: Member
    recipe: Recipe
    key: Any
    state: State
    initial: Any
    place: Checkpoint
    labels: Any
    test: tuple[Any, Any, Any] | None
    history: list[EpochRecord] = field(default_factory=list)
    step_loss: list[np.ndarray] = field(default_factory=list)
    step_error: list[np.ndarray] = field(default_factory=list)
    saved: float = field(default_factory=time.monotonic)
    diverged: DivergedError | None = None

    @classmethod
    def begin(cls, member: Member, compiled: Program, recipe: Recipe, shared: dict[str, Any]) -> _Training:
        """At the initial weights, or where the checkpoint is."""
        key_initial, key_order = jax.random.split(jax.random.key(member.seed))
        state = jax.tree.map(compiled.place, compiled.initial(key_initial))
        ball = member.ball
        if ball is not None:
            state = State(projected(state.params, ball.radii), state.optimizer)
        identity = {
            **shared,
            "seed": member.seed,
            "labels": digest(member.labels),
            "ball": None if ball is None else ball.identity(),
        }
        test = member.test
        training = cls(
            member=member,
            recipe=recipe,
            key=key_order,
            state=state,
            initial=_to_host(state.params),
            place=Checkpoint(folder=member.checkpoint, identity=identity),
            labels=compiled.place(member.labels.astype(np.int32)),
            test=None
            if test is None
            else (
                compiled.place(test.images),
                compiled.place(test.labels.astype(np.int32)),
                compiled.place(test.clean.astype(np.int32)),
            ),
        )
        if (resumed := training.place.read(training.tree(), budget=recipe.epochs)) is not None:
            saved = (resumed.tree["params"], resumed.tree["optimizer"])
            training.state = State(*jax.tree.map(lambda x: compiled.place(jnp.array(x)), saved))
            training.initial = resumed.tree["initial"]
            training.history = [EpochRecord(*row) for row in resumed.history]  # pyright: ignore[reportArgumentType]
            training.step_loss = [resumed.steps["loss"]]
            training.step_error = [resumed.steps["error"]]
        for record in training.history:
            member.on_epoch(record)
        return training

    @property
    def ended(self) -> bool:
        """Whether nothing is left to train."""
        fitted = bool(self.history) and self.history[-1].train_error == 0
        return fitted or len(self.history) >= self.recipe.epochs or self.diverged is not None

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self.saved >= CHECKPOINT_SECONDS

    @property
    def margin(self) -> tuple[Any, ...]:
        """What a target is to lead by, as the further argument of `Program.evaluate`."""
        return () if self.member.ball is None else (self.member.ball.margin,)

    def tree(self) -> dict[str, Any]:
        return {"params": self.state.params, "initial": self.initial, "optimizer": self.state.optimizer}

    def steps(self) -> dict[str, np.ndarray]:
        """The loss and the error of every step."""
        empty = [np.zeros(0, np.float32)]
        return {
            "loss": np.concatenate(empty + self.step_loss),
            "error": np.concatenate(empty + self.step_error),
        }

    def save(self, writer: Writer) -> None:
        if self.place.folder is not None:
            writer.write(self.place, _to_host(self.tree()), tuple(self.history), self.steps())
        self.saved = time.monotonic()

    def judge(self, compiled: Program, images: Any, loss: float, error: float) -> None:
        """Add the epoch that was trained to the history, or find that the training has diverged."""
        found = compiled.evaluate(self.state.params, images, self.labels, *self.margin)
        reason = rising(self.history, loss)
        if not reason and not bool(found.finite):
            reason = "a logit is not a finite number"
        if reason:
            self.diverged = DivergedError(self.recipe, tuple(self.history), reason)
            return
        monitored = None
        if self.test is not None and self.member.monitor:
            x, y, _ = (part[: self.member.monitor] for part in self.test)
            monitored = int(compiled.evaluate(self.state.params, x, y).wrong) / len(y)
        n = len(self.member.labels)
        self.history.append(
            EpochRecord(len(self.history) + 1, loss, error, int(found.unfitted) / n, monitored)
        )

    def finish(self, compiled: Program, images: Any) -> Trained:
        missed = None
        if self.test is not None:
            x, labels, clean = self.test
            missed = Missed(
                int(compiled.evaluate(self.state.params, images, self.labels, *self.margin).unfitted),
                int(compiled.evaluate(self.state.params, x, labels).wrong),
                int(compiled.evaluate(self.state.params, x, clean).wrong),
            )
        steps = self.steps()
        return Trained(
            params=_to_host(self.state.params),
            initial=self.initial,
            history=tuple(self.history),
            step_loss=steps["loss"],
            step_error=steps["error"],
            missed=missed,
            epochs=len(self.history),
            interpolated=self.history[-1].train_error == 0,
        )


def _advance(running: Sequence[_Training], compiled: Program, recipe: Recipe, images: Any) -> None:
    """One epoch of each."""
    numbers = [len(training.history) + 1 for training in running]
    # Without balls the call, and so what is compiled, is what it would be if there were no such thing.
    balls = () if running[0].member.ball is None else (tuple(training.member.ball for training in running),)
    states, steps = compiled.epoch(
        tuple(training.state for training in running),
        images,
        tuple(training.labels for training in running),
        tuple(
            jax.random.fold_in(training.key, number)
            for training, number in zip(running, numbers, strict=True)
        ),
        tuple(np.float32(recipe.rate(number)) for number in numbers),
        *balls,
    )
    n = images.shape[0]
    sizes = np.minimum(recipe.batch, n - recipe.batch * np.arange(-(-n // recipe.batch)))
    for training, state, sums in zip(running, states, steps, strict=True):
        training.state = state
        losses, errors = np.asarray(sums.loss), np.asarray(sums.errors)
        training.step_loss.append((losses / sizes).astype(np.float32))
        training.step_error.append((errors / sizes).astype(np.float32))
        training.judge(compiled, images, float(losses.sum(dtype=np.float64)) / n, int(errors.sum()) / n)


def _to_host(tree: Any) -> Any:
    # A copy: on the CPU an array may share its memory with the device, which the next epoch reuses.
    return jax.tree.map(lambda leaf: np.array(leaf), tree)
