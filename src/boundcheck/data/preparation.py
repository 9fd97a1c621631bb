"""The fixed maps from stored images to network inputs.

Each is written once, for NumPy and for JAX. What NumPy computes in float32 *is* the network's input, the one
that quantities are measured at; training computes the same formula on the device. Sums are taken over
integers, so they are exact whatever the order of summation, and the input depends on neither the machine nor
the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from ..errors import DataError, UnknownNameError
from ..interval import Interval

_CROP: Final = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A map of uint8 [n, h, w, c] to float32 [n, h', w', c], and the shapes it takes.

    `crop`: the side of the central square that is all it reads, None for the whole image. `accepts` says, given the shape of one image, why it cannot be prepared; the empty string when it can. `largest_norm`:
    given that shape and the largest pixel value, a bound on the l2 norm of every input that can come out, rounding
    included.
    """

    name: str
    title: str
    apply: Callable[[Any, Any], Any]
    crop: int | None = None
    accepts: Callable[[tuple[int, ...]], str]
    largest_norm: Callable[[tuple[int, ...], int], Interval]

    def read(self, images: Any) -> Any:
        """The part of each image [n, h, w, c] that `apply` reads; applied to that part alone it gives the same."""
        return images if self.crop is None else _centre(images, self.crop)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises `DataError` unless images of this shape can be prepared."""
        if reason := self.accepts(shape):
            raise DataError(f"images of shape {list(shape)} cannot be prepared by `{self.name}`: {reason}")


def _any_image(shape: tuple[int, ...]) -> str:
    return "" if len(shape) == 3 else "height, width and channels are needed."


def _at_least_the_crop(shape: tuple[int, ...]) -> str:
    if _any_image(shape) or min(shape[:2]) < _CROP:
        return f"at least {_CROP}x{_CROP} pixels and channels are needed. Use `unit`."
    return ""


def _norm_after_division(by: int) -> Callable[[tuple[int, ...], int], Interval]:
    """sqrt(d) times the largest quotient: rounding to float32 keeps the order of quotients."""

    def largest(shape: tuple[int, ...], brightest: int) -> Interval:
        entry = float(np.float32(brightest) / np.float32(by))
        return Interval(math.prod(shape)).sqrt() * Interval(entry)

    return largest


def _norm_after_whitening(shape: tuple[int, ...], brightest: int) -> Interval:
    r"""(1 + N/2^20) sqrt(N), N = 28*28*c, for N < 2^15.

    Without rounding an image has squared norm N V / max(V, 1/N) <= N, V the variance of its pixels. With u = 2^-24, M in
    [0, 1) the mean of the shifted pixels and V + M^2 the mean of their squares, what is computed is: the mean to u M (its
    sum is exact below 2^24); the variance to (5u)(V + 2 M^2) <= 5u V + 10u (a conversion and a division for the mean of
    squares, two for the square of the mean, one for the difference); the deviation to a factor 1 - u, its floor to 1 - u;
    and each entry to two roundings. So the squared norm is at most

        (1 + u)^4 N (V + u^2) / ((1 - u)^2 max(V (1 - 5u) - 10u, (1 - 2u)/N)),

    greatest where the two parts of the maximum are equal, V <= (1/N + 10u)(1 + 6u): at most N (1 + 10u N)(1 + 16u), below
    N (1 + 16u N)^2.
    """
    size = _CROP * _CROP * shape[2]
    if size >= 2**15:
        raise DataError(f"an image of {size} numbers is too large for the bound on its norm after whitening.")
    return Interval(size).sqrt() * (1 + Interval(size) / 2**20)


def _divide(by: int) -> Callable[[Any, Any], Any]:
    return lambda images, xp: images.astype(xp.float32) / xp.float32(by)


def _centre(images: Any, side: int) -> Any:
    """The central square of each image [n, h, w, c]."""
    top, left = ((length - side) // 2 for length in images.shape[1:3])
    return images[:, top : top + side, left : left + side, :]


def _crop_and_whiten(images: Any, xp: Any) -> Any:
    """Centre crop to 28x28, then (x - mean)/max(std, 1/sqrt(N)) an image, N = 28*28*c.

    Pixels run over 0..255, as in TensorFlow 1's `per_image_whitening`, which the paper used. The scale
    matters only for the floor of the standard deviation, which an image reaches when it is all but constant.
    """
    crop = _centre(images, _CROP).astype(xp.int32)
    channels = images.shape[3]
    size = _CROP * _CROP * channels

    def total(x: Any) -> Any:
        return xp.sum(x, axis=(1, 2, 3), keepdims=True, dtype=xp.int32)

    # Less the integer part of its mean, the squares of an image still sum to less than 2^31, and next to
    # nothing cancels in the variance.
    crop = crop - total(crop) // size
    mean = total(crop).astype(xp.float32) / xp.float32(size)
    square = total(crop * crop).astype(xp.float32) / xp.float32(size)
    variance = xp.maximum(square - mean * mean, xp.float32(0))
    deviation = xp.maximum(xp.sqrt(variance), xp.float32(size**-0.5))
    return (crop.astype(xp.float32) - mean) / deviation


PREPARATIONS: Final = MappingProxyType(
    {
        preparation.name: preparation
        for preparation in (
            Preparation(
                name="unit",
                title="pixel / 255",
                apply=_divide(255),
                accepts=_any_image,
                largest_norm=_norm_after_division(255),
            ),
            Preparation(
                name="unit16",
                title="pixel / 16",
                apply=_divide(16),
                accepts=_any_image,
                largest_norm=_norm_after_division(16),
            ),
            Preparation(
                name="zhang2017",
                title="centre crop to 28x28, then each image to mean 0 and standard deviation 1",
                crop=_CROP,
                apply=_crop_and_whiten,
                accepts=_at_least_the_crop,
                largest_norm=_norm_after_whitening,
            ),
        )
    }
)
"""The preparations by name."""


def prepare(name: str, images: Any, xp: Any) -> Any:
    """Network inputs, float32 [n, h', w', c], of stored images, uint8 [n, h, w, c].

    `xp` is `numpy` or `jax.numpy`. Raises `UnknownNameError` for a name that is not in `PREPARATIONS`, and
    `DataError` for images of a shape that it cannot take.
    """
    if name not in PREPARATIONS:
        raise UnknownNameError("preparation", name, PREPARATIONS)
    PREPARATIONS[name].check(tuple(images.shape[1:]))
    return PREPARATIONS[name].apply(images, xp)
