"""`Checkpoint`: an unfinished training in one file, so that a kill at any time leaves a whole one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .. import storage, weights
from ..errors import RunError

_FILE = "state.safetensors"
_SCHEMA = 1


class Resumed(NamedTuple):
    """What a checkpoint holds: a pytree of NumPy arrays, and a row of numbers an epoch."""

    tree: Any
    history: tuple[tuple[int | float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The place where one training keeps its state.

    `folder`: None keeps nothing. `identity`: what the training is, as JSON values; a checkpoint of another
    one is refused.
    """

    folder: Path | None
    identity: dict[str, Any]

    def write(self, tree: Any, history: tuple[tuple[int | float, ...], ...]) -> None:
        """Replace the state, in one step."""
        if self.folder is not None:
            record = {"schema": _SCHEMA, "identity": self.identity, "history": history}
            content = weights.encode(weights.flatten(tree), {"record": json.dumps(record)})
            storage.write(self.folder / _FILE, content)

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
        return Resumed(weights.unflatten(path, arrays, like), history)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
