"""Passes over the blocks of a Gram matrix: what needs the matrix itself, and never holds it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64

from ..interval import Interval
from ..network.rounding import U, gam
from .kernels import Gram

_UP = 1 + 2.0**-20


@dataclass(frozen=True, slots=True)
class Pass:
    """`product`: K R, [n, m]. `squares`: the sum of the squared entries of K. `error`: |computed - real K|_F from above. `terms`: the longest sum
    of an entry of the product.
    """

    product: Float64[Array, "n m"]
    squares: float
    error: float
    terms: int

    def product_error(self, right: Float64[np.ndarray, "n m"]) -> Float64[np.ndarray, " m"]:
        """Upper bounds of the l2 errors of the columns of the computed K R: of the entries of K, and of the sums."""
        lengths = np.sqrt(np.square(right).sum(axis=0)) * _UP
        size = math.sqrt(self.squares) * _UP
        return (self.error + gam(self.terms) * (size + self.error)) * lengths * _UP

    def residual(
        self,
        alpha: Float64[np.ndarray, "n m"],
        target: Float64[np.ndarray, "n m"],
        image: Float64[np.ndarray, "n m"],
        shift: float,
    ) -> Float64[np.ndarray, " m"]:
        """Upper bounds of the l2 norms of the columns of V - (K + mu I) alpha, given the computed K alpha."""
        left = target - image - shift * alpha
        sizes = np.abs(target) + np.abs(image) + shift * np.abs(alpha)
        rounding = 4 * U * np.sqrt(np.square(sizes).sum(axis=0))
        return (np.sqrt(np.square(left).sum(axis=0)) + rounding + self.product_error(alpha)) * _UP

    def quadratic(self, right: Float64[np.ndarray, "n m"], image: Float64[np.ndarray, "n m"]) -> Interval:
        """tr R^T K R, given the computed K R."""
        lengths = np.sqrt(np.square(right).sum(axis=0)) * _UP
        slack = float(
            (lengths * self.product_error(right)).sum() + gam(right.size + 8) * np.abs(right * image).sum()
        )
        middle = float((right * image).sum())
        return Interval(middle - slack * _UP, middle + slack * _UP).maximum(0)


def multiply(
    gram: Gram,
    right: Float64[Array, "n m"],
    cuts: tuple[slice, ...],
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Pass:
    """One pass; each block off the diagonal serves twice."""
    parts = [jnp.zeros((cut.stop - cut.start, right.shape[1]), jnp.float64) for cut in cuts]
    squares = error = 0.0
    total = len(cuts) * (len(cuts) + 1) // 2
    done = 0
    for i, rows in enumerate(cuts):
        for j in range(i + 1):
            columns = cuts[j]
            block = gram.block(rows, columns)
            twice = 1 if i == j else 2
            parts[i] = _plus(parts[i], block, right[columns])
            if i != j:
                parts[j] = _plus_transposed(parts[j], block, right[rows])
            squares += twice * float(_squares(block))
            error += twice * gram.error_squares(rows, columns, block)
            done += 1
            advance(done, total)
    # The sums of squares are far from cancelling; 2^-20 exceeds their rounding.
    terms = cuts[0].stop - cuts[0].start + len(cuts) + 16
    return Pass(jnp.concatenate(parts), squares, float(np.sqrt(error)) * _UP, terms)


@functools.partial(jax.jit, donate_argnums=0)
def _plus(part: Array, block: Array, right: Array) -> Array:
    return part + block @ right


@functools.partial(jax.jit, donate_argnums=0)
def _plus_transposed(part: Array, block: Array, right: Array) -> Array:
    return part + block.T @ right


@jax.jit
def _squares(block: Array) -> Array:
    return jnp.square(block).sum()
