"""Kernels on a fixed list of points, evaluated block by block in float64, with a bound on the error of every entry.

A `Gram` is never stored here: the factorization asks for a block when it needs one, and a pass over all blocks is made
again wherever the matrix itself is needed.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64

from ..interval import Interval
from ..network.rounding import U, gam


def _chunk(d: int) -> int:
    """Inner products of d terms are summed in chunks of this many, whose sums are added: the error grows with the chunk and with the number of chunks, not
    with their product. Longer sums have longer chunks, for speed.
    """
    return 128 if d <= 4096 else 1024


def _terms(d: int) -> int:
    return _chunk(d) + math.ceil(d / _chunk(d))


_EXP = 16 * U
"""Relative error of the exponential function in float64, with a factor of 4 to spare; the tests compare it with Arb."""


class Gram(ABC):
    """The matrix K_ij = k(x_i, x_j) of points x_1..x_n, float64.

    `rows`: what represents the points, float64 [n, d]. `entry_error`: an upper bound of |computed - real| over its entries.
    """

    rows: Float64[Array, "n d"]
    entry_error: float

    def __len__(self) -> int:
        return len(self.rows)

    @abstractmethod
    def represent(self, inputs: np.ndarray) -> Float64[Array, "m d"]:
        """Other points, inputs [m, ...] as the predictor takes them, in the form of `rows`."""

    @abstractmethod
    def between(self, a: Float64[Array, "p d"], b: Float64[Array, "q d"]) -> Float64[Array, "p q"]:
        """k of every pair of represented points."""

    @abstractmethod
    def diagonal(self) -> Float64[Array, " n"]:
        """k(x_i, x_i), to the accuracy of `entry_error`."""

    def mean_diagonal(self) -> Interval:
        """tr K / n, enclosed."""
        values = np.asarray(self.diagonal())
        mean = float(values.mean())
        # A diagonal of ones is one by definition, not by computation.
        slack = 0.0 if (values == 1).all() else self.entry_error + gam(len(values) + 2) * mean
        return Interval(mean - slack, mean + slack)

    @abstractmethod
    def error_at(self, points: Float64[Array, "m d"]) -> Float64[np.ndarray, " m"]:
        """Upper bounds of |computed - real| of k between each represented point and any of the x_i."""

    @abstractmethod
    def largest_at(self, points: Float64[Array, "m d"]) -> Float64[np.ndarray, " m"]:
        """Upper bounds of |k| between each represented point and any of the x_i."""

    @abstractmethod
    def error_squares(self, i: slice, j: slice, block: Float64[Array, "p q"]) -> float:
        """An upper bound of the sum of |computed - real|^2 over a computed block K[i, j]."""

    def block(self, i: slice, j: slice) -> Float64[Array, "p q"]:
        """K[i, j]."""
        return self.between(self.rows[i], self.rows[j])


class Gaussian(Gram):
    r"""k(x, x') = exp(-|x - x'|^2 / (2 s^2)), s the `bandwidth`.

    `centre`: subtracted from every point, which changes no distance; small numbers cancel less.
    """

    def __init__(self, inputs: np.ndarray, bandwidth: float) -> None:
        flat = inputs.reshape(len(inputs), -1).astype(np.float64)
        # A few bits suffice for a centre, and leave the differences exact where the inputs are pixels.
        centre = np.round(flat.mean(axis=0) * 256) / 256
        rows = flat - centre
        self.centre, self.bandwidth = jnp.asarray(centre), bandwidth
        self.rows = jnp.asarray(rows)
        d = rows.shape[1]
        largest = float(np.square(rows).sum(axis=1).max(initial=0)) * (1 + 2 * gam(d + 4))
        # |x|^2, |x'|^2 and the inner product, each a chunked sum; the rounding of the difference with the centre.
        squared = 4 * largest * gam(_terms(d) + 16)
        self.entry_error = float(squared / (2 * bandwidth**2) * (1 + 8 * U) + _EXP + 8 * U)
        # (|x| + |x'|)^2 bounds what the three sums of |x - x'|^2 add up to.
        self._lengths = jnp.asarray(np.sqrt(np.square(rows).sum(axis=1)) * (1 + 2 * gam(d + 4)))
        self._slope = gam(_terms(d) + 16) / (2 * bandwidth**2) * (1 + 8 * U)

    def represent(self, inputs: np.ndarray) -> Float64[Array, "m d"]:
        return jnp.asarray(inputs.reshape(len(inputs), -1).astype(np.float64)) - self.centre

    def between(self, a: Float64[Array, "p d"], b: Float64[Array, "q d"]) -> Float64[Array, "p q"]:
        return _gaussian(a, b, self.bandwidth)

    def diagonal(self) -> Float64[Array, " n"]:
        return jnp.ones(len(self.rows), jnp.float64)

    def error_at(self, points: Float64[Array, "m d"]) -> Float64[np.ndarray, " m"]:
        reach = np.asarray(jnp.sqrt(_squares(points)) + self._lengths.max())
        return (self._slope * reach**2 + _EXP + 8 * U) * (1 + 2.0**-20)

    def largest_at(self, points: Float64[Array, "m d"]) -> Float64[np.ndarray, " m"]:
        return np.ones(len(points))

    def error_squares(self, i: slice, j: slice, block: Float64[Array, "p q"]) -> float:
        return float(_gaussian_errors(block, self._lengths[i], self._lengths[j], self._slope))


class Inner(Gram):
    """k(x, x') = <phi(x), phi(x')> of a feature map; the points are represented by their features.

    `features`: inputs [m, ...] to float64 [m, d].
    """

    def __init__(
        self, rows: Float64[Array, "n d"], features: Callable[[np.ndarray], Float64[Array, "m d"]]
    ) -> None:
        self.rows, self.features = rows, features
        d = rows.shape[1]
        largest = float(jnp.square(rows).sum(axis=1).max(initial=0.0)) * (1 + 2 * gam(d + 4))
        self._slope = gam(_terms(d) + 4) * (1 + 2 * gam(d + 4))
        self._squares = _squares(rows)
        self.entry_error = largest * self._slope

    def represent(self, inputs: np.ndarray) -> Float64[Array, "m d"]:
        return self.features(inputs)

    def between(self, a: Float64[Array, "p d"], b: Float64[Array, "q d"]) -> Float64[Array, "p q"]:
        return _inner(a, b)

    def diagonal(self) -> Float64[Array, " n"]:
        return _squares(self.rows)

    def error_at(self, points: Float64[Array, "m d"]) -> Float64[np.ndarray, " m"]:
        return self.largest_at(points) * self._slope

    def largest_at(self, points: Float64[Array, "m d"]) -> Float64[np.ndarray, " m"]:
        return np.asarray(jnp.sqrt(_squares(points) * self._squares.max())) * (1 + 2.0**-20)

    def error_squares(self, i: slice, j: slice, block: Float64[Array, "p q"]) -> float:
        return float(self._squares[i].sum() * self._squares[j].sum()) * self._slope**2


@jax.jit
def _inner(a: Float64[Array, "p d"], b: Float64[Array, "q d"]) -> Float64[Array, "p q"]:
    d, step = a.shape[1], _chunk(a.shape[1])
    parts = [a[:, s : s + step] @ b[:, s : s + step].T for s in range(0, d, step)]
    return functools.reduce(jnp.add, parts)


def _squares(a: Float64[Array, "p d"]) -> Float64[Array, " p"]:
    step = _chunk(a.shape[1])
    parts = [jnp.square(a[:, s : s + step]).sum(axis=1) for s in range(0, a.shape[1], step)]
    return functools.reduce(jnp.add, parts)


@jax.jit
def _gaussian(a: Float64[Array, "p d"], b: Float64[Array, "q d"], bandwidth: float) -> Float64[Array, "p q"]:
    squared = _squares(a)[:, None] + _squares(b)[None] - 2 * _inner(a, b)
    return jnp.exp(jnp.maximum(squared, 0.0) / (-2 * bandwidth**2))


@jax.jit
def _gaussian_errors(block: Array, a: Float64[Array, " p"], b: Float64[Array, " q"], slope: float) -> Array:
    relative = slope * jnp.square(a[:, None] + b[None]) * (1 + 2.0**-20) + _EXP + 8 * U
    return jnp.square(block * relative).sum()


def duplicates(inputs: np.ndarray) -> Sequence[tuple[int, int]]:
    """Pairs (i, j), i < j, of equal inputs: each j with the first i that it equals."""
    first: dict[bytes, int] = {}
    pairs = []
    for j, row in enumerate(np.ascontiguousarray(inputs.reshape(len(inputs), -1))):
        i = first.setdefault(row.tobytes(), j)
        if i != j:
            pairs.append((i, j))
    return pairs
