"""The laws of the pixels: true, shuffled, random, Gaussian (Zhang et al. 2017, arXiv:1611.03530, section 2).

What is moved is the position of a pixel; the channels at a position stay together.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from jaxtyping import Float64, UInt8

from .streams import permutation, words

LAWS: Final = ("true", "shuffled", "random", "gaussian")
_BLOCK: Final = 1024
"""Images that are drawn at once."""


def shuffled(images: UInt8[np.ndarray, "n h w c"], *, seed: int, stream: int) -> UInt8[np.ndarray, "n h w c"]:
    """One permutation of the positions, the same for every image."""
    n, height, width, channels = images.shape
    order = permutation(height * width, seed=seed, stream=stream)
    return images.reshape(n, -1, channels)[:, order].reshape(images.shape)


def permuted_each(
    images: UInt8[np.ndarray, "n h w c"], *, seed: int, stream: int
) -> UInt8[np.ndarray, "n h w c"]:
    """A permutation of the positions for each image, all independent and uniform."""
    n, height, width, channels = images.shape
    size = height * width
    keys = words(n * size, seed=seed, stream=stream).reshape(n, size)
    result = np.empty((n, size, channels), np.uint8)
    for start in range(0, n, _BLOCK):
        order = np.argsort(keys[start : start + _BLOCK], axis=1, kind="stable")
        rows = images[start : start + _BLOCK].reshape(len(order), size, channels)
        result[start : start + _BLOCK] = np.take_along_axis(rows, order[:, :, None], axis=1)
    return result.reshape(images.shape)


def gaussian(
    like: UInt8[np.ndarray, "m h w c"], n: int, *, brightest: int, seed: int, stream: int
) -> UInt8[np.ndarray, "n h w c"]:
    """n images of independent normal pixels with the mean and variance of the channel in `like`, rounded to the pixel values
    0..brightest.

    Drawn by inverting the distribution function at 32 random bits, so what is drawn is the same on every machine.
    """
    _, height, width, channels = like.shape
    size = height * width
    flat = like.reshape(-1, channels)
    result = np.empty((n, size, channels), np.uint8)
    for channel in range(channels):
        counts = np.bincount(flat[:, channel], minlength=256).astype(np.float64)
        mean = float(counts @ np.arange(256) / counts.sum())
        deviation = math.sqrt(float(counts @ (np.arange(256) - mean) ** 2 / counts.sum()))
        edges = np.floor(_below(mean, deviation, brightest) * 2.0**32).astype(np.int64)
        bits = words(-(-n * size // 2), seed=seed, stream=stream + channel).view(np.uint32)[: n * size]
        drawn = np.searchsorted(edges, bits.astype(np.int64), side="right").astype(np.uint8)
        result[:, :, channel] = drawn.reshape(n, size)
    return result.reshape(n, height, width, channels)


def _below(mean: float, deviation: float, brightest: int) -> Float64[np.ndarray, " b"]:
    """The probabilities that a rounded normal number is at most 0, 1, ..., brightest - 1."""
    if deviation == 0:
        return (np.arange(brightest) >= round(mean)).astype(np.float64)
    return np.array(
        [0.5 * math.erfc((mean - (k + 0.5)) / (deviation * math.sqrt(2))) for k in range(brightest)]
    )
