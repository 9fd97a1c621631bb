"""`Inception`: the small Inception network of Zhang et al. 2017 (arXiv:1611.03530, appendix A)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .batch import Batch
from .layers import Convolution, max_pool
from .linear import Linear, Numbers
from .normalization import BatchNorm

STAGES: Final[tuple[tuple[int, ...], ...]] = (
    (32, 32),
    (32, 48),
    (80,),
    (112, 48),
    (96, 64),
    (80, 80),
    (48, 96),
    (96,),
    (176, 160),
    (176, 160),
)
"""Two numbers: filters of 1x1 and of 3x3. One: filters of 3x3 with stride 2, beside a pool."""


class Unit(eqx.Module):
    """Convolution with bias, batch normalization without learned scale and shift, ReLU; the normalization may be left out."""

    convolution: Convolution
    norm: BatchNorm | None

    def __init__(
        self, n_in: int, n_out: int, size: int, *, stride: int = 1, batch_norm: bool, key: PRNGKeyArray
    ) -> None:
        self.convolution = Convolution(n_in, n_out, size, stride=stride, key=key)
        self.norm = BatchNorm(n_out, affine=False) if batch_norm else None

    def __call__(self, x: Numbers, batch: Batch | None) -> tuple[Array, Unit]:
        y = self.convolution(x, batch)
        if self.norm is None:
            return jax.nn.relu(y), self
        y, norm = self.norm(y, batch)
        return jax.nn.relu(y), eqx.tree_at(lambda unit: unit.norm, self, norm)


class Beside(eqx.Module):
    """Units side by side on one input, their outputs concatenated; with `pool`, the input's max pool stands beside them."""

    units: tuple[Unit, ...]
    pool: bool = eqx.field(static=True)

    def __call__(self, x: Numbers, batch: Batch | None) -> tuple[Array, Beside]:
        outputs, units = zip(*(unit(x, batch) for unit in self.units), strict=True)
        pooled = (max_pool(x, batch),) if self.pool else ()
        return jnp.concatenate((*outputs, *pooled), axis=-1), eqx.tree_at(lambda s: s.units, self, units)


class Inception(eqx.Module):
    """A 3x3 unit with 96 filters, the `STAGES`, the mean over all positions, a dense layer; returns logits [classes].

    On 28x28x3 with ten classes it has 1,649,402 weights. Weights start as in He et al. 2015; biases start at 0.
    """

    stem: Unit
    stages: tuple[Beside, ...]
    head: Linear

    def __init__(
        self, input_shape: Sequence[int], classes: int, *, batch_norm: bool, key: PRNGKeyArray
    ) -> None:
        keys = iter(jax.random.split(key, 2 + 2 * len(STAGES)))

        def unit(n_in: int, n_out: int, size: int, stride: int = 1) -> Unit:
            return Unit(n_in, n_out, size, stride=stride, batch_norm=batch_norm, key=next(keys))

        channels = 96
        self.stem = unit(input_shape[2], channels, 3)
        stages = []
        for filters in STAGES:
            if len(filters) == 1:
                stages.append(Beside((unit(channels, filters[0], 3, 2),), pool=True))
                channels += filters[0]
            else:
                stages.append(
                    Beside((unit(channels, filters[0], 1), unit(channels, filters[1], 3)), pool=False)
                )
                channels = sum(filters)
        self.stages = tuple(stages)
        self.head = Linear(channels, classes, gain=1.0, key=next(keys))

    def __call__(self, x: Float[Numbers, "h w c"]) -> Float[Numbers, " classes"]:
        return self._forward(x[None], None)[0][0]

    def train(
        self, x: Float[Array, "b h w c"], batch: Batch
    ) -> tuple[Float[Numbers, "b classes"], Inception]:
        """Logits of a batch by its own statistics, and the network with its running statistics moved."""
        return self._forward(x, batch)

    def _forward(self, x: Numbers, batch: Batch | None) -> tuple[Numbers, Inception]:
        x, stem = self.stem(x, batch)
        stages = []
        for stage in self.stages:
            x, moved = stage(x, batch)
            stages.append(moved)
        features = jnp.mean(x, axis=(1, 2))
        features = features if batch is None else batch.drop(features, 0)
        moved = eqx.tree_at(lambda m: (m.stem, m.stages), self, (stem, tuple(stages)))
        return jax.vmap(self.head)(features), moved
