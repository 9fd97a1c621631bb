"""Where the work without matrices runs: on the accelerator that JAX finds, and in NumPy where there is none.

Operators act on NumPy and on JAX arrays by the same lines, so that one function serves both. Everything is float64 and in
conventional products: those of an accelerator's float64 units are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def run(work: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """`work(*arrays)`, an array or a tuple of arrays, as NumPy arrays."""
    if jax.default_backend() == "cpu":
        return work(*arrays)
    with jax.enable_x64(True):
        result = work(*map(jax.numpy.asarray, arrays))
        return jax.tree.map(np.asarray, result)
