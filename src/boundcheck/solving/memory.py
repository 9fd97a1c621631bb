"""Whether a problem fits into memory, before it is begun."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import jax

from ..errors import RunError
from ..models import FeaturesSpec
from .cholesky import TILE


def available() -> int:
    """Bytes that are free: of the accelerator, or of the machine."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def needed(size: int, dimension: int, columns: int) -> int:
    """Bytes of an exact solution: half of the matrix, the points, and what is solved for."""
    return 8 * (size * (size + TILE) // 2 + 2 * size * dimension + 6 * size * columns)


def check_fits(size: int, dimension: int, columns: int) -> None:
    """Raises `RunError`, with the number of examples that fit, where the exact solution does not."""
    has = available()
    if needed(size, dimension, columns) <= has:
        return
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if needed(middle, dimension, columns) <= has else (low, middle)
    raise RunError(
        f"the exact solution for {size:,} examples of dimension {dimension:,} needs {needed(size, dimension, columns) / 2**30:.1f} GiB, and "
        f'{has / 2**30:.1f} GiB are free. About {low:,} examples fit: `examples = {low}`; or give `solver = "conjugate-gradient"`, which holds '
        "no matrix."
    )


def features_needed(size: int, dimension: int) -> int:
    """Bytes of the features of so many examples, float64, twice: once in blocks and once as a whole."""
    return 2 * 8 * size * dimension


def check_features_fit(spec: FeaturesSpec, shape: Sequence[int], size: int) -> None:
    """Raises `RunError`, with the number of features that fit, where those of `size` inputs of this shape do not."""
    dimension, has = spec.dimension(shape), available()
    wanted = features_needed(size, dimension)
    if wanted <= has:
        return
    remedies = [f"About {has // features_needed(1, dimension):,} examples fit at this setting."]
    for key in ("filters", "count"):
        if count := getattr(spec, key, 0):
            most = has // features_needed(size, dimension // count)
            remedies.insert(0, f"About {most:,} {key} fit: `{key} = {most}`.")
    raise RunError(
        f"the {dimension:,} features of {size:,} examples take {wanted / 2**30:.1f} GiB while they are computed, and {has / 2**30:.1f} GiB "
        f"are free. {' '.join(remedies)}"
    )
