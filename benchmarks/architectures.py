"""The image classifiers that the benchmarks measure, in Flax Linen, on one example without a batch axis.

`inception()` and `resnet18()` return `(f, params, example)`: He-Gaussian kernels, and batch normalization with
statistics that a trained network could have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

Model = tuple[Callable[[Any, Any], Any], Any, np.ndarray]

_HE = nn.initializers.he_normal()


class ConvModule(nn.Module):
    """Convolution with bias, batch normalization without scale and shift, ReLU."""

    channels: int
    side: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """A map [h, w, c]."""
        x = nn.Conv(self.channels, (self.side,) * 2, self.stride, kernel_init=_HE)(x)
        return nn.relu(nn.BatchNorm(use_running_average=True, use_scale=False, use_bias=False)(x))


class Inception(nn.Module):
    """The small Inception network of Zhang et al. 2017 (arXiv:1611.03530, appendix A) on 28x28x3."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """Logits [10]."""

        def block(x: Any, a: int, b: int) -> Any:
            return jnp.concatenate([ConvModule(a, 1)(x), ConvModule(b, 3)(x)], axis=-1)

        def down(x: Any, c: int) -> Any:
            pooled = nn.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
            return jnp.concatenate([ConvModule(c, 3, 2)(x), pooled], axis=-1)

        x = ConvModule(96, 3)(x)
        x = down(block(block(x, 32, 32), 32, 48), 80)
        for a, b in ((112, 48), (96, 64), (80, 80), (48, 96)):
            x = block(x, a, b)
        x = block(block(down(x, 96), 176, 160), 176, 160)
        return nn.Dense(10)(x.mean((0, 1)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside an identity, or beside a 1x1 convolution where the shape changes."""

    channels: int
    stride: int

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """A map [h, w, c]."""

        def conv(x: Any, side: int, stride: int) -> Any:
            x = nn.Conv(self.channels, (side,) * 2, stride, use_bias=False, kernel_init=_HE)(x)
            return nn.BatchNorm(use_running_average=True)(x)

        y = conv(nn.relu(conv(x, 3, self.stride)), 3, 1)
        return nn.relu(y + (x if y.shape == x.shape else conv(x, 1, self.stride)))


class ResNet18(nn.Module):
    """The residual network of He et al. 2016 with 18 layers, its stem as on 32x32 images."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        """Logits [10]."""
        x = nn.Conv(64, (3, 3), use_bias=False, kernel_init=_HE)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=True)(x))
        for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            x = BasicBlock(channels, 1)(BasicBlock(channels, stride)(x))
        return nn.Dense(10)(x.mean((0, 1)))


def inception(seed: int = 0) -> Model:
    """The small Inception network: 1,649,402 trained parameters."""
    return _made(Inception(), (28, 28, 3), seed)


def resnet18(seed: int = 0) -> Model:
    """A ResNet-18 on 32x32x3."""
    return _made(ResNet18(), (32, 32, 3), seed)


def _made(module: nn.Module, shape: tuple[int, ...], seed: int) -> Model:
    example = np.zeros(shape, np.float32)
    variables = dict(jax.jit(module.init)(jax.random.key(seed), example))
    rng = np.random.default_rng(seed)

    def statistics(path: Any, leaf: Any) -> Any:
        noise = rng.normal(size=leaf.shape).astype(np.float32)
        return 0.1 * noise if path[-1].key == "mean" else np.exp(0.2 * noise)

    variables["batch_stats"] = jax.tree_util.tree_map_with_path(statistics, variables["batch_stats"])
    return module.apply, variables, example
