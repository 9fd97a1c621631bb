"""Two image classifiers at full size, untrained: what a bound needs, at the cost of a real network.

    f, params, example = inception(seed=0)
    network = boundcheck.network.trace(f, params, example)

Each function returns `f(params, x)` for one image, its parameters in float32, and an example image. The weights are drawn as
He et al. (2015) initialize them; the statistics of every batch normalization, and its scale and shift where it has
them, are drawn as training might leave them, so that nothing folds into the identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

Classifier = tuple[Callable[[Any, jax.Array], jax.Array], Any, np.ndarray]

INCEPTION_PARAMETERS = 1_649_402
"""Trainable parameters of the small Inception network, as Zhang et al. (2017, table 1) count them."""


def inception(seed: int = 0) -> Classifier:
    """The small Inception network of Zhang, Bengio, Hardt, Recht and Vinyals (2017, ICLR, figure 3), for 28x28x3."""
    return _drawn(Inception(), (28, 28, 3), seed)


def resnet18(seed: int = 0) -> Classifier:
    """ResNet-18 of He, Zhang, Ren and Sun (2016, CVPR), with the 3x3 stem that is usual for 32x32x3."""
    return _drawn(ResNet18(), (32, 32, 3), seed)


def trainable(params: Any) -> int:
    """How many numbers are trained: the statistics of the normalizations are not."""
    return sum(leaf.size for leaf in jax.tree.leaves(params["params"]))


class Module(nn.Module):
    """Convolution with bias, normalization without scale and shift, ReLU."""

    filters: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(self.filters, (self.size, self.size), self.stride)(x)
        return nn.relu(nn.BatchNorm(use_running_average=True, use_scale=False, use_bias=False)(x))


class Block(nn.Module):
    """A 1x1 module beside a 3x3 module."""

    narrow: int
    wide: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return jnp.concatenate([Module(self.narrow, 1)(x), Module(self.wide, 3)(x)], axis=-1)


class Down(nn.Module):
    """A 3x3 module of stride 2 beside a 3x3 max pool of stride 2."""

    filters: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        pool = nn.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
        return jnp.concatenate([Module(self.filters, 3, 2)(x), pool], axis=-1)


class Inception(nn.Module):
    """28x28, 14x14 and 7x7 maps; 10 logits of the mean of every channel."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Module(96, 3)(x)
        x = Block(32, 48)(Block(32, 32)(x))
        x = Down(80)(x)
        for narrow, wide in ((112, 48), (96, 64), (80, 80), (48, 96)):
            x = Block(narrow, wide)(x)
        x = Down(96)(x)
        x = Block(176, 160)(Block(176, 160)(x))
        return nn.Dense(10)(x.mean(axis=(0, 1)))


class Basic(nn.Module):
    """Two normalized 3x3 convolutions, added to their input, which a 1x1 convolution brings to the shape."""

    filters: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = nn.Conv(self.filters, (3, 3), self.stride, use_bias=False)(x)
        y = nn.relu(nn.BatchNorm(use_running_average=True)(y))
        y = nn.Conv(self.filters, (3, 3), use_bias=False)(y)
        y = nn.BatchNorm(use_running_average=True)(y)
        if x.shape != y.shape:
            x = nn.Conv(self.filters, (1, 1), self.stride, use_bias=False)(x)
            x = nn.BatchNorm(use_running_average=True)(x)
        return nn.relu(x + y)


class ResNet18(nn.Module):
    """Four stages of two blocks on 32x32 to 4x4 maps; 10 logits of the mean of every channel."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Conv(64, (3, 3), use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=True)(x))
        for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            x = Basic(filters, 1)(Basic(filters, stride)(x))
        return nn.Dense(10)(x.mean(axis=(0, 1)))


def _drawn(model: nn.Module, shape: tuple[int, ...], seed: int) -> Classifier:
    """The model with parameters drawn leaf by leaf, in the order of their paths."""
    rng = np.random.default_rng(seed)
    example = rng.normal(size=shape).astype(np.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, np.float32))

    def draw(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> jax.Array:
        match path[-1].key:
            case "kernel":
                values = rng.normal(size=leaf.shape) * (2 / np.prod(leaf.shape[:-1])) ** 0.5
            case "var" | "scale":
                values = rng.uniform(0.5, 1.5, leaf.shape)
            case "mean" | "bias":
                values = rng.normal(size=leaf.shape) * 0.1
            case other:
                raise AssertionError(other)
        return jnp.asarray(values, leaf.dtype)

    return model.apply, jax.tree_util.tree_map_with_path(draw, shapes), example
