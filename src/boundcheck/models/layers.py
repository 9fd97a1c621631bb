"""`Convolution` and the pools, for training on batches and for inference."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from .batch import Batch
from .convolution import convolve
from .convolution import max_pool as pool_batch
from .linear import Numbers


class Convolution(eqx.Module):
    """A convolution of maps [b, h, w, c] with padding SAME, float32; kernel [size, size, in, out] from N(0, 2/(size^2 in)),
    bias 0.
    """

    kernel: Float[Numbers, "kh kw i o"]
    bias: Float[Numbers, " o"] | None
    stride: int = eqx.field(static=True)

    def __init__(
        self, n_in: int, n_out: int, size: int, *, stride: int = 1, bias: bool = True, key: PRNGKeyArray
    ) -> None:
        draws = jax.random.normal(key, (size, size, n_in, n_out), jnp.float32)
        self.kernel = draws * math.sqrt(2 / (size * size * n_in))
        self.bias = jnp.zeros(n_out, jnp.float32) if bias else None
        self.stride = stride

    def __call__(self, x: Float[Numbers, "b h w i"], batch: Batch | None) -> Float[Array, "b h2 w2 o"]:
        x, kernel = jnp.asarray(x), jnp.asarray(self.kernel)
        if batch is None:
            y = lax.conv_general_dilated(
                x, kernel, (self.stride, self.stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        else:
            y = convolve(x, kernel, stride=self.stride)
        return y if self.bias is None else y + self.bias


def max_pool(x: Float[Numbers, "b h w c"], batch: Batch | None) -> Float[Array, "b h2 w2 c"]:
    """The largest value of each 3x3 window, stride 2, padding SAME."""
    x = jnp.asarray(x)
    if batch is not None:
        return pool_batch(x, size=3, stride=2)
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
