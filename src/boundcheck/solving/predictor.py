"""`KernelPredictor`: sum_i alpha_i k(x_i, .), with a bound on the error of what is computed."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64

from ..network.rounding import gam
from .kernels import Gram

_ROWS = 4096
_WIDTH = 512


@dataclass(frozen=True, slots=True)
class KernelPredictor:
    """`gram`: the kernel and the points. `alpha`: float64 [n, k]."""

    gram: Gram
    alpha: Float64[np.ndarray, "n k"]

    def enclose(self, inputs: np.ndarray) -> tuple[Float64[np.ndarray, "b k"], Float64[np.ndarray, "b k"]]:
        """Outputs and a bound of their error: of the entries of the kernel, and of the sum of n products."""
        n = len(self.gram)
        total = np.abs(self.alpha).sum(axis=0) * (1 + 2.0**-20)
        values, errors = [], []
        with jax.enable_x64(True):
            alpha = jnp.asarray(self.alpha)
            for start in range(0, len(inputs), _WIDTH):
                points = self.gram.represent(inputs[start : start + _WIDTH])
                parts = (
                    self.gram.between(points, self.gram.rows[i : i + _ROWS]) @ alpha[i : i + _ROWS]
                    for i in range(0, n, _ROWS)
                )
                values.append(np.asarray(sum(parts)))
                entry = self.gram.error_at(points)
                entry = entry + gam(_ROWS + n // _ROWS + 8) * (self.gram.largest_at(points) + entry)
                errors.append(entry[:, None] * total[None] * (1 + 2.0**-20))
        return np.concatenate(values), np.concatenate(errors)
