"""(K + mu I) alpha = V where not even half of the matrix fits: preconditioned conjugate gradients, K by blocks.

The preconditioner is a partial Cholesky factor F F^T of K with `rank` pivots, the largest remaining diagonal entry
first, plus a multiple of the identity. What is held is F and a few vectors. Source: Hestenes and Stiefel 1952; pivoted
Cholesky as a preconditioner: Gardner et al. 2018 (arXiv:1809.11165), section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax.linalg import triangular_solve
from jaxtyping import Array, Float64

from ..interval import Interval
from .accuracy import IllConditionedError
from .kernels import Gram
from .passes import multiply
from .problem import Problem, Told
from .solution import Solution, Solved, relative_residual

_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Iterated:
    """`alpha`: float64 [n, k]. `residuals`: |V - A alpha|_F / |V|_F after each iteration. `converged`: whether the last is below the tolerance."""

    alpha: Float64[np.ndarray, "n k"]
    residuals: tuple[float, ...]
    converged: bool


def conjugate_gradient(
    gram: Gram,
    shift: float,
    targets: Float64[Array, "n k"],
    *,
    tolerance: float = 1e-10,
    iterations: int = 1000,
    rank: int = 1000,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Iterated:
    """The solution of every column, each with its own steps; the residual at the end is that of a fresh product, not of the recursion."""
    with jax.enable_x64(True):
        n = len(gram)
        cuts = _cuts(n)
        precondition = _preconditioner(gram, shift, min(rank, n))

        def apply(x: Array) -> Array:
            return multiply(gram, x, cuts).product + shift * x

        length = jnp.sqrt(jnp.square(targets).sum())
        alpha, left = jnp.zeros_like(targets), targets
        z = precondition(left)
        direction, energy = z, (left * z).sum(axis=0)
        residuals: list[float] = []
        for done in range(iterations):
            image = apply(direction)
            curvature = (direction * image).sum(axis=0)
            step = jnp.where(curvature > 0, energy / jnp.where(curvature > 0, curvature, 1.0), 0.0)
            alpha, left = alpha + step * direction, left - step * image
            residuals.append(float(jnp.sqrt(jnp.square(left).sum()) / length))
            advance(done + 1, iterations)
            if residuals[-1] <= tolerance:
                break
            z = precondition(left)
            fresh = (left * z).sum(axis=0)
            direction = z + jnp.where(energy > 0, fresh / jnp.where(energy > 0, energy, 1.0), 0.0) * direction
            energy = fresh
        true = float(jnp.sqrt(jnp.square(targets - apply(alpha)).sum()) / length)
        return Iterated(np.asarray(alpha), (*residuals[:-1], true), true <= 10 * tolerance)


def iterate(problem: Problem, told: Told) -> list[Solved]:
    """The predictors of all labellings, and what one more pass over the matrix tells.

    Raises `IllConditionedError` where the iterations end before the residual is small.
    """
    targets = problem.targets()
    found = conjugate_gradient(
        problem.gram, problem.shift, targets, advance=lambda done, total: told("iterations", done, total)
    )
    if not found.converged:
        raise IllConditionedError(
            f"conjugate gradients stopped after {len(found.residuals)} iterations at a relative residual of {found.residuals[-1]:.1e}"
        )
    image = multiply(problem.gram, jnp.asarray(found.alpha), _cuts(problem.size))
    solved = []
    for which in range(len(problem.labels)):
        columns = problem.columns(which)
        alpha, target = found.alpha[:, columns], np.asarray(targets[:, columns])
        product = np.asarray(image.product[:, columns])
        solution = Solution(
            method=f"preconditioned conjugate gradients, {len(found.residuals)} iterations",
            size=problem.size,
            shift=Interval(problem.shift),
            ridge=Interval(problem.shift) / problem.size,
            residual=relative_residual(image.residual(alpha, target, product, problem.shift), target),
            diagonal=problem.gram.mean_diagonal(),
            kernel_bound=problem.kernel_bound,
            stored_norm_squared=image.quadratic(alpha, product),
            features_fixed=problem.features_fixed,
        )
        solved.append(Solved(alpha, product, solution))
    return solved


def _cuts(size: int) -> tuple[slice, ...]:
    return tuple(slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK))


def _preconditioner(gram: Gram, shift: float, rank: int) -> Callable[[Array], Array]:
    """(F F^T + s I)^-1, s = mu + the mean of what F leaves of the diagonal."""
    factor = _pivoted(gram, rank)
    rest = float(jnp.maximum(gram.diagonal() - jnp.square(factor).sum(axis=1), 0.0).mean())
    level = shift + max(rest, 1e-12 * float(gram.diagonal().mean()))
    inner = jnp.linalg.cholesky(factor.T @ factor + level * jnp.eye(factor.shape[1]))

    @jax.jit
    def solve(x: Array) -> Array:
        half = triangular_solve(inner, factor.T @ x, left_side=True, lower=True)
        return (
            x - factor @ triangular_solve(inner, half, left_side=True, lower=True, transpose_a=True)
        ) / level

    return solve


def _pivoted(gram: Gram, rank: int) -> Float64[Array, "n r"]:
    """The columns of a Cholesky factor of K, the largest remaining diagonal entry first."""
    rest = np.asarray(gram.diagonal()).copy()
    columns = np.zeros((len(gram), rank))
    for j in range(rank):
        pivot = int(np.argmax(rest))
        if rest[pivot] <= 1e-13 * float(rest.max(initial=0.0)) or rest[pivot] <= 0:
            return jnp.asarray(columns[:, :j])
        row = np.asarray(gram.between(gram.rows, gram.rows[pivot : pivot + 1]))[:, 0]
        columns[:, j] = (row - columns[:, :j] @ columns[pivot, :j]) / np.sqrt(rest[pivot])
        rest = np.maximum(rest - np.square(columns[:, j]), 0.0)
        rest[pivot] = 0.0
    return jnp.asarray(columns)
