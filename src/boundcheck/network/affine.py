"""`Affine`: one affine piece of a network as a matrix, with its norms enclosed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float64

from ..errors import NetworkError
from ..interval import Interval
from .rounding import gam, inflate, two_sum
from .spectral import power_of_two, spectral_norm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine:
    r"""x -> A x + b between two nonlinearities, in real arithmetic; rows of A are output units.

    What is known of A is `|A - matrix| <= radius`, entry by entry, and of b `|b - bias| <= bias_radius`; a
    radius is `None` where `matrix` or `bias` is exact, as it is for one dense layer. All arrays are float64
    and read-only, on values flattened in row-major order.

    - `label`: path of the parameters it is made of (`layers[0]`, `params/Dense_0`).
    - `source`: `file.py:line` of the user's code.
    - `has_bias`: whether something that does not depend on the input is added, be it zero today.
    - `free`: whether every entry of A, and of b if there is one, is a parameter of its own that occurs
      nowhere else in the network. False for tied, scaled, or folded weights.

    Every norm is an `Interval` that contains the norm of A, rounding and radius included, whatever its
    magnitude.
    """

    label: str
    source: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    matrix: Float64[np.ndarray, "out in"]
    radius: Float64[np.ndarray, "out in"] | None = None
    bias: Float64[np.ndarray, " out"]
    bias_radius: Float64[np.ndarray, " out"] | None = None
    has_bias: bool
    free: bool
    _norms: dict[str, Interval] = field(default_factory=dict, init=False, repr=False)

    @property
    def is_exact(self) -> bool:
        """Whether `matrix` and `bias` are the map itself."""
        return self.radius is None and self.bias_radius is None

    def mv(self, x: Float[np.ndarray, "*in_shape"]) -> Float64[np.ndarray, "*out_shape"]:
        """`matrix` times one vector of shape `in_shape`, without the bias, in float64."""
        return (self.matrix @ np.asarray(x, np.float64).reshape(-1)).reshape(self.out_shape)

    def transpose(self, y: Float[np.ndarray, "*out_shape"]) -> Float64[np.ndarray, "*in_shape"]:
        """The transpose of `matrix` times one vector of shape `out_shape`, in float64."""
        return (np.asarray(y, np.float64).reshape(-1) @ self.matrix).reshape(self.in_shape)

    def __sub__(self, other: Affine) -> Affine:
        """The difference of two pieces of one shape, such as to the same piece at initialization.

        Exact where the float64 subtractions are; otherwise their errors stand in the radius. Raises
        `NetworkError` if the shapes differ.
        """
        if (self.in_shape, self.out_shape) != (other.in_shape, other.out_shape):
            raise NetworkError(
                [
                    f"layer `{self.label}` maps {self.in_shape} to {self.out_shape} and `{other.label}` maps "
                    f"{other.in_shape} to {other.out_shape}; only pieces of one shape have a difference"
                ]
            )
        matrix, radius = _difference(self.matrix, self.radius, other.matrix, other.radius)
        bias, bias_radius = _difference(self.bias, self.bias_radius, other.bias, other.bias_radius)
        return Affine(
            label=self.label,
            source=self.source,
            in_shape=self.in_shape,
            out_shape=self.out_shape,
            matrix=matrix,
            radius=radius,
            bias=bias,
            bias_radius=bias_radius,
            has_bias=self.has_bias or other.has_bias,
            free=False,
        )

    def spectral_norm(self) -> Interval:
        """The largest singular value: a Cholesky certificate above, ||A v||/||v|| below."""
        return self._once("spectral", self._spectral_norm)

    def frobenius_norm(self) -> Interval:
        r"""$\|A\|_F = (\sum_{ij} A_{ij}^2)^{1/2}$."""
        return self._of_entries("frobenius", _frobenius)

    def row_norm_sum(self) -> Interval:
        r"""$\|A\|_{2,1} = \sum_i \|A_{i\cdot}\|_2$: the l2 norms of the rows (output units), summed."""
        return self._of_entries("row_norm_sum", _row_norm_sum)

    def inf_norm(self) -> Interval:
        r"""$\|A\|_{1,\infty} = \max_i \sum_j |A_{ij}|$: the operator norm from l-inf to l-inf."""
        return self._of_entries("inf", _row_max)

    def one_norm(self) -> Interval:
        r"""$\max_j \sum_i |A_{ij}|$: the operator norm from l1 to l1."""
        return self._of_entries("one", _column_max)

    def entry_sum(self) -> Interval:
        r"""$\|A\|_{1,1} = \sum_{ij} |A_{ij}|$."""
        return self._of_entries("entry_sum", _entry_sum)

    def bias_norm(self, order: int = 2) -> Interval:
        """The l1 or l2 norm of the bias; [0, 0] without one. Raises `ValueError` for another order."""
        norms = {1: _entry_sum, 2: _frobenius}
        if order not in norms:
            raise ValueError(f"a bias has norms of order 1 and 2; received {order}")
        row, radius = self.bias[None], None if self.bias_radius is None else self.bias_radius[None]
        return self._once(f"bias {order}", lambda: _enclose(norms[order], row, radius))

    def _once(self, name: str, compute: Callable[[], Interval]) -> Interval:
        if name not in self._norms:
            self._norms[name] = compute()
        return self._norms[name]

    def _of_entries(self, name: str, norm: _Norm) -> Interval:
        return self._once(name, lambda: _enclose(norm, self.matrix, self.radius))

    def _spectral_norm(self) -> Interval:
        norm = spectral_norm(self.matrix)
        if self.radius is None:
            return norm
        # ||A|| differs from ||matrix|| by at most the norm of a matrix whose entries the radii bound.
        one, inf, frobenius = (_enclose(f, self.radius, None) for f in (_column_max, _row_max, _frobenius))
        margin = (one * inf).sqrt().minimum(frobenius)
        return Interval((norm - margin).maximum(0).lo, (norm + margin).hi)


_Norm = Callable[[np.ndarray], tuple[float, int]]
"""A norm that grows with every absolute entry: its float value, and how many terms each rounded sum has."""


def _row_max(a: np.ndarray) -> tuple[float, int]:
    return float(a.sum(axis=1).max(initial=0)), a.shape[1]


def _column_max(a: np.ndarray) -> tuple[float, int]:
    return float(a.sum(axis=0).max(initial=0)), a.shape[0]


def _entry_sum(a: np.ndarray) -> tuple[float, int]:
    # `fsum` rounds once: only the sums within a row count.
    return math.fsum(a.sum(axis=1)), a.shape[1]


def _frobenius(a: np.ndarray) -> tuple[float, int]:
    return math.sqrt(math.fsum(np.einsum("ij,ij->i", a, a))), a.shape[1]


def _row_norm_sum(a: np.ndarray) -> tuple[float, int]:
    return math.fsum(np.sqrt(np.einsum("ij,ij->i", a, a))), a.shape[1]


def _enclose(norm: _Norm, mid: np.ndarray, radius: np.ndarray | None) -> Interval:
    """The norm over all matrices within `radius` of `mid`.

    M nonnegative terms summed in float64 in any order, with a root, err by a factor 1 +- gam(M + 8). The
    power of two keeps squares inside the range; what it flushes lies below 2^-500 of the largest entry,
    within that margin.
    """
    low = high = np.abs(mid)
    if radius is not None:
        low, high = np.maximum(low - radius, 0), low + radius
    if not high.any():
        return Interval(0)
    exponent = power_of_two(high)
    top, terms = norm(np.ldexp(high, -exponent))
    bottom = top if radius is None else norm(np.ldexp(low, -exponent))[0]
    slack = Interval(gam(terms + 8))
    return Interval((bottom * (1 - slack)).lo, (top * (1 + 2 * slack)).hi) * Interval(2) ** exponent


def _difference(
    a: np.ndarray, a_radius: np.ndarray | None, b: np.ndarray, b_radius: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    mid, error = two_sum(a, -b)
    for radius in (a_radius, b_radius):
        if radius is not None:
            error = inflate(error + radius, 1)
    mid.flags.writeable = error.flags.writeable = False
    return mid, error if error.any() else None
