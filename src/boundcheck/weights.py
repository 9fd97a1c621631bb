"""Weights on disk: safetensors, with readable names such as `layers[0].weight`, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import safetensors
import safetensors.numpy

from . import storage
from .errors import RunError

T = TypeVar("T")


def flatten(tree: Any) -> dict[str, np.ndarray]:
    """The arrays of a pytree by their path, as NumPy arrays. A bare array is called `value`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path): np.asarray(leaf) for path, leaf in leaves}


def path_name(path: Any) -> str:
    """A path as one reads it in Python: `layers[0].weight`."""
    return jax.tree_util.keystr(path).removeprefix(".") or "value"


def save(path: Path, params: Any) -> None:
    """Replace `path` by the arrays of a pytree, in one step."""
    storage.write(path, encode(flatten(params)))


def encode(arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    """The safetensors file of named arrays."""
    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    return safetensors.numpy.save(contiguous, metadata)


def load(path: Path, like: T) -> T:
    """The pytree stored in `path`, with the structure, shapes and dtypes of `like`.

    `like` may hold arrays or their shapes alone. The leaves are NumPy arrays of the stored bits. Raises
    `RunError` when the file is missing or not a safetensors file, or when a tensor is absent, foreign, of
    another shape or dtype, or not finite: it says which.
    """
    arrays, _ = read(path)
    return unflatten(path, arrays, like)


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The named arrays and the metadata of a safetensors file. Raises `RunError` when it is not one."""
    remedy = "Restore it or train the run again."
    try:
        with safetensors.safe_open(path, "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, file.metadata() or {}
    except FileNotFoundError:
        raise RunError(f"{path} is missing; a safetensors file of weights is needed. {remedy}") from None
    except (safetensors.SafetensorError, OSError, TypeError) as error:
        raise RunError(
            f"{path} is not a whole safetensors file ({error}); weights are needed. {remedy}"
        ) from None


def unflatten(path: Path, arrays: dict[str, np.ndarray], like: T) -> T:
    """The pytree of named arrays. Raises `RunError`, naming the tensor, unless they are those of `like`."""
    remedy = "Restore the file or train the run again."
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    needed = {path_name(key): leaf for key, leaf in leaves}
    if foreign := sorted(arrays.keys() - needed.keys()):
        raise RunError(
            f"{path} holds a tensor {foreign[0]!r}, which the network lacks; its tensors are "
            f"{', '.join(needed)}. {remedy}"
        )
    for name, leaf in needed.items():
        if name not in arrays:
            raise RunError(
                f"{path} holds no tensor {name!r}; {leaf.dtype} {list(leaf.shape)} is needed. {remedy}"
            )
        found = arrays[name]
        if found.shape != tuple(leaf.shape) or found.dtype != leaf.dtype:
            raise RunError(
                f"{path}: tensor {name!r} is {found.dtype} {list(found.shape)}; {leaf.dtype} "
                f"{list(leaf.shape)} is needed. {remedy}"
            )
        if not np.isfinite(found).all():
            raise RunError(
                f"{path}: tensor {name!r} contains nan or infinity; finite numbers are needed. {remedy}"
            )
    return jax.tree_util.tree_unflatten(structure, [arrays[name] for name in needed])
