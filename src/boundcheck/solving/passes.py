"""Passes over the blocks of a Gram matrix: what needs the matrix itself, and never holds it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64

from .kernels import Gram


@dataclass(frozen=True, slots=True)
class Pass:
    """`product`: K R, [n, m]. `squares`: the sum of the squared entries of K. `error`: |computed - real K|_F from above."""

    product: Float64[Array, "n m"]
    squares: float
    error: float


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
    return Pass(jnp.concatenate(parts), squares, float(np.sqrt(error)) * (1 + 2.0**-20))


@functools.partial(jax.jit, donate_argnums=0)
def _plus(part: Array, block: Array, right: Array) -> Array:
    return part + block @ right


@functools.partial(jax.jit, donate_argnums=0)
def _plus_transposed(part: Array, block: Array, right: Array) -> Array:
    return part + block.T @ right


@jax.jit
def _squares(block: Array) -> Array:
    return jnp.square(block).sum()
