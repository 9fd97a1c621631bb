"""Gradient descent from zero on the least-squares problem that the closed form solves, to be set beside it.

On (1/2) sum_i |f(x_i) - v_i|^2 + (mu/2) |f|^2 a step moves f = sum_i alpha_i k(x_i, .) by alpha <- alpha - a ((K + mu I) alpha - V): the iterates stay in the
span of the training points, so that without a ridge they can only converge to the interpolant of least norm. A step
a <= 1/lambda_max(K + mu I) never overshoots; the Frobenius norm of K bounds that eigenvalue.
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
    """The path, float64 [p] each: `steps`; `distance`: |f_t - f| / |f| in the Hilbert space, f the closed form; `residual`: |V - f_t(X)|_F / |V|_F; `error`: on the test examples."""

    steps: Float64[np.ndarray, " p"]
    distance: Float64[np.ndarray, " p"]
    residual: Float64[np.ndarray, " p"]
    error: Float64[np.ndarray, " p"]


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
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Descent:
    """Plain gradient descent, looked at after logarithmically spaced numbers of steps.

    **Arguments.** `solution`: alpha of the closed form. `tests`: represented test points, with `labels` [m]. `start`: alpha to begin with, 0 if None.

    Raises `RunError` for more examples than `LARGEST`.
    """
    n = len(gram)
    if n > LARGEST:
        raise RunError(
            f"gradient descent beside the closed form holds the whole Gram matrix, and {n:,} examples are too many; ask for at most {LARGEST:,}, "
            "or leave `descent` out."
        )
    with jax.enable_x64(True):
        whole = slice(0, n)
        kernel = gram.block(whole, whole)
        across = gram.between(tests, gram.rows)
        rate = 1 / (float(jnp.sqrt(jnp.square(kernel).sum())) + shift)
        alpha = jnp.zeros_like(targets) if start is None else start
        size = float((solution * (kernel @ solution)).sum())
        length = float(jnp.square(targets).sum())
        looks = np.unique(np.round(np.geomspace(1, steps, LOOKS)).astype(np.int64))
        path, done = [], 0
        for look in looks:
            alpha = _steps(kernel, targets, alpha, shift, rate, int(look) - done)
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
        columns = np.array(path, np.float64).T
        return Descent(*columns)


@functools.partial(jax.jit, donate_argnums=2)
def _steps(kernel: Array, targets: Array, alpha: Array, shift: float, rate: float, count: int) -> Array:
    def step(_: int, alpha: Array) -> Array:
        return alpha - rate * (kernel @ alpha + shift * alpha - targets)

    return jax.lax.fori_loop(0, count, step, alpha)
