"""`Predictor`: a linear or kernel predictor as an experiment names it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import jax
import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .features import Features, Pixels, RandomRelu
from .linear_predictor import LinearPredictor
from .random_convolutional import RandomConvolutional, pooled_positions

Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class PredictorSpec(BaseModel):
    """Frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelsSpec(PredictorSpec):
    """The input itself."""

    name: Literal["pixels"]

    def dimension(self, shape: Sequence[int]) -> int:
        return math.prod(shape)

    def build(self, inputs: np.ndarray, seed: int) -> Pixels:
        return Pixels()

    def like(self, shape: Sequence[int]) -> Pixels:
        return Pixels()


class RandomReluSpec(PredictorSpec):
    """sqrt(2/count) max(0, W x), W with standard normal entries."""

    name: Literal["random-relu"]
    count: Count

    def dimension(self, shape: Sequence[int]) -> int:
        return self.count

    def build(self, inputs: np.ndarray, seed: int) -> RandomRelu:
        return RandomRelu.draw(inputs.shape[1:], self.count, seed)

    def like(self, shape: Sequence[int]) -> RandomRelu:
        return RandomRelu(_floats(self.count, math.prod(shape)))


class RandomConvolutionalSpec(PredictorSpec):
    """Random patch features of Coates and Ng (2012).

    `filters`: how many. `patch`, `threshold`, `pool`, `stride`: side of a patch, of the symmetric rectifier, side and stride of the pooling windows.
    `patches`: where filters, whitening and standardization come from: `train`, the training images, or `gaussian`, white noise
    and neither of the other two, so that nothing depends on the data.
    """

    name: Literal["random-convolutional"]
    filters: Count
    patch: Annotated[int, Field(strict=True, ge=2, le=64)] = 6
    threshold: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] = 0.25
    pool: Annotated[int, Field(strict=True, ge=1, le=1024)] = 14
    stride: Annotated[int, Field(strict=True, ge=1, le=1024)] = 13
    patches: Literal["train", "gaussian"] = "train"

    def dimension(self, shape: Sequence[int]) -> int:
        places = [pooled_positions(side, self.patch, self.pool, self.stride) for side in shape[:2]]
        return 2 * self.filters * math.prod(places)

    def build(self, inputs: np.ndarray, seed: int) -> RandomConvolutional:
        return RandomConvolutional.make(
            inputs,
            filters=self.filters,
            patch=self.patch,
            threshold=self.threshold,
            pool=self.pool,
            stride=self.stride,
            fitted=self.patches == "train",
            seed=seed,
        )

    def like(self, shape: Sequence[int]) -> RandomConvolutional:
        """A map with arrays of the right shapes, all 0."""
        d = self.dimension(shape)
        return RandomConvolutional(
            filters=_floats(self.patch**2 * shape[2], self.filters),
            offset=_floats(self.filters),
            mean=_floats(d),
            deviation=_floats(d),
            patch=self.patch,
            threshold=self.threshold,
            pool=self.pool,
            stride=self.stride,
        )


def _floats(*shape: int) -> np.ndarray:
    """Zeros that take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


FeaturesSpec = PixelsSpec | RandomReluSpec | RandomConvolutionalSpec

NamedFeatures = Annotated[
    Annotated[FeaturesSpec, Field(discriminator="name")],
    BeforeValidator(_named),
]
"""Validates from a table, or from a name alone: `features = "pixels"`."""


class LinearSpec(PredictorSpec):
    """A linear function of fixed features."""

    name: Literal["linear"]
    features: NamedFeatures


class KernelSpec(PredictorSpec):
    """sum_i alpha_i k(x_i, x) with k(x, x') = exp(-|x - x'|^2 / (2 bandwidth^2)).

    The exp(-0.02 |x - x'|^2) of Zhang et al. 2017 is bandwidth 5.
    """

    name: Literal["kernel"]
    bandwidth: Annotated[float, Field(strict=True, gt=0, le=1e9, allow_inf_nan=False)]


Predictor = Annotated[LinearSpec | KernelSpec, Field(discriminator="name")]


def title_of(spec: LinearSpec | KernelSpec) -> str:
    """The predictor in a few words."""
    match spec:
        case KernelSpec():
            return f"Gaussian kernel, bandwidth {spec.bandwidth:g}"
        case LinearSpec(features=RandomReluSpec() as features):
            return f"linear, {features.count:,} random ReLU features"
        case LinearSpec(features=RandomConvolutionalSpec() as features):
            return f"linear, {features.filters:,} random convolutional filters ({features.patches})"
        case _:
            return "linear, pixels"


def build_features(spec: FeaturesSpec, inputs: np.ndarray, seed: int) -> Features:
    """The feature map, drawn from the seed and, where the spec says so, fitted to the training inputs [n, ...]."""
    return spec.build(inputs, seed)


def linear_like(spec: FeaturesSpec, shape: Sequence[int], classes: int) -> Any:
    """A linear predictor on inputs of this shape, with the shapes and dtypes of its arrays in their place."""
    weight = np.broadcast_to(np.float64(0), (classes, spec.dimension(shape)))
    predictor = LinearPredictor(features=spec.like(shape), weight=weight)
    return jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), predictor)
