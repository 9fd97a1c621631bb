"""`Factor`: A = L L^T for a matrix that is too large to be held, by square tiles of the lower triangle.

The tiles of A come from a function, one at a time, and are replaced by those of L: what is held is half of the matrix.
Everything is float64 in JAX, in matrix products of whole tiles, so that a GPU does it as it stands.

Rounding: every sum of products runs inside a tile, in any order, and then over tiles, so that the classical constants
(Higham 2002, theorems 8.5 and 10.3) hold with gam(`terms`) in place of gam(n).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax.linalg import triangular_solve
from jaxtyping import Array, Float64

from ..errors import BoundcheckError

TILE = 512


class NotPositiveError(BoundcheckError):
    """The matrix is not positive definite to working precision; `rows`: the block in which the factorization stopped."""

    def __init__(self, rows: slice) -> None:
        self.rows = rows
        super().__init__(
            f"the matrix is singular or indefinite to working precision; the factorization stopped in rows {rows.start} to {rows.stop - 1}"
        )


@dataclass(frozen=True, slots=True)
class Factor:
    """The lower triangular factor; `tiles[i][j]`, j <= i, holds rows `cuts[i]` and columns `cuts[j]` of it."""

    tiles: list[list[Float64[Array, "p q"]]]
    cuts: tuple[slice, ...]

    @property
    def size(self) -> int:
        return self.cuts[-1].stop

    @property
    def terms(self) -> int:
        """Additions and multiplications on the longest way to an entry: inside a tile, over tiles, and the pivots."""
        return (self.cuts[0].stop - self.cuts[0].start) + len(self.cuts) + 16

    def diagonal(self) -> Float64[np.ndarray, " n"]:
        """L_ii."""
        return np.concatenate([np.asarray(jnp.diagonal(row[-1])) for row in self.tiles])

    def forward(self, right: Float64[Array, "n m"]) -> Float64[Array, "n m"]:
        """L^-1 `right`."""
        solved: list[Array] = []
        for i, cut in enumerate(self.cuts):
            part = right[cut]
            for j in range(i):
                part = _less(part, self.tiles[i][j], solved[j])
            solved.append(_solve(self.tiles[i][i], part))
        return jnp.concatenate(solved)

    def backward(self, right: Float64[Array, "n m"]) -> Float64[Array, "n m"]:
        """L^-T `right`."""
        solved: list[Array] = []
        last = len(self.cuts) - 1
        for i in range(last, -1, -1):
            part = right[self.cuts[i]]
            for j in range(last, i, -1):
                part = _less_transposed(part, self.tiles[j][i], solved[last - j])
            solved.append(_solve_transposed(self.tiles[i][i], part))
        return jnp.concatenate(solved[::-1])

    def inverse(self) -> Iterator[tuple[int, int, Float64[Array, "p q"]]]:
        """The tiles (i, j, Z_ij) of Z = L^-1, column by column; only one column is held."""
        for j in range(len(self.cuts)):
            column = [_inverse(self.tiles[j][j])]
            yield j, j, column[0]
            for i in range(j + 1, len(self.cuts)):
                part = jnp.zeros((self.tiles[i][j].shape[0], column[0].shape[1]), jnp.float64)
                for k in range(j, i):
                    part = _less(part, self.tiles[i][k], column[k - j])
                column.append(_solve(self.tiles[i][i], part))
                yield i, j, column[-1]


def factorize(
    block: Callable[[slice, slice], Float64[Array, "p q"]],
    size: int,
    shift: float,
    *,
    diagonal: Float64[Array, " n"],
    tile: int = TILE,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Factor:
    """L with L L^T = A, A_ij = block_ij off the diagonal and diagonal_i + `shift` on it.

    **Arguments.** `block`: entries of the given rows and columns. `advance`: told of tiles that are done.

    Raises `NotPositiveError` where A is singular or indefinite to working precision.
    """
    cuts = tuple(slice(start, min(start + tile, size)) for start in range(0, size, tile))
    tiles: list[list[Array]] = [[] for _ in cuts]
    done, total = 0, len(cuts) * (len(cuts) + 1) // 2
    for j, columns in enumerate(cuts):
        for i in range(j, len(cuts)):
            part = block(cuts[i], columns)
            if i == j:
                part = _with_diagonal(part, diagonal[columns] + shift)
            for k in range(j):
                part = _less_product(part, tiles[i][k], tiles[j][k])
            if i == j:
                part = _cholesky(part)
                pivots = np.asarray(jnp.diagonal(part))
                if not (pivots > 0).all():
                    raise NotPositiveError(columns)
            else:
                part = _solve_right(tiles[j][j], part)
            tiles[i].append(part)
            done += 1
            advance(done, total)
    return Factor(tiles, cuts)


@functools.partial(jax.jit, donate_argnums=0)
def _with_diagonal(part: Array, diagonal: Array) -> Array:
    here = jnp.arange(len(diagonal))
    return part.at[here, here].set(diagonal)


@functools.partial(jax.jit, donate_argnums=0)
def _less_product(part: Array, a: Array, b: Array) -> Array:
    return part - jax.lax.dot_general(a, b, (((1,), (1,)), ((), ())))


@jax.jit
def _less(part: Array, a: Array, b: Array) -> Array:
    return part - a @ b


@jax.jit
def _less_transposed(part: Array, a: Array, b: Array) -> Array:
    return part - jax.lax.dot_general(a, b, (((0,), (0,)), ((), ())))


@functools.partial(jax.jit, donate_argnums=0)
def _cholesky(part: Array) -> Array:
    # The lower triangle of a symmetric matrix, computed entry by entry: nothing to make symmetric.
    return jax.lax.linalg.cholesky(part, symmetrize_input=False)


@jax.jit
def _solve(lower: Array, right: Array) -> Array:
    return triangular_solve(lower, right, left_side=True, lower=True)


@jax.jit
def _solve_transposed(lower: Array, right: Array) -> Array:
    return triangular_solve(lower, right, left_side=True, lower=True, transpose_a=True)


@jax.jit
def _solve_right(lower: Array, right: Array) -> Array:
    return triangular_solve(lower, right, left_side=False, lower=True, transpose_a=True)


@jax.jit
def _inverse(lower: Array) -> Array:
    return triangular_solve(lower, jnp.eye(len(lower), dtype=lower.dtype), left_side=True, lower=True)
