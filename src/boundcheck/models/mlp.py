"""`MLP`: the multilayer perceptron with ReLU."""

from __future__ import annotations

import math
from collections.abc import Sequence

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

    def __init__(self, n_in: int, n_out: int, *, bias: bool, gain: float, key: PRNGKeyArray) -> None:
        self.weight = jax.random.normal(key, (n_out, n_in), jnp.float32) * math.sqrt(gain / n_in)
        self.bias = jnp.zeros(n_out, jnp.float32) if bias else None

    def __call__(self, x: Float[Numbers, " in"]) -> Float[Numbers, " out"]:
        y = self.weight @ x
        return y if self.bias is None else y + self.bias


class MLP(eqx.Module):
    """Flattens one input, then dense layers with ReLU after each but the last; returns logits [classes].

    Weights start as in He et al. 2015 (arXiv:1502.01852, equation 10): variance 2/in before a ReLU, and 1/in
    in the last layer, which has none. Biases start at 0.
    """

    layers: tuple[Linear, ...]

    def __init__(
        self,
        input_shape: Sequence[int],
        classes: int,
        *,
        hidden: Sequence[int],
        bias: bool,
        key: PRNGKeyArray,
    ) -> None:
        widths = (math.prod(input_shape), *hidden, classes)
        keys = jax.random.split(key, len(widths) - 1)
        gains = [2.0] * len(hidden) + [1.0]
        self.layers = tuple(
            Linear(n_in, n_out, bias=bias, gain=gain, key=k)
            for n_in, n_out, gain, k in zip(widths[:-1], widths[1:], gains, keys, strict=True)
        )

    def __call__(self, x: Float[Numbers, ...]) -> Float[Numbers, " classes"]:
        x = x.reshape(-1)
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)
