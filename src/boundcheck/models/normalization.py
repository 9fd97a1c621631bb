"""Normalizations: `BatchNorm` over a batch, and local response normalization across channels."""

from __future__ import annotations

import functools
from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .batch import Batch
from .linear import Numbers

EPSILON: Final = 1e-3
MOMENTUM: Final = 0.9
"""What a step leaves of the running statistics."""


class BatchNorm(eqx.Module):
    """(x - mean)/sqrt(variance + EPSILON) for each channel of maps [b, h, w, c], float32 (Ioffe and Szegedy 2015, arXiv:1502.03167).

    In training mean and variance (with divisor the number of entries) are those of the valid examples of the batch; in
    inference they are the running averages over the batches seen. `affine`: whether a learned scale and shift follow.
    """

    mean: Float[Numbers, " c"]
    variance: Float[Numbers, " c"]
    scale: Float[Numbers, " c"] | None
    shift: Float[Numbers, " c"] | None

    def __init__(self, channels: int, *, affine: bool) -> None:
        self.mean = jnp.zeros(channels, jnp.float32)
        self.variance = jnp.ones(channels, jnp.float32)
        self.scale = jnp.ones(channels, jnp.float32) if affine else None
        self.shift = jnp.zeros(channels, jnp.float32) if affine else None

    def __call__(
        self, x: Float[Numbers, "b h w c"], batch: Batch | None
    ) -> tuple[Float[Numbers, "b h w c"], BatchNorm]:
        """The normalized maps and the module; with a batch, its running statistics have moved towards the batch's."""
        if batch is None:
            return self._normalize(x, self.mean, self.variance), self
        exact = x.astype(jnp.float32)
        weight = batch.valid.astype(jnp.float32)[:, None, None, None]
        count = jnp.sum(weight) * (x.shape[1] * x.shape[2])
        mean = jnp.sum(exact * weight, axis=(0, 1, 2)) / count
        variance = jnp.sum(jnp.square(exact - mean) * weight, axis=(0, 1, 2)) / count
        moved = eqx.tree_at(
            lambda m: (m.mean, m.variance),
            self,
            tuple(
                jax.lax.stop_gradient(MOMENTUM * old.astype(jnp.float32) + (1 - MOMENTUM) * new)
                for old, new in ((self.mean, mean), (self.variance, variance))
            ),
        )
        return self._normalize(exact, mean, variance).astype(x.dtype), moved

    def _normalize(self, x: Numbers, mean: Numbers, variance: Numbers) -> Numbers:
        factor = jax.lax.rsqrt(variance + EPSILON)
        factor = factor if self.scale is None else factor * self.scale
        shift = -mean * factor if self.shift is None else self.shift - mean * factor
        return x * factor + shift


def local_response(x: Float[Numbers, "b h w c"]) -> Float[Numbers, "b h w c"]:
    """x_c / (1 + (0.001/9) sum of x_j^2 over the channels |j - c| <= 4)^0.75 (Krizhevsky et al. 2012, section 3.3).

    The constants are those of TensorFlow's CIFAR-10 tutorial network, which the small AlexNet of Zhang et al. 2017 follows.
    """
    squares = jnp.pad(jnp.square(x), ((0, 0), (0, 0), (0, 0), (4, 4)))
    channels = x.shape[3]
    total = functools.reduce(jnp.add, (squares[..., i : i + channels] for i in range(9)))
    size = 1 + (0.001 / 9) * total
    return x / (jnp.sqrt(size) * jnp.sqrt(jnp.sqrt(size)))
