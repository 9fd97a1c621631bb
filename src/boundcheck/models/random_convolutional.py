"""`RandomConvolutional`: random patch features. Source: Coates, Lee and Ng 2011; Coates and Ng 2012."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .features import Features
from .linear import Numbers

PATCHES = 100_000
"""Patches that the whitening is estimated from."""

EPSILON = 1e-5
"""Added to the eigenvalues of the covariance of the patches, as in the public pipelines."""

CONTRAST = 10.0
"""Added to the variance of a patch of pixels 0..255."""

PIXEL = 255.0
"""Pixel value of an input of 1."""

_MEMORY = 2**28
"""Bytes of responses held at a time."""


class RandomConvolutional(Features):
    """Contrast-normalized, whitened patches against random filters, rectified both ways, sum-pooled, standardized.

    Of an input [h, w, c], 1 standing for the pixel value 255: every patch p x p less its mean, over sqrt(variance + 10); z = F W (patch - m), W the
    whitening, F filters of unit norm; max(0, z - a) and max(0, -z - a), summed over pooling windows; (. - mean)/deviation, the deviations being sqrt(d) times those of
    the training set, so that |phi(x)|^2 is about 1.

    `filters`: float32 [p p c, f], W^T F^T. `offset`: float32 [f], F W m. `mean`, `deviation`: float32 [d].
    """

    filters: Float[Numbers, "in f"]
    offset: Float[Numbers, " f"]
    mean: Float[Numbers, " d"]
    deviation: Float[Numbers, " d"]
    patch: int = eqx.field(static=True)
    threshold: float = eqx.field(static=True)
    pool: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)

    @classmethod
    def make(
        cls,
        inputs: np.ndarray,
        *,
        filters: int,
        patch: int,
        threshold: float,
        pool: int,
        stride: int,
        fitted: bool,
        seed: int,
    ) -> RandomConvolutional:
        """**Arguments.** `inputs`: training inputs [n, h, w, c]. `fitted`: whether patches, whitening and standardization come from them; else filters are white noise, and
        there is neither of the other two.
        """
        generator = np.random.Generator(np.random.Philox(key=[seed, 0x436F6E76]))
        size = patch * patch * inputs.shape[3]
        if fitted:
            found = _sampled(inputs * np.float32(PIXEL), patch, PATCHES, generator)
            centre = found.mean(axis=0)
            values, vectors = np.linalg.eigh(np.cov(found - centre, rowvar=False))
            whitening = (vectors / np.sqrt(np.maximum(values, 0) + EPSILON)) @ vectors.T
            chosen = generator.choice(len(found), filters, replace=len(found) < filters)
            rows = (found[chosen] - centre) @ whitening
        else:
            centre, whitening = np.zeros(size), np.eye(size)
            rows = generator.standard_normal((filters, size))
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        combined = whitening @ rows.T
        shape = inputs.shape[1:]
        count = 2 * filters * _pooled(shape, patch, pool, stride)
        plain = cls(
            filters=combined.astype(np.float32),
            offset=(centre @ combined).astype(np.float32),
            mean=np.zeros(count, np.float32),
            deviation=np.ones(count, np.float32),
            patch=patch,
            threshold=threshold,
            pool=pool,
            stride=stride,
        )
        if not fitted:
            # One number for all features, of the order of what a pooled response can be.
            area = np.float32(pool * pool * np.sqrt(count))
            return eqx.tree_at(lambda m: m.deviation, plain, np.full(count, area, np.float32))
        features = np.asarray(plain.batch(inputs))
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        return eqx.tree_at(
            lambda m: (m.mean, m.deviation),
            plain,
            (mean.astype(np.float32), (np.maximum(deviation, 1e-6) * np.sqrt(count)).astype(np.float32)),
        )

    def __call__(self, x: Float[Numbers, ...]) -> Float[Numbers, " d"]:
        return self._maps(jnp.asarray(x)[None])[0]

    def batch(self, inputs: np.ndarray) -> Float[Array, "b d"]:
        positions = (inputs.shape[1] - self.patch + 1) * (inputs.shape[2] - self.patch + 1)
        step = max(1, _MEMORY // (16 * positions * self.filters.shape[1]))
        parts = [_maps(self, jnp.asarray(inputs[i : i + step])) for i in range(0, len(inputs), step)]
        return jnp.concatenate(parts).astype(jnp.float64)

    def _maps(self, x: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
        """In the precision of the input: float32, as the filters are."""
        p = self.patch
        rows = _windows(x * jnp.asarray(PIXEL, x.dtype), p)
        rows = rows - rows.mean(axis=-1, keepdims=True)
        rows = rows / jnp.sqrt(jnp.square(rows).mean(axis=-1, keepdims=True) + CONTRAST)
        z = rows @ self.filters - self.offset
        both = jnp.concatenate([jax.nn.relu(z - self.threshold), jax.nn.relu(-z - self.threshold)], axis=-1)
        window = (1, min(self.pool, both.shape[1]), min(self.pool, both.shape[2]), 1)
        sums = jax.lax.reduce_window(
            both, jnp.zeros((), both.dtype), jax.lax.add, window, (1, self.stride, self.stride, 1), "VALID"
        )
        return (sums.reshape(len(x), -1) - self.mean) / self.deviation


@eqx.filter_jit
def _maps(features: RandomConvolutional, x: Array) -> Array:
    return features._maps(x)


def _windows(x: Float[Array, "b h w c"], p: int) -> Float[Array, "b i j s"]:
    """Every patch, flattened as rows, columns, channels."""
    height, width = x.shape[1] - p + 1, x.shape[2] - p + 1
    parts = [x[:, i : i + height, j : j + width] for i in range(p) for j in range(p)]
    return jnp.concatenate(parts, axis=-1)


def _sampled(
    inputs: Float[np.ndarray, "n h w c"], p: int, count: int, generator: np.random.Generator
) -> Float[np.ndarray, "m s"]:
    """Contrast-normalized patches at random places, float64."""
    n, height, width, _ = inputs.shape
    image = generator.integers(0, n, count)
    top = generator.integers(0, height - p + 1, count)
    left = generator.integers(0, width - p + 1, count)
    rows = np.stack(
        [inputs[i, t : t + p, s : s + p].reshape(-1) for i, t, s in zip(image, top, left, strict=True)]
    )
    rows = rows.astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.sqrt(np.square(rows).mean(axis=1, keepdims=True) + CONTRAST)


def pooled_positions(size: int, patch: int, pool: int, stride: int) -> int:
    """Pooling windows along an axis of `size` pixels; at least one, of what there is."""
    across = size - patch + 1
    return (across - min(pool, across)) // stride + 1


def _pooled(shape: tuple[int, ...], patch: int, pool: int, stride: int) -> int:
    return pooled_positions(shape[0], patch, pool, stride) * pooled_positions(shape[1], patch, pool, stride)
