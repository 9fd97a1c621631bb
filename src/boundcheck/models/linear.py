"""`Linear`: a dense layer."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

Numbers = Array | np.ndarray
"""Stored weights and inputs are NumPy arrays until something is computed."""


class Linear(eqx.Module):
    """x -> W x + b, float32. W_ij is drawn from N(0, gain/in), b is 0; without bias, b is None."""

    weight: Float[Numbers, "out in"]
    bias: Float[Numbers, " out"] | None

    def __init__(self, n_in: int, n_out: int, *, bias: bool = True, gain: float, key: PRNGKeyArray) -> None:
        self.weight = jax.random.normal(key, (n_out, n_in), jnp.float32) * math.sqrt(gain / n_in)
        self.bias = jnp.zeros(n_out, jnp.float32) if bias else None

    def __call__(self, x: Float[Numbers, " in"]) -> Float[Numbers, " out"]:
        y = self.weight @ x
        return y if self.bias is None else y + self.bias
