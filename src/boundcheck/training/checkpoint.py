"""`Checkpoint`: an unfinished training in one file, so that a kill at any time leaves a whole one."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from .. import storage, weights
from ..errors import RunError

_FILE = "state.safetensors"
_SCHEMA = 2
_STEPS = "steps/"
"""What the names of the tensors begin with that grow from epoch to epoch."""


class Resumed(NamedTuple):
    """What a checkpoint holds: a pytree of NumPy arrays, a row of numbers an epoch, and named arrays with an entry a step."""

    tree: Any
    history: tuple[tuple[int | float | None, ...], ...]
    steps: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The place where one training keeps its state.

    `folder`: None keeps nothing. `identity`: what the training is, as JSON values; a checkpoint of another
    one is refused.
    """

    folder: Path | None
    identity: dict[str, Any]

    def write(
        self,
        tree: Any,
        history: tuple[tuple[int | float | None, ...], ...],
        steps: dict[str, np.ndarray],
    ) -> None:
        """Replace the state, in one step."""
        if self.folder is not None:
            record = {"schema": _SCHEMA, "identity": self.identity, "history": history}
            arrays = weights.flatten(tree) | {_STEPS + name: array for name, array in steps.items()}
            storage.write(self.folder / _FILE, weights.encode(arrays, {"record": json.dumps(record)}))

    def read(self, like: Any, *, budget: int) -> Resumed | None:
        """The state, with the structure, shapes and dtypes of `like`; None when there is none.

        Raises `RunError` for a damaged file, for the checkpoint of another training, saying what differs, and
        for one of more epochs than the budget.
        """
        if self.folder is None or not (path := self.folder / _FILE).exists():
            return None
        remedy = f"Remove {self.folder} to start anew."
        try:
            arrays, metadata = weights.read(path)
            record = json.loads(metadata["record"])
            found, schema = record["identity"], record["schema"]
            history = tuple(tuple(row) for row in record["history"])
        except (RunError, KeyError, TypeError, ValueError):
            raise RunError(f"{path} is damaged; a whole checkpoint is needed to resume. {remedy}") from None
        if schema != _SCHEMA:
            raise RunError(
                f"{path} has schema {schema}; this version resumes from schema {_SCHEMA}. {remedy}"
            )
        for key, needed in self.identity.items():
            if found.get(key) != needed:
                raise RunError(
                    f"{path} is the checkpoint of another training: its {key} is {_short(found.get(key))}, "
                    f"and {_short(needed)} is asked for. {remedy}"
                )
        if len(history) > budget:
            raise RunError(
                f"{path} holds {len(history)} epochs; at most the budget of {budget} is needed. Raise "
                f"`epochs`. {remedy}"
            )
        steps = {name.removeprefix(_STEPS): arrays.pop(name) for name in [*arrays] if name.startswith(_STEPS)}
        return Resumed(weights.unflatten(path, arrays, like), history, steps)


class Writer:
    """Writes checkpoints behind the training's back, one at a time; an error appears at the next write or at the end."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._last: Future[None] | None = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.wait()
        finally:
            self._pool.shutdown()

    def write(self, place: Checkpoint, *state: Any) -> None:
        """Begin to write; the arrays must not change afterwards."""
        self.wait()
        self._last = self._pool.submit(place.write, *state)

    def wait(self) -> None:
        """Until everything is on disk. Raises what the last write raised."""
        last, self._last = self._last, None
        if last is not None:
            last.result()


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
