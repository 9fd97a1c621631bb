"""`LinearPredictor`: a linear function of fixed features."""

from __future__ import annotations

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Float64

from .features import Features
from .linear import Numbers


class LinearPredictor(eqx.Module):
    """x -> W phi(x), logits [k]; `weight` is float64 [k, d]."""

    features: Features
    weight: Float64[Array | np.ndarray, "k d"]

    def __call__(self, x: Float[Numbers, ...]) -> Float[Numbers, " k"]:
        return self.weight @ self.features(x)
