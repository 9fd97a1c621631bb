"""Gradient descent from zero on the least-squares problem that the closed form solves, to be set beside it.

On (1/2) sum_i |f(x_i) - v_i|^2 + (mu/2) |f|^2 a step moves f = sum_i alpha_i k(x_i, .) by alpha <- alpha - a ((K + mu I) alpha - V): the iterates stay in the
span of the training points, so that without a ridge they can only converge to the interpolant of least norm. A step
a <= 1/lambda_max(K + mu I) never overshoots; the Frobenius norm of K bounds that eigenvalue.

With `batch` a step moves the coefficients of a random subset of the examples alone. Without a ridge that is stochastic
gradient descent in feature space, w <- w - a sum_{i in B} (<w, phi_i> - v_i) phi_i; its noise vanishes at an interpolant, so
that a constant step converges. With a ridge it is randomized block descent on the dual problem, with the same limit. Either
way the (K + mu I)-norm of the distance of alpha to the solution never grows for a <= 1/lambda_max of the block, which is at most that of the
whole and at most |B| times the largest diagonal entry.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64

from ..errors import RunError
from .kernels import Gram

LARGEST = 5000
"""The whole matrix is held for up to so many examples."""

LOOKS = 60


@dataclass(frozen=True, slots=True)
class Descent:
    """The path, float64 [p] each: `steps`; `distance`: |f_t - f| / |f| in the Hilbert space, f the closed form; `residual`: |V - f_t(X)|_F / |V|_F; `error`: on the test examples. `alpha`: the last iterate, float64 [n, k]."""

    steps: Float64[np.ndarray, " p"]
    distance: Float64[np.ndarray, " p"]
    residual: Float64[np.ndarray, " p"]
    error: Float64[np.ndarray, " p"]
    alpha: Float64[np.ndarray, "n k"]


def descend(
    gram: Gram,
    shift: float,
    targets: Float64[Array, "n k"],
    solution: Float64[Array, "n k"],
    *,
    tests: Float64[Array, "m d"],
    labels: np.ndarray,
    steps: int,
    start: Float64[Array, "n k"] | None = None,
    batch: int | None = None,
    seed: int = 0,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Descent:
    """Gradient descent with a constant step, looked at after logarithmically spaced numbers of steps.

    **Arguments.** `solution`: alpha of the closed form. `tests`: represented test points, with `labels` [m]. `start`: alpha to begin with, 0 if None.
    `batch`: examples in a step, drawn from `seed` without replacement; all if None.

    Raises `RunError` for more examples than `LARGEST`.
    """
    n = len(gram)
    if n > LARGEST:
        raise RunError(
            f"gradient descent beside the closed form holds the whole Gram matrix, and {n:,} examples are too many; ask for at most {LARGEST:,}, "
            "or leave `descent` out."
        )
    if batch is not None and not 1 <= batch <= n:
        raise RunError(f"a batch of {batch} of {n} examples; give between 1 and {n}, or None for all.")
    with jax.enable_x64(True):
        whole = slice(0, n)
        kernel = gram.block(whole, whole)
        across = gram.between(tests, gram.rows)
        rate = 1 / (_largest_eigenvalue(kernel, n if batch is None else batch) + shift)
        key = jax.random.key(seed)
        # A copy: the iterate is overwritten in place.
        alpha = jnp.zeros_like(targets) if start is None else jnp.array(start, copy=True)
        size = float((solution * (kernel @ solution)).sum())
        length = float(jnp.square(targets).sum())
        looks = np.unique(np.round(np.geomspace(1, steps, LOOKS)).astype(np.int64))
        path, done = [], 0
        for look in looks:
            if batch is None:
                alpha = _steps(kernel, targets, alpha, shift, rate, int(look) - done)
            else:
                alpha = _random_steps(kernel, targets, alpha, shift, rate, done, int(look), key, batch)
            done = int(look)
            apart = alpha - solution
            distance = float((apart * (kernel @ apart)).sum())
            residual = float(jnp.square(targets - kernel @ alpha).sum())
            wrong = np.asarray((across @ alpha).argmax(axis=1)) != labels
            path.append(
                (
                    done,
                    math.sqrt(max(distance, 0.0) / size),
                    math.sqrt(residual / length),
                    float(wrong.mean()),
                )
            )
            advance(done, steps)
        counts, distance, residual, error = np.array(path, np.float64).T
        return Descent(counts, distance, residual, error, np.asarray(alpha))


def _largest_eigenvalue(kernel: Float64[Array, "n n"], batch: int) -> float:
    """An upper bound of the largest eigenvalue of every principal submatrix of this size, rounding included."""
    frobenius = float(jnp.sqrt(jnp.square(kernel).sum()))
    return min(frobenius, batch * float(jnp.diag(kernel).max())) * (1 + 2.0**-20)


@functools.partial(jax.jit, donate_argnums=2)
def _steps(kernel: Array, targets: Array, alpha: Array, shift: float, rate: float, count: int) -> Array:
    def step(_: int, alpha: Array) -> Array:
        return alpha - rate * (kernel @ alpha + shift * alpha - targets)

    return jax.lax.fori_loop(0, count, step, alpha)


@functools.partial(jax.jit, static_argnames="batch", donate_argnums=2)
def _random_steps(
    kernel: Array,
    targets: Array,
    alpha: Array,
    shift: float,
    rate: float,
    first: int,
    last: int,
    key: Array,
    batch: int,
) -> Array:
    def step(t: Array, alpha: Array) -> Array:
        rows = jax.random.choice(jax.random.fold_in(key, t), len(kernel), (batch,), replace=False)
        return alpha.at[rows].add(-rate * (kernel[rows] @ alpha + shift * alpha[rows] - targets[rows]))

    return jax.lax.fori_loop(first, last, step, alpha)
