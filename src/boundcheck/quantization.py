"""Weights rounded to 8 bits: the compressed classifier that theorems on description length can speak of.

Each real array becomes whole numbers q in -127..127 and one float32 scale s = max|w| / 127; the classifier uses the
products s q, rounded to the dtype of the array. The rule is fixed before any data are seen, so the message is q and s alone.
"""

from __future__ import annotations

from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from .run import Run, is_real, stored_arrays

BITS: Final = 8
"""Bits of each weight; each array has 32 more for its scale."""

_LARGEST: Final = 2 ** (BITS - 1) - 1


def quantized(run: Run) -> Run:
    """The run with its weights rounded; integers, flags and random keys stay as they are."""
    return run.with_params(jax.tree.map(_rounded, run.params))


def message_bits(params: Any) -> int:
    """The length of the message that gives the rounded weights back."""
    total = 0
    for _, array in stored_arrays(params):
        total += BITS * array.size + 32 if is_real(array) else 8 * array.nbytes
    return total


def _rounded(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    array = np.asarray(leaf)
    if not is_real(array):
        return leaf
    wide = array.astype(np.float64)
    scale = np.float32(np.max(np.abs(wide), initial=0.0) / _LARGEST)
    if not 0 < scale < np.inf:
        return _like(leaf, np.zeros_like(wide), array.dtype)
    steps = np.clip(np.rint(wide / np.float64(scale)), -_LARGEST, _LARGEST)
    # A product of float32 by at most 127: exact in float64, so rounded once.
    return _like(leaf, steps * np.float64(scale), array.dtype)


def _like(leaf: Any, values: np.ndarray, dtype: np.dtype) -> Any:
    rounded = values.astype(dtype)
    return jnp.asarray(rounded) if isinstance(leaf, jax.Array) else rounded
