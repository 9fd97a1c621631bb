"""`WideResNet`: the wide residual networks of Zagoruyko and Komodakis 2016 (arXiv:1605.07146, table 1)."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from .batch import Batch
from .layers import Convolution
from .linear import Linear, Numbers
from .normalization import BatchNorm


class Block(eqx.Module):
    """Twice: batch normalization, ReLU, 3x3 convolution; added to the input, which a 1x1 convolution brings to the shape."""

    norms: tuple[BatchNorm, BatchNorm]
    convolutions: tuple[Convolution, Convolution]
    shortcut: Convolution | None

    def __init__(self, n_in: int, n_out: int, stride: int, key: PRNGKeyArray) -> None:
        first, second, third = jax.random.split(key, 3)
        self.norms = (BatchNorm(n_in, affine=True), BatchNorm(n_out, affine=True))
        self.convolutions = (
            Convolution(n_in, n_out, 3, stride=stride, bias=False, key=first),
            Convolution(n_out, n_out, 3, bias=False, key=second),
        )
        self.shortcut = (
            None
            if n_in == n_out and stride == 1
            else Convolution(n_in, n_out, 1, stride=stride, bias=False, key=third)
        )

    def __call__(self, x: Numbers, batch: Batch | None) -> tuple[Array, Block]:
        normal, one = self.norms[0](x, batch)
        active = jax.nn.relu(normal)
        y, two = self.norms[1](self.convolutions[0](active, batch), batch)
        y = self.convolutions[1](jax.nn.relu(y), batch)
        # Where the shape changes, the shortcut too reads the normalized input, as in the authors' code.
        skip = x if self.shortcut is None else self.shortcut(active, batch)
        return y + skip, eqx.tree_at(lambda block: block.norms, self, (one, two))


class WideResNet(eqx.Module):
    """A 3x3 convolution with 16 filters; three stages of (depth - 4)/6 blocks with 16, 32, 64 times `widen` filters, the later
    two begun with stride 2; batch normalization, ReLU, the mean over all positions, a dense layer. Returns logits [classes].

    Weights start as in He et al. 2015; biases start at 0, scales at 1.
    """

    stem: Convolution
    blocks: tuple[Block, ...]
    norm: BatchNorm
    head: Linear

    def __init__(
        self, input_shape: Sequence[int], classes: int, *, depth: int, widen: int, key: PRNGKeyArray
    ) -> None:
        if depth % 6 != 4 or depth < 10:
            raise ValueError(f"a wide residual network has depth 6 k + 4, k >= 1; not {depth}")
        each = (depth - 4) // 6
        keys = iter(jax.random.split(key, 2 + 3 * each))
        self.stem = Convolution(input_shape[2], 16, 3, bias=False, key=next(keys))
        channels, blocks = 16, []
        for filters, stride in ((16, 1), (32, 2), (64, 2)):
            for place in range(each):
                blocks.append(Block(channels, filters * widen, stride if place == 0 else 1, next(keys)))
                channels = filters * widen
        self.blocks = tuple(blocks)
        self.norm = BatchNorm(channels, affine=True)
        self.head = Linear(channels, classes, gain=1.0, key=next(keys))

    def __call__(self, x: Float[Numbers, "h w c"]) -> Float[Numbers, " classes"]:
        return self._forward(x[None], None)[0][0]

    def train(
        self, x: Float[Array, "b h w c"], batch: Batch
    ) -> tuple[Float[Numbers, "b classes"], WideResNet]:
        """Logits of a batch by its own statistics, and the network with its running statistics moved."""
        return self._forward(x, batch)

    def _forward(self, x: Numbers, batch: Batch | None) -> tuple[Numbers, WideResNet]:
        y = self.stem(x, batch)
        blocks = []
        for block in self.blocks:
            y, moved = block(y, batch)
            blocks.append(moved)
        y, norm = self.norm(y, batch)
        features = jnp.mean(jax.nn.relu(y), axis=(1, 2))
        features = features if batch is None else batch.drop(features, 0)
        moved = eqx.tree_at(lambda m: (m.blocks, m.norm), self, (tuple(blocks), norm))
        return jax.vmap(self.head)(features), moved
