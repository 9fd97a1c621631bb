"""`Field`: one constant number for each entry of a value, with what is unknown of it and what is shared by design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .program import Constant
from .rounding import TINY, inflate, product, quotient, two_sum


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """Midpoints `value`, radii (`None`: exact), and `tags`: entries with one tag are equal by construction.

    The bias of a convolution has one tag a channel; it is read off the program, never off the numbers.
    """

    value: np.ndarray
    radius: np.ndarray | None
    tags: np.ndarray

    @classmethod
    def of(cls, constant: Constant, shape: tuple[int, ...]) -> Field:
        """A constant, broadcast."""
        sizes = [size if v else 1 for size, v in zip(constant.shape, constant.varies, strict=True)]
        tags = np.arange(int(np.prod(sizes)), dtype=np.int64).reshape(sizes)
        value = constant.float64
        ones = (1,) * (len(shape) - value.ndim)
        return cls(
            value=np.broadcast_to(value.reshape(ones + value.shape), shape),
            radius=None,
            tags=np.broadcast_to(tags.reshape(ones + tags.shape), shape),
        )

    @classmethod
    def filled(cls, value: float, shape: tuple[int, ...]) -> Field:
        """One number everywhere."""
        return cls(value=np.full(shape, value), radius=None, tags=np.zeros(shape, np.int64))

    def moved(self, place: Callable[[np.ndarray, float], np.ndarray], fill: float) -> Field:
        """Rearranged by `place(array, fill)`; new entries hold `fill` and share a tag of their own."""
        return Field(
            value=np.asarray(place(self.value, fill)),
            radius=None if self.radius is None else np.asarray(place(self.radius, 0.0)),
            tags=np.asarray(place(self.tags, -1.0)),
        )

    def at(self, index: np.ndarray) -> Field:
        """The entries at flat positions."""
        return Field(
            value=self.value.reshape(-1)[index],
            radius=None if self.radius is None else self.radius.reshape(-1)[index],
            tags=self.tags.reshape(-1)[index],
        )

    def __neg__(self) -> Field:
        return Field(value=-self.value, radius=self.radius, tags=self.tags)

    def __add__(self, other: Field) -> Field:
        value, error = two_sum(self.value, other.value)
        for radius in (self.radius, other.radius):
            if radius is not None:
                error = inflate(np.asarray(error + radius), 1)
        return Field(value=value, radius=_some(error), tags=_joint(self.tags, other.tags))

    def __mul__(self, other: Field) -> Field:
        value, error = product(self.value, other.value)
        a, b = np.abs(self.value), np.abs(other.value)
        if self.radius is not None:
            error = inflate(np.asarray(error + self.radius * b + TINY), 3)
        if other.radius is not None:
            top = a if self.radius is None else inflate(np.asarray(a + self.radius), 1)
            error = inflate(np.asarray(error + other.radius * top + TINY), 3)
        return Field(value=value, radius=_some(error), tags=_joint(self.tags, other.tags))

    def over(self, other: Field) -> Field:
        """Divided by an exact field without zeros."""
        value, error = quotient(self.value, other.value)
        if self.radius is not None:
            error = inflate(np.asarray(error + self.radius / np.abs(other.value) + TINY), 3)
        return Field(value=value, radius=_some(error), tags=_joint(self.tags, other.tags))

    def is_constant_over(self, axis: int) -> bool:
        """Whether, by construction, the entries do not differ along an axis."""
        first = np.take(self.tags, [0], axis=axis)
        return bool((self.tags == first).all())


def _some(radius: np.ndarray) -> np.ndarray | None:
    return radius if radius.any() else None


def _joint(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Tags of a combination: equal where both are."""
    low = int(b.min(initial=0))
    pairs = (a - int(a.min(initial=0))) * (int(b.max(initial=0)) - low + 1) + (b - low)
    return np.unique(pairs, return_inverse=True)[1].reshape(a.shape).astype(np.int64)
