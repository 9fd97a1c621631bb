"""Random words that are the same on every platform and for every release of NumPy.

NumPy promises the raw output of a bit generator to stay, but not what its distributions make of it (NEP 19);
so the few distributions needed here are made from raw words.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64, UInt64


def words(n: int, *, seed: int, stream: int) -> UInt64[np.ndarray, " n"]:
    """n independent uniform 64-bit words: Philox 4x64 (Salmon et al. 2011) keyed by seed and stream."""
    return np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw(n)


def permutation(n: int, *, seed: int, stream: int = 0) -> Int64[np.ndarray, " n"]:
    """A uniform permutation of 0..n-1: the order that sorts n random words."""
    return np.argsort(words(n, seed=seed, stream=stream), kind="stable").astype(np.int64)
