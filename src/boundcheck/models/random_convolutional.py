"""`RandomConvolutional`: random patch features. Source: Coates, Lee and Ng 2011; Coates and Ng 2012."""

from __future__ import annotations

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import DataError
from ..interval import Interval
from ..network.spectral import spectral_norm
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

_WIDTH = 256
"""Filters that are applied at a time."""

_RESPONSES = 5 * 2**19
"""Bytes of responses held at a time: what a processor's cache holds."""

_LEFT_OUT = float(np.finfo(np.float32).max)
"""What a feature that is constant on the training set is divided by."""


class RandomConvolutional(Features):
    """Contrast-normalized, whitened patches against random filters, rectified both ways, sum-pooled, standardized.

    Of an input [h, w, c], 1 standing for the pixel value 255: every patch p x p less its mean, over sqrt(variance + 10); z = F W (patch - m), W the
    whitening, F filters of unit norm; max(0, z - a) and max(0, -z - a), summed over pooling windows; (. - mean)/deviation, which gives a feature of
    the training set mean and deviation 1, over sqrt(2 d), so that |phi(x)|^2 is about 1. Everything is computed in float64 from the stored arrays.

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
            found = _sampled(inputs, patch, PATCHES, generator)
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
        mean, deviation = _moments(plain, inputs)
        constant = deviation <= 1e-9 * np.maximum(np.abs(mean), 1)
        scale = np.where(constant, _LEFT_OUT, np.minimum(deviation * np.sqrt(2 * count), _LEFT_OUT))
        # To mean 1: with mean 0 the Gram matrix of the training set has the kernel of a sum, and no constant could be fitted.
        centre = mean - np.where(constant, 0.0, deviation)
        return eqx.tree_at(
            lambda m: (m.mean, m.deviation), plain, (centre.astype(np.float32), scale.astype(np.float32))
        )

    def __call__(self, x: Float[Numbers, "h w c"]) -> Float[Numbers, " d"]:
        rows = _normalized(jnp.asarray(x, float)[None], self.patch)
        sums = self._pooled(rows, jnp.asarray(self.filters, float), jnp.asarray(self.offset, float))
        return self._standardized(sums.reshape(1, -1))[0]

    def batch(self, inputs: np.ndarray, block: int = 256) -> Float[Array, "b d"]:
        """The features of a batch, `block` inputs at a time; within one, few enough responses for a cache."""
        return jnp.concatenate(list(self.blocks(inputs, block)))

    def blocks(self, inputs: np.ndarray, block: int) -> Iterator[Float[Array, "b d"]]:
        """The features of one block after the other."""
        for start in range(0, len(inputs), block):
            part = inputs[start : start + block]
            missing = min(block, len(inputs)) - len(part)
            # The last block is filled up, so that nothing is compiled again.
            filled = np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)])
            yield _maps(self, jnp.asarray(filled))[: len(part)]

    def largest_norm(self, inputs: Interval) -> Interval | None:
        """One number for every image, whatever its norm; None where features are standardized.

        A patch of s numbers has norm at most sqrt(s) once its contrast is normalized, so its responses z have norm at most r = |F| sqrt(s) + |F W m|.
        The two rectified sums of a filter over a window of A patches have squares that add up to at most (sum |z_f|)^2 <= A sum z_f^2;
        over the filters that is at most (A r)^2 a window.
        """
        deviation = np.asarray(self.deviation, np.float64)
        if np.asarray(self.mean).any() or (deviation != deviation[0]).any():
            return None
        filters, offset = np.asarray(self.filters, np.float64), np.asarray(self.offset, np.float64)
        windows = len(deviation) // (2 * filters.shape[1])
        shift = Interval(float(np.linalg.norm(offset))) * (1 + Interval(2) ** -20)
        response = spectral_norm(filters) * Interval(len(filters)).sqrt() + shift
        # What is computed in float64 exceeds the real value by far less than 2^-20.
        bound = Interval(windows).sqrt() * self.pool**2 * response / Interval(float(deviation[0]))
        return Interval(0, (bound * (1 + Interval(2) ** -20)).hi)

    def _pooled(
        self, rows: Float[Array, "b i j s"], filters: Float[Array, "s f"], offset: Float[Array, " f"]
    ) -> Float[Array, "b m n 2 f"]:
        """Responses, rectified both ways, summed over each window."""
        b, height, width, size = rows.shape
        z = (rows.reshape(-1, size) @ filters - offset).reshape(b, height, width, -1)
        sums = []
        for top in _starts(height, self.pool, self.stride):
            for left in _starts(width, self.pool, self.stride):
                # Slices: a general reduction over windows takes several times as long on a CPU.
                window = z[:, top : top + self.pool, left : left + self.pool]
                up = jax.nn.relu(window - self.threshold).sum(axis=(1, 2))
                down = jax.nn.relu(-window - self.threshold).sum(axis=(1, 2))
                sums.append(jnp.stack([up, down], axis=1))
        shape = (len(_starts(height, self.pool, self.stride)), len(_starts(width, self.pool, self.stride)))
        return jnp.stack(sums, axis=1).reshape(b, *shape, 2, filters.shape[1])

    def _standardized(self, sums: Float[Array, "b d"]) -> Float[Array, "b d"]:
        return (sums - jnp.asarray(self.mean)) / jnp.asarray(self.deviation)


@eqx.filter_jit
def _maps(features: RandomConvolutional, x: Float[Array, "b h w c"]) -> Float[Array, "b d"]:
    p = features.patch
    size, count = features.filters.shape
    width = min(_WIDTH, count)
    groups = -(-count // width)
    spare = groups * width - count
    filters = jnp.pad(jnp.asarray(features.filters, float), ((0, 0), (0, spare)))
    filters = filters.reshape(size, groups, width).swapaxes(0, 1)
    offset = jnp.pad(jnp.asarray(features.offset, float), (0, spare)).reshape(groups, width)
    positions = (x.shape[1] - p + 1) * (x.shape[2] - p + 1)

    def image(x: Float[Array, "h w c"]) -> Float[Array, " d"]:
        rows = _normalized(x[None].astype(float), p)
        sums = jax.lax.map(lambda part: features._pooled(rows, *part)[0], (filters, offset))
        # [groups, m, n, 2, width] to [m n 2, filters]
        return jnp.moveaxis(sums, 0, 3).reshape(-1, groups * width)[:, :count].reshape(-1)

    together = max(1, _RESPONSES // (8 * positions * width))
    return features._standardized(jax.lax.map(image, x, batch_size=min(together, len(x))))


def _normalized(x: Float[Array, "b h w c"], p: int) -> Float[Array, "b i j s"]:
    """Every patch less its mean, over the root of its variance and `CONTRAST`."""
    rows = _windows(x * PIXEL, p)
    rows = rows - rows.mean(axis=-1, keepdims=True)
    return rows / jnp.sqrt(jnp.square(rows).mean(axis=-1, keepdims=True) + CONTRAST)


def _moments(features: RandomConvolutional, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every feature, block by block (Chan, Golub and LeVeque 1983)."""
    seen, mean, squares = 0, np.zeros(len(features.mean)), np.zeros(len(features.mean))
    with jax.enable_x64(True):
        for block in features.blocks(inputs, 256):
            part = np.asarray(block)
            middle, count = part.mean(axis=0), len(part)
            apart = middle - mean
            mean = mean + apart * (count / (seen + count))
            within = np.square(part - middle).sum(axis=0)
            squares += within + np.square(apart) * (seen * count / (seen + count))
            seen += count
    return mean, np.sqrt(squares / seen)


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
    rows = rows.astype(np.float64) * PIXEL
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.sqrt(np.square(rows).mean(axis=1, keepdims=True) + CONTRAST)


def _starts(across: int, pool: int, stride: int) -> range:
    """Where the pooling windows on `across` responses begin; at least one, of what there is."""
    return range(0, across - min(pool, across) + 1, stride)


def pooled_positions(size: int, patch: int, pool: int, stride: int) -> int:
    """Pooling windows along an axis of `size` pixels. Raises `DataError` where no patch fits."""
    if size < patch:
        raise DataError(
            f"a side of {size} pixels holds no patch of {patch}. Give a smaller `patch`, or larger images."
        )
    return len(_starts(size - patch + 1, pool, stride))


def _pooled(shape: tuple[int, ...], patch: int, pool: int, stride: int) -> int:
    return pooled_positions(shape[0], patch, pool, stride) * pooled_positions(shape[1], patch, pool, stride)
