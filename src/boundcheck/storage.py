"""Files that are either the old or the new version, whenever the process dies; and digests of what they hold."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .errors import RunError


def digest(*arrays: np.ndarray) -> str:
    """sha256 over arrays with their dtypes and shapes, hex."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.name}{array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def write(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content` in one step; parents are created."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as indented JSON. Raises `ValueError` for nan and infinities, which JSON lacks."""
    write(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path, what: str) -> Any:
    """The JSON value in `path`. Raises `RunError`, naming `what` the file is, when there is none."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise RunError(f"{path} is missing; it holds {what}. Train or evaluate the run again.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(
            f"{path} is not JSON ({error}); it holds {what}. Restore it or make the run again."
        ) from None
