"""`AlexNet`: the small AlexNet of Zhang et al. 2017 (arXiv:1611.03530, appendix A)."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .batch import Batch
from .layers import Convolution, max_pool
from .linear import Linear, Numbers
from .normalization import local_response


class AlexNet(eqx.Module):
    """Twice: 5x5 convolution with 64 filters, ReLU, max pool, local response normalization; then dense layers with 384,
    192 and `classes` units, ReLU between them. Returns logits [classes].

    On 28x28x3 with ten classes it has 1,387,786 weights. Weights start as in He et al. 2015; biases start at 0.
    """

    convolutions: tuple[Convolution, ...]
    dense: tuple[Linear, ...]

    def __init__(self, input_shape: Sequence[int], classes: int, *, key: PRNGKeyArray) -> None:
        height, width, channels = input_shape
        keys = jax.random.split(key, 5)
        self.convolutions = (
            Convolution(channels, 64, 5, key=keys[0]),
            Convolution(64, 64, 5, key=keys[1]),
        )
        positions = -(-height // 4) * -(-width // 4)
        widths = (64 * positions, 384, 192, classes)
        self.dense = tuple(
            Linear(n_in, n_out, gain=gain, key=k)
            for n_in, n_out, gain, k in zip(widths[:-1], widths[1:], (2.0, 2.0, 1.0), keys[2:], strict=True)
        )

    def __call__(self, x: Float[Numbers, "h w c"]) -> Float[Numbers, " classes"]:
        return self._forward(x[None], None)[0]

    def train(self, x: Float[Array, "b h w c"], batch: Batch) -> tuple[Float[Numbers, "b classes"], AlexNet]:
        """Logits of a batch with dropout after each hidden dense layer; and the network, which learned nothing here."""
        return self._forward(x, batch), self

    def _forward(self, x: Numbers, batch: Batch | None) -> Numbers:
        for convolution in self.convolutions:
            x = local_response(max_pool(jax.nn.relu(convolution(x, batch)), batch))
        x = x.reshape(len(x), -1)
        for place, layer in enumerate(self.dense[:-1]):
            x = jax.nn.relu(jax.vmap(layer)(x))
            x = x if batch is None else batch.drop(x, place)
        return jax.vmap(self.dense[-1])(x)
