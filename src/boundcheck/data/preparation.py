"""The fixed maps from stored images to network inputs.

Each is written once, for NumPy and for JAX. What NumPy computes in float32 *is* the network's input, the one
that quantities are measured at; training computes the same formula on the device. Sums are taken over
integers, so they are exact whatever the order of summation, and the input depends on neither the machine nor
the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from ..errors import DataError, UnknownNameError

_CROP: Final = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A map of uint8 [n, h, w, c] to float32 [n, h', w', c], and the shapes it takes.

    `accepts` says, given the shape of one image, why it cannot be prepared; the empty string when it can.
    """

    name: str
    title: str
    apply: Callable[[Any, Any], Any]
    accepts: Callable[[tuple[int, ...]], str]

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


def _divide(by: int) -> Callable[[Any, Any], Any]:
    return lambda images, xp: images.astype(xp.float32) / xp.float32(by)


def _crop_and_whiten(images: Any, xp: Any) -> Any:
    """Centre crop to 28x28, then (x - mean)/max(std, 1/sqrt(N)) an image, N = 28*28*c.

    Pixels run over 0..255, as in TensorFlow 1's `per_image_whitening`, which the paper used. The scale
    matters only for the floor of the standard deviation, which an image reaches when it is all but constant.
    """
    _, height, width, channels = images.shape
    top, left = (height - _CROP) // 2, (width - _CROP) // 2
    crop = images[:, top : top + _CROP, left : left + _CROP, :].astype(xp.int32)
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
            Preparation(name="unit", title="pixel / 255", apply=_divide(255), accepts=_any_image),
            Preparation(name="unit16", title="pixel / 16", apply=_divide(16), accepts=_any_image),
            Preparation(
                name="zhang2017",
                title="centre crop to 28x28, then each image to mean 0 and standard deviation 1",
                apply=_crop_and_whiten,
                accepts=_at_least_the_crop,
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
