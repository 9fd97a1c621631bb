"""`Checkpoint`: an unfinished training in one file, so that a kill at any time leaves a whole one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import storage, weights
from ..errors import RunError

_FILE = "state.safetensors"
_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state after an epoch. `tree`: weights, initial weights and optimizer state, one pytree. `history`:
    a row of numbers an epoch."""

    tree: Any
    history: tuple[tuple[float, ...], ...]


def digest(*arrays: np.ndarray) -> str:
    """sha256 over arrays with their dtypes and shapes, hex."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.name}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def write_checkpoint(folder: Path, checkpoint: Checkpoint, identity: dict[str, Any]) -> None:
    """Replace the checkpoint in `folder`. `identity`: what the training is, as JSON values."""
    record = {"schema": _SCHEMA, "identity": identity, "history": checkpoint.history}
    content = weights.encode(weights.flatten(checkpoint.tree), {"record": json.dumps(record)})
    storage.write(folder / _FILE, content)


def read_checkpoint(folder: Path, like: Any, identity: dict[str, Any]) -> Checkpoint | None:
    """The checkpoint in `folder`; None when there is none.

    `like`: the pytree whose structure, shapes and dtypes are needed. Raises `RunError` for a damaged file,
    and for the checkpoint of another training, saying what differs.
    """
    path = folder / _FILE
    if not path.exists():
        return None
    remedy = f"Remove {folder} to start anew."
    try:
        arrays, metadata = weights.read(path)
        record = json.loads(metadata["record"])
        found, schema = record["identity"], record["schema"]
        history = tuple(tuple(row) for row in record["history"])
    except (RunError, KeyError, TypeError, ValueError):
        raise RunError(f"{path} is damaged; a whole checkpoint is needed to resume. {remedy}") from None
    if schema != _SCHEMA:
        raise RunError(f"{path} has schema {schema}; this version resumes from schema {_SCHEMA}. {remedy}")
    for key in identity:
        if found.get(key) != identity[key]:
            raise RunError(
                f"{path} is the checkpoint of another training: its {key} is {_short(found.get(key))}, and "
                f"{_short(identity[key])} is asked for. {remedy}"
            )
    return Checkpoint(tree=weights.unflatten(path, arrays, like), history=history)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
