"""`Selection`: a linear map that only copies entries, drops them, or puts zeros between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array, Float64, Int

from ..interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """y[i] = x[index[i]], and 0 where `index[i]` is -1: every norm is exact, from how often each entry is used."""

    index: Int[np.ndarray, " out"]
    width: int

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of one input, flat."""
        return (self.width,)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of one output, flat."""
        return self.index.shape

    @property
    def terms(self) -> int:
        """How many products each output sums."""
        return 1

    @property
    def roundings(self) -> int:
        """How many roundings each entry goes through in `apply`: none."""
        return 0

    @property
    def parameters(self) -> int:
        """How many numbers describe it: none."""
        return 0

    @property
    def _counts(self) -> np.ndarray:
        return np.bincount(self.index[self.index >= 0], minlength=self.width)

    def apply(self, x: Float64[Array | np.ndarray, "b in"]) -> Any:
        """The selected entries of each row."""
        return x[:, self.index] * (self.index >= 0)

    def adjoint(self, y: Float64[np.ndarray, "b out"]) -> Float64[np.ndarray, "b in"]:
        """Each entry added to the place it came from."""
        out = np.zeros((len(y), self.width))
        used = self.index >= 0
        for row, values in zip(out, y, strict=True):
            np.add.at(row, self.index[used], values[used])
        return out

    def unrolled(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The matrix of zeros and ones."""
        matrix = np.zeros((len(self.index), self.width))
        used = np.flatnonzero(self.index >= 0)
        matrix[used, self.index[used]] = 1.0
        return matrix, None

    def power(self, p: int, least: bool = False) -> Selection:
        """Itself: its entries are zeros and ones."""
        return self

    def __sub__(self, other: Selection) -> Selection:
        """Zero: both have no parameter."""
        return Selection(index=np.full_like(self.index, -1), width=self.width)

    def spectral_norm(self, gap: float | None = None) -> tuple[Interval, str]:
        """The root of the largest number of times an entry is used, exactly: A'A is diagonal."""
        return self.one_norm().sqrt(), "counted"

    def schur(self) -> Interval:
        """The spectral norm itself: the entries are not negative."""
        return self.one_norm().sqrt()

    def frobenius_norm(self) -> Interval:
        """The root of the number of entries copied."""
        return self.entry_sum().sqrt()

    def row_norm_sum(self) -> Interval:
        """The number of entries copied."""
        return self.entry_sum()

    def row_norm_max(self) -> Interval:
        """1, or 0 if nothing is copied."""
        return self.inf_norm()

    def column_norm_sum(self) -> Interval:
        """The sum of the roots of how often each entry is used."""
        total = Interval(0)
        for count, entries in zip(*np.unique(self._counts, return_counts=True), strict=True):
            total = total + Interval(int(count)).sqrt() * int(entries)
        return total

    def inf_norm(self) -> Interval:
        """1, or 0 if nothing is copied."""
        return Interval(int((self.index >= 0).any()))

    def one_norm(self) -> Interval:
        """The largest number of times an entry is used."""
        return Interval(int(self._counts.max(initial=0)))

    def entry_sum(self) -> Interval:
        """The number of entries copied."""
        return Interval(int(np.count_nonzero(self.index >= 0)))
