"""`Batch`: what a network may use while it trains on a batch, and not when it predicts."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray


class Batch(NamedTuple):
    """`valid`: which examples count, bool [b]; the others fill up the last batch of an epoch. `dropout`: the probability
    that a hidden unit is left out. `key`: for the choice of those units.
    """

    valid: Bool[Array, " b"]
    dropout: float
    key: PRNGKeyArray

    def drop(self, x: Float[Array, "b d"], layer: int) -> Float[Array, "b d"]:
        """Each entry 0 with the probability of dropout, else divided by its complement (Srivastava et al. 2014).

        `layer` tells the draws of one layer from those of another.
        """
        if self.dropout == 0:
            return x
        kept = jax.random.bernoulli(jax.random.fold_in(self.key, layer), 1 - self.dropout, x.shape)
        return jnp.where(kept, x / (1 - self.dropout), 0)
