"""Where the work without matrices runs: on the accelerator that JAX finds, and in NumPy where there is none.

Operators act on NumPy and on JAX arrays by the same lines, so that one function serves both. Everything is float64 and in
conventional products: those of an accelerator's float64 units are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from threadpoolctl import threadpool_limits


def run(work: Callable[..., Any], *arrays: np.ndarray) -> Any:
    """`work(*arrays)`, an array or a tuple of arrays, as NumPy arrays."""
    if jax.default_backend() == "cpu":
        return work(*arrays)
    with jax.enable_x64(True):
        result = work(*map(jax.numpy.asarray, arrays))
        return jax.tree.map(np.asarray, result)


def share(work: Callable[[int], None], tasks: Sequence[int]) -> None:
    """`work` for each task, on all cores: a thread a task, with BLAS on one thread each; in turn on an accelerator.

    Half of what a task does is no matrix product, and BLAS alone would leave the other cores idle meanwhile.
    """
    cores = os.cpu_count() or 1
    if jax.default_backend() != "cpu" or len(tasks) < 2 or cores < 2:
        for task in tasks:
            work(task)
        return
    with threadpool_limits(1), ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, tasks))
