"""`Solution`: what is known of the exact solution of a linear or kernel problem, enclosed; and how it is kept.

Let A = K + mu I, V the centred one-hot labels, f the function A^-1 V. What is stored as the predictor is a rounded
alpha; what is said of f holds for the exact one, with the distance inside the intervals.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from .. import storage, weights
from ..errors import RunError
from ..interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Scalars are intervals; None where this way of solving does not tell.

    **Fields.** `method`: in words. `size`: n. `shift`: mu, added to the diagonal. `ridge`: mu/n. `residual`: |V - A alpha|_F / |V|_F from above.
    `eigenvalue`: of A, the least, from below. `norm_squared`: N = tr V^T A^-1 K A^-1 V for mu = 0, and tr V^T A^-1 V in general.
    `one_hot_norm_squared`: the same of the labels that are not centred. `stored_norm_squared`: of the predictor as stored, centred.
    `diagonal`: tr K / n. `kernel_bound`: sup k(x, x), known a priori. `inverse_trace`: tr A^-1. `alignment`: tr V^T K V / n.
    `square_trace`: tr K^2 / n^2. `largest_eigenvalue`: of K/n. `mistakes`, `late_mistakes`: t with f_{t-1} wrong on example t, of all
    and of those with t > floor(n/2). `loo_errors`, `loo_ramp`: wrong leave-one-out predictions, and their mean ramp loss at margin 1.
    `observed_removal`: the largest change of the ramp loss at margin 1, by removing one example, at the points tried. `spectrum`: eigenvalues
    of K/n of the first examples. `features_fixed`: whether the kernel does not depend on the training set.

    Arrays: `loo`, `progressive`: residuals [n, k] of leave-one-out and progressive prediction. `prefix_errors`, `late_prefix_errors`: for each of
    the first test examples, the fraction of the n (of the last n - floor(n/2)) prefix predictors that err on it [q]. `sizes`, `curve`: the test error of f_t
    at these t [p]. `descent`: the path of gradient descent (`descent.Descent`), [4, s].
    """

    method: str
    size: int
    shift: Interval
    ridge: Interval
    residual: Interval
    diagonal: Interval
    kernel_bound: Interval | None
    stored_norm_squared: Interval
    features_fixed: bool
    eigenvalue: Interval | None = None
    norm_squared: Interval | None = None
    one_hot_norm_squared: Interval | None = None
    inverse_trace: Interval | None = None
    alignment: Interval | None = None
    square_trace: Interval | None = None
    largest_eigenvalue: Interval | None = None
    mistakes: Interval | None = None
    late_mistakes: Interval | None = None
    loo_errors: Interval | None = None
    loo_ramp: Interval | None = None
    observed_removal: Interval | None = None
    spectrum: tuple[Interval, ...] | None = None
    rank: int | None = None
    loo: Float64[np.ndarray, "n k"] | None = None
    progressive: Float64[np.ndarray, "n k"] | None = None
    prefix_errors: Float64[np.ndarray, " q"] | None = None
    late_prefix_errors: Float64[np.ndarray, " q"] | None = None
    sizes: Float64[np.ndarray, " p"] | None = None
    curve: Float64[np.ndarray, " p"] | None = None
    descent: Float64[np.ndarray, "4 s"] | None = None

    def save(self, path: Path) -> None:
        """Replace `path`, a safetensors file: the arrays, and everything else in its metadata."""
        arrays, words = {}, {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                arrays[field.name] = value
            else:
                words[field.name] = _dump(value)
        storage.write(path, weights.encode(arrays, {"solution": json.dumps(words)}))

    @classmethod
    def load(cls, path: Path) -> Solution:
        """What `save` wrote. Raises `RunError` when it is missing or damaged."""
        arrays, metadata = weights.read(path)
        try:
            words = json.loads(metadata["solution"])
            return cls(**arrays, **{name: _load(value) for name, value in words.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{path} does not hold a solution ({type(error).__name__}: {error}); solve the run again."
            ) from None


@dataclass(frozen=True, slots=True)
class Solved:
    """`alpha`: coefficients of the predictor sum_i alpha_i k(x_i, .), float64 [n, k]; `fitted`: its training outputs. `weight`: of
    features, [k, d], where these were solved for instead.
    """

    alpha: Float64[np.ndarray, "n k"] | None
    fitted: Float64[np.ndarray, "n k"]
    solution: Solution
    weight: Float64[np.ndarray, "k d"] | None = None


def relative_residual(residual: Float64[np.ndarray, " k"], target: Float64[np.ndarray, "n k"]) -> Interval:
    """|V - A alpha|_F / |V|_F from above, of upper bounds of its columns."""
    return Interval(0, float(np.sqrt(np.square(residual).sum() / np.square(target).sum())) * (1 + 2.0**-20))


def _dump(value: Any) -> Any:
    if isinstance(value, Interval):
        return {"interval": value.dump()}
    return [_dump(part) for part in value] if isinstance(value, tuple) else value


def _load(value: Any) -> Any:
    if isinstance(value, dict):
        return Interval.load(value["interval"])
    return tuple(_load(part) for part in value) if isinstance(value, list) else value
