"""`Dense`: a linear map as an explicit matrix, with its norms enclosed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array, Float64

from ..interval import Interval
from .rounding import TINY, gam, inflate, two_sum
from .spectral import power_of_two, spectral_norm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense:
    """x -> A x; rows are output units. `|A - matrix| <= radius`, entry by entry; `None` where exact.

    Every norm is an `Interval` that contains the norm of A, rounding and radius included, whatever its
    magnitude.
    """

    matrix: Float64[np.ndarray, "out in"]
    radius: Float64[np.ndarray, "out in"] | None = None

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of one input, flat."""
        return (self.matrix.shape[1],)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of one output, flat."""
        return (self.matrix.shape[0],)

    @property
    def terms(self) -> int:
        """How many products each output sums."""
        return self.matrix.shape[1]

    @property
    def roundings(self) -> int:
        """How many roundings each product goes through in `apply`."""
        return self.matrix.shape[1]

    @property
    def parameters(self) -> int:
        """How many numbers describe it."""
        return self.matrix.size

    def apply(self, x: Float64[Array | np.ndarray, "b in"]) -> Any:
        """`matrix` times each row."""
        return x @ self.matrix.T

    def adjoint(self, y: Float64[Array | np.ndarray, "b out"]) -> Any:
        """The transpose of `matrix` times each row."""
        return y @ self.matrix

    def unrolled(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The matrix and its radius."""
        return self.matrix, self.radius

    def power(self, p: int, least: bool = False) -> Dense:
        """Entries |a|^p, no smaller than those of A, or no larger if `least`: for sums over paths."""
        return Dense(matrix=power(self.matrix, self.radius, p, least))

    def __sub__(self, other: Dense) -> Dense:
        """The difference, exact where the float64 subtractions are; otherwise their errors stand in the radius."""
        matrix, radius = difference(self.matrix, self.radius, other.matrix, other.radius)
        return Dense(matrix=matrix, radius=radius)

    def spectral_norm(self, gap: float | None = None) -> tuple[Interval, str]:
        """The largest singular value, relative gap about 2e-9 whatever `gap` asks, and how it was found."""
        norm = spectral_norm(self.matrix)
        if self.radius is not None:
            # ||A|| differs from ||matrix|| by at most the norm of a matrix whose entries the radii bound.
            margin = Dense(matrix=self.radius).schur()
            norm = Interval((norm - margin).maximum(0).lo, (norm + margin).hi)
        return norm, "Cholesky certificate"

    def schur(self) -> Interval:
        """An upper bound of the spectral norm of |A|: (||A||_1 ||A||_inf)^(1/2), or the Frobenius norm."""
        return (self.one_norm() * self.inf_norm()).sqrt().minimum(self.frobenius_norm())

    def frobenius_norm(self) -> Interval:
        r"""$\|A\|_F = (\sum_{ij} A_{ij}^2)^{1/2}$."""
        return enclose(frobenius, self.matrix, self.radius)

    def row_norm_sum(self) -> Interval:
        r"""$\|A\|_{2,1} = \sum_i \|A_{i\cdot}\|_2$: the l2 norms of the rows (output units), summed."""
        return enclose(_row_norm_sum, self.matrix, self.radius)

    def row_norm_max(self) -> Interval:
        r"""$\max_i \|A_{i\cdot}\|_2$: the operator norm from l2 to l-inf."""
        return enclose(_row_norm_max, self.matrix, self.radius)

    def column_norm_sum(self) -> Interval:
        r"""$\|A^T\|_{2,1} = \sum_j \|A_{\cdot j}\|_2$."""
        return enclose(_row_norm_sum, self.matrix.T, None if self.radius is None else self.radius.T)

    def inf_norm(self) -> Interval:
        r"""$\|A\|_{1,\infty} = \max_i \sum_j |A_{ij}|$: the operator norm from l-inf to l-inf."""
        return enclose(_row_max, self.matrix, self.radius)

    def one_norm(self) -> Interval:
        r"""$\max_j \sum_i |A_{ij}|$: the operator norm from l1 to l1."""
        return enclose(_column_max, self.matrix, self.radius)

    def entry_sum(self) -> Interval:
        r"""$\|A\|_{1,1} = \sum_{ij} |A_{ij}|$."""
        return enclose(entry_sum, self.matrix, self.radius)


def power(a: np.ndarray, radius: np.ndarray | None, p: int, least: bool) -> np.ndarray:
    """|a|^p at the far end of what a radius leaves open, or the near end if `least`."""
    ends = np.abs(a)
    if radius is not None:
        ends = np.maximum(ends - radius, 0) * (1 - 2 * gam(2)) if least else inflate(ends + radius, 1)
    if p == 1:
        return ends
    return ends**p * (1 - 2 * gam(p)) if least else inflate(ends**p, p) + TINY * (ends > 0)


Norm = Callable[[np.ndarray], tuple[float, int]]
"""A norm that grows with every absolute entry: its float value, and how many terms each rounded sum has."""


def _row_max(a: np.ndarray) -> tuple[float, int]:
    return float(a.sum(axis=1).max(initial=0)), a.shape[1]


def _column_max(a: np.ndarray) -> tuple[float, int]:
    return float(a.sum(axis=0).max(initial=0)), a.shape[0]


def entry_sum(a: np.ndarray) -> tuple[float, int]:
    """The sum of the entries of a nonnegative matrix."""
    # `fsum` rounds once: only the sums within a row count.
    return math.fsum(a.sum(axis=1)), a.shape[1]


def frobenius(a: np.ndarray) -> tuple[float, int]:
    """The root of the sum of squares."""
    return math.sqrt(math.fsum(np.einsum("ij,ij->i", a, a))), a.shape[1]


def _row_norm_sum(a: np.ndarray) -> tuple[float, int]:
    return math.fsum(np.sqrt(np.einsum("ij,ij->i", a, a))), a.shape[1]


def _row_norm_max(a: np.ndarray) -> tuple[float, int]:
    return math.sqrt(float(np.einsum("ij,ij->i", a, a).max(initial=0))), a.shape[1]


def enclose(norm: Norm, mid: np.ndarray, radius: np.ndarray | None) -> Interval:
    """The norm over all matrices within `radius` of `mid`.

    M nonnegative terms summed in float64 in any order, with a root, err by a factor 1 +- gam(M + 8). The
    power of two keeps squares inside the range; what is flushed lies below 2^-400 of the largest entry, within
    that margin for the upper end, and taken off the lower end, whose own entries may all be that small.
    """
    low = high = np.abs(mid)
    if radius is not None:
        low, high = np.maximum(low - radius, 0), low + radius
    if not high.any():
        return Interval(0)
    exponent = power_of_two(high)
    top, terms = norm(np.ldexp(high, -exponent))
    bottom = top if radius is None else max(norm(np.ldexp(low, -exponent))[0] - 2.0**-400, 0.0)
    slack = Interval(gam(terms + 8))
    return Interval((bottom * (1 - slack)).lo, (top * (1 + 2 * slack)).hi) * Interval(2) ** exponent


def difference(
    a: np.ndarray, a_radius: np.ndarray | None, b: np.ndarray, b_radius: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """a - b with a bound of what is unknown of both and of the rounding of the subtraction."""
    mid, error = two_sum(a, -b)
    for radius in (a_radius, b_radius):
        if radius is not None:
            error = inflate(error + radius, 1)
    mid.flags.writeable = error.flags.writeable = False
    return mid, error if error.any() else None
