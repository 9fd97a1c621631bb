"""`MLP`: the multilayer perceptron with ReLU."""

from __future__ import annotations

import math
from collections.abc import Sequence

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .batch import Batch
from .linear import Linear, Numbers


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

    def train(self, x: Float[Array, "b ..."], batch: Batch) -> tuple[Float[Numbers, "b classes"], MLP]:
        """Logits of a batch with dropout after each hidden layer; and the network, which learned nothing here."""

        x = x.reshape(len(x), -1)
        for place, layer in enumerate(self.layers[:-1]):
            x = batch.drop(jax.nn.relu(jax.vmap(layer)(x)), place)
        return jax.vmap(self.layers[-1])(x), self
