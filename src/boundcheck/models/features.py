"""Feature maps: fixed functions of one input, before a linear predictor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..interval import Interval
from ..network.spectral import spectral_norm
from .linear import Numbers

BLOCK = 4096
"""Inputs whose features are computed at a time."""


class Features(eqx.Module):
    """A map of one input to [d]. What is random or fitted is held in arrays, so that it is stored with the predictor."""

    def __call__(self, x: Float[Numbers, ...]) -> Float[Numbers, " d"]:
        raise NotImplementedError

    def batch(self, inputs: np.ndarray, block: int = BLOCK) -> Float[Array, "b d"]:
        """The features of a batch [b, ...] of inputs, float64, `block` inputs at a time; to be called with 64-bit numbers enabled."""
        return jnp.concatenate(
            [_each(self, jnp.asarray(inputs[i : i + block])) for i in range(0, len(inputs), block)]
        )

    def largest_norm(self, inputs: Interval) -> Interval | None:
        """The largest l2 norm that features can have where inputs have norm at most `inputs`; None where none is known."""
        return None


@eqx.filter_jit
def _each(features: Features, x: Array) -> Array:
    return jnp.asarray(jax.vmap(features)(x.astype(jnp.float64)))


class Pixels(Features):
    """The input itself, flattened."""

    def __call__(self, x: Float[Numbers, ...]) -> Float[Numbers, " d"]:
        return x.reshape(-1)

    def largest_norm(self, inputs: Interval) -> Interval | None:
        return inputs


class RandomRelu(Features):
    """sqrt(2/count) max(0, W x): arc-cosine features of order one (Cho and Saul 2009), |phi(x)|^2 about |x|^2.

    `weight`: float32 [count, in], sqrt(2/count) times standard normal entries. The scale of a row passes through max(0, .), so it
    stands in the weights.
    """

    weight: Float[Numbers, "count in"]

    @classmethod
    def draw(cls, input_shape: Sequence[int], count: int, seed: int) -> RandomRelu:
        generator = np.random.Generator(np.random.Philox(key=[seed, 0x52654C55]))
        entries = generator.standard_normal((count, math.prod(input_shape)))
        return cls((entries * math.sqrt(2 / count)).astype(np.float32))

    def __call__(self, x: Float[Numbers, ...]) -> Float[Numbers, " d"]:
        return jax.nn.relu(self.weight @ x.reshape(-1))

    def largest_norm(self, inputs: Interval) -> Interval | None:
        # |max(0, W x)| <= |W| |x|, in the spectral norm; what float64 adds is far below 2^-20.
        bound = spectral_norm(np.asarray(self.weight, np.float64)) * inputs * (1 + Interval(2) ** -20)
        return Interval(0, bound.hi)
