"""`Convolution`: one convolution with zero padding as a linear operator, never unrolled unless asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float64

from ..errors import NetworkError
from ..interval import Interval
from .axis import Axis
from .dense import difference, power
from .rounding import gam
from .spectral import power_of_two


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convolution:
    r"""The cross-correlation with a kernel, zero outside the map:

    $y_{r,c,o} = \sum_{u,v,i} K_{u,v,i,o}\, x_{r s_h - p_h + u l_h,\ c s_w - p_w + v l_w,\ g(o) I + i}$,

    with stride s, low padding p, dilation l and group $g(o) = \lfloor o / (O/G) \rfloor$ of output channel o.

    - `kernel`: float64, finite, read-only.
    - `radius`: what is known of K is `|K - kernel| <= radius`, entry by entry; `None` where it is exact.
    - `groups`: how many groups of channels there are.
    - `size`: height and width of the input map.
    - `padding`: zeros (low, high) per axis; negative numbers crop the map.
    - `dilation`: of the kernel.

    Every norm is that of the operator between flattened maps, borders included, as an `Interval` that holds
    it for every kernel within the radius, whatever its magnitude. In terms of the operator's matrix A rows are
    output units, as in `Affine`. Each is a function of entries that grows with every absolute entry, summed
    over the pairs (output cell, tap) that meet the map.
    """

    kernel: Float64[np.ndarray, "kh kw in_per_group out"]
    radius: Float64[np.ndarray, "kh kw in_per_group out"] | None = None
    groups: int = 1
    size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.groups < 1 or self.kernel.shape[3] % self.groups:
            raise ValueError(f"{self.kernel.shape[3]} output channels do not split into {self.groups} groups")
        _ = self.axes

    # Geometry ---------------------------------------------------------------------------------------------------

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Which cells are read, along the height and along the width."""
        rows, columns = (
            Axis(
                size=self.size[k],
                taps=self.kernel.shape[k],
                stride=self.stride[k],
                low=self.padding[k][0],
                high=self.padding[k][1],
                dilation=self.dilation[k],
            )
            for k in (0, 1)
        )
        return rows, columns

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the input."""
        return *self.size, self.groups * self.kernel.shape[2]

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the output."""
        rows, columns = self.axes
        return rows.out, columns.out, self.kernel.shape[3]

    @property
    def in_size(self) -> int:
        """The number of input units."""
        return math.prod(self.in_shape)

    @property
    def out_size(self) -> int:
        """The number of output units."""
        return math.prod(self.out_shape)

    # The operator -----------------------------------------------------------------------------------------------

    def apply(self, x: Float64[Array | np.ndarray, "b h w c"]) -> Any:
        """The convolution of `kernel` with float64 maps; a NumPy array or a JAX array, as `x` is.

        One strided slice and one matrix product a tap, in conventional float64 arithmetic only: an entry errs
        by at most `gam(m) (|K| * |x|)`, m = kh kw in_per_group (`rounding.gam`), underflow aside.
        """
        rows, columns = self.axes
        (h, *pad_h), (w, *pad_w) = rows.inside(), columns.inside()
        xp = np if isinstance(x, np.ndarray) else x.__array_namespace__()
        x = xp.pad(x[:, h, w], ((0, 0), pad_h, pad_w, (0, 0)))
        y = None
        for u, v in np.ndindex(*self.kernel.shape[:2]):
            part = _mix(x[:, rows.window(u), columns.window(v)], self.kernel[u, v], self.groups)
            y = part if y is None else y + part
        return y

    def adjoint(self, y: Float64[Array | np.ndarray, "b h w c"]) -> Any:
        """The transpose of `apply`, with the same kind of error: m = kh kw out/groups."""
        rows, columns = self.axes
        (h, *pad_h), (w, *pad_w) = rows.inside(), columns.inside()
        kernel = self._transposed()
        frame = np.zeros((len(y), rows.frame, columns.frame, self.in_shape[2]))
        for u, v in np.ndindex(*self.kernel.shape[:2]):
            part = _mix(y, kernel[u, v], self.groups)
            frame = _add(frame, part, rows.window(u), columns.window(v))
        xp = np if isinstance(y, np.ndarray) else y.__array_namespace__()
        inner = frame[:, pad_h[0] : rows.frame - pad_h[1], pad_w[0] : columns.frame - pad_w[1]]
        outer = ((h.start, self.size[0] - h.stop), (w.start, self.size[1] - w.stop))
        return xp.pad(inner, ((0, 0), *outer, (0, 0)))

    def matrix(self) -> Float64[np.ndarray, "out_size in_size"]:
        """The matrix of `kernel`, on maps flattened in row-major order (height, width, channel)."""
        return self._unrolled(self.kernel)

    def matrix_radius(self) -> Float64[np.ndarray, "out_size in_size"] | None:
        """The radius of `matrix`; `None` where it is exact."""
        return None if self.radius is None else self._unrolled(self.radius)

    def unrolled(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The matrix and its radius."""
        return self.matrix(), self.matrix_radius()

    @property
    def terms(self) -> int:
        """How many products each output sums."""
        return self.kernel[..., 0].size

    @property
    def roundings(self) -> int:
        """How many roundings each product goes through in `apply`: those of one tap's sum, then one a tap."""
        kh, kw, i, _ = self.kernel.shape
        return i + kh * kw

    @property
    def parameters(self) -> int:
        """How many numbers describe it."""
        return self.kernel.size

    def power(self, p: int, least: bool = False) -> Convolution:
        """Entries |a|^p, no smaller than those of K, or no larger if `least`: for sums over paths."""
        return replace(self, kernel=power(self.kernel, self.radius, p, least), radius=None)

    def schur(self) -> Interval:
        """An upper bound of the spectral norm of |A|: (||A||_1 ||A||_inf)^(1/2), or the Frobenius norm."""
        return (self.one_norm() * self.inf_norm()).sqrt().minimum(self.frobenius_norm())

    def _unrolled(self, kernel: np.ndarray) -> np.ndarray:
        rows, columns = self.axes
        kh, kw, i, o = kernel.shape
        dense = np.zeros((kh, kw, o, self.groups, i))
        group = np.arange(o) // (o // self.groups)
        dense[:, :, np.arange(o), group] = np.moveaxis(kernel, 3, 2)
        dense = dense.reshape(kh, kw, o, -1)
        matrix = np.zeros((*self.out_shape, *self.in_shape))
        for u, v in np.ndindex(kh, kw):
            r, c = (np.flatnonzero(axis.valid()[:, t]) for axis, t in ((rows, u), (columns, v)))
            h, w = rows.reads()[r, u], columns.reads()[c, v]
            matrix[r[:, None], c, :, h[:, None], w, :] = dense[u, v]
        return matrix.reshape(self.out_size, self.in_size)

    def _transposed(self) -> np.ndarray:
        """[kh, kw, out/groups, in]: the taps of the transpose, grouped in the same way."""
        kh, kw, i, o = self.kernel.shape
        split = self.kernel.reshape(kh, kw, i, self.groups, o // self.groups)
        return np.ascontiguousarray(split.transpose(0, 1, 4, 3, 2)).reshape(kh, kw, o // self.groups, -1)

    def __sub__(self, other: Convolution) -> Convolution:
        """The difference of two convolutions of one geometry: exact where the float64 subtractions are.

        Their errors stand in the radius otherwise. Raises `NetworkError` if the geometries differ.
        """
        if self._geometry() != other._geometry():
            raise NetworkError(
                [
                    f"a convolution of geometry {self._geometry()} and one of {other._geometry()} have no "
                    "difference; kernel shape, groups, map, stride, padding and dilation must agree"
                ]
            )
        kernel, radius = difference(self.kernel, self.radius, other.kernel, other.radius)
        return replace(self, kernel=kernel, radius=radius)

    def compact(self) -> Convolution | None:
        """The convolution of `kernel` without taps, output cells and input cells that add nothing to its norm.

        It has the same nonzero singular values: see `Axis.compact`. `None` where the operator is zero.
        """
        kernel = self.kernel * np.minimum(self._counts(), 1)[..., None]
        if not kernel.any():
            return None
        (rows, u), (columns, v) = (
            axis.compact(np.asarray(kernel.any(axis=others)))
            for axis, others in zip(self.axes, ((1, 2, 3), (0, 2, 3)), strict=True)
        )
        return Convolution(
            kernel=np.ascontiguousarray(kernel[u, v]),
            groups=self.groups,
            size=(rows.size, columns.size),
            stride=(rows.stride, columns.stride),
            padding=((rows.low, rows.high), (columns.low, columns.high)),
            dilation=(rows.dilation, columns.dilation),
        )

    def _geometry(self) -> tuple[Any, ...]:
        return self.kernel.shape, self.groups, self.size, self.stride, self.padding, self.dilation

    # Norms ------------------------------------------------------------------------------------------------------

    def frobenius_norm(self) -> Interval:
        r"""$\|A\|_F$: a tap counts as often as it meets the map."""
        return self._enclose(self._frobenius)

    def row_norm_sum(self) -> Interval:
        r"""$\|A\|_{2,1} = \sum_i \|A_{i\cdot}\|_2$: the l2 norms of the rows (output units), summed."""
        return self._enclose(lambda a: _sum_of_roots(self._rows(a * a)))

    def row_norm_max(self) -> Interval:
        r"""$\max_i \|A_{i\cdot}\|_2$: the operator norm from l2 to l-inf."""
        return self._enclose(lambda a: math.sqrt(float(self._rows(a * a).max())))

    def column_norm_sum(self) -> Interval:
        r"""$\sum_j \|A_{\cdot j}\|_2$: the l2 norms of the columns (input units), summed."""
        return self._enclose(lambda a: _sum_of_roots(self._columns(a * a)))

    def inf_norm(self) -> Interval:
        r"""$\max_i \sum_j |A_{ij}|$: the operator norm from l-inf to l-inf."""
        return self._enclose(lambda a: float(self._rows(a).max()))

    def one_norm(self) -> Interval:
        r"""$\max_j \sum_i |A_{ij}|$: the operator norm from l1 to l1."""
        return self._enclose(lambda a: float(self._columns(a).max()))

    def entry_sum(self) -> Interval:
        r"""$\|A\|_{1,1} = \sum_{ij} |A_{ij}|$."""
        return self._enclose(lambda a: math.fsum((a.sum(axis=2) * self._counts()).ravel()))

    def kernel_norm_sum(self) -> Interval:
        r"""$\sum_{u,v,o} (\sum_i K_{u,v,i,o}^2)^{1/2}$: a norm of the kernel, whatever the map and the padding.

        This is the (2,1) norm of the kernel tensor in Graf, Zeng, Rieck, Niethammer, Kwitt (2022, NeurIPS,
        theorem 3.5).
        """
        return self._enclose(lambda a: _sum_of_roots((a * a).sum(axis=2)), every_tap=True)

    def _counts(self) -> np.ndarray:
        """[kh, kw, 1]: how many output cells meet the map at each tap."""
        rows, columns = (axis.valid().sum(axis=0) for axis in self.axes)
        return (rows[:, None] * columns)[:, :, None].astype(np.float64)

    def _frobenius(self, a: np.ndarray) -> float:
        return math.sqrt(math.fsum(((a * a).sum(axis=2) * self._counts()).ravel()))

    def _rows(self, a: np.ndarray) -> np.ndarray:
        """The sum over each row of the matrix with kernel `a`."""
        rows, columns = (axis.valid().astype(np.float64) for axis in self.axes)
        return np.einsum("cv,rvo->rco", columns, np.einsum("ru,uvo->rvo", rows, a.sum(axis=2)))

    def _columns(self, a: np.ndarray) -> np.ndarray:
        """The sum over each column of the matrix with kernel `a`."""
        rows, columns = (axis.hits().astype(np.float64) for axis in self.axes)
        kh, kw, i, o = a.shape
        taps = a.reshape(kh, kw, i, self.groups, o // self.groups).sum(axis=4)
        taps = np.ascontiguousarray(taps.transpose(0, 1, 3, 2)).reshape(kh, kw, -1)
        return np.einsum("wv,hvi->hwi", columns, np.einsum("hu,uvi->hvi", rows, taps))

    def _terms(self) -> int:
        """How many terms the rounded sum of a row or a column has at most."""
        kh, kw, i, o = self.kernel.shape
        return kh * kw * max(i, o // self.groups)

    def _ends(self, every_tap: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The least and greatest absolute kernel within the radius, without the taps that meet only padding."""
        live = 1.0 if every_tap else np.minimum(self._counts(), 1)[..., None]
        low = high = np.abs(self.kernel) * live
        if self.radius is not None:
            low, high = np.maximum(low - self.radius * live, 0), low + self.radius * live
        return low, high

    def _enclose(self, norm: Callable[[np.ndarray], float], every_tap: bool = False) -> Interval:
        """A norm that grows with every absolute entry, over all kernels within the radius.

        A sum of M nonnegative terms in float64, in any order, with a root, errs by a factor 1 +- gam(M + 8);
        `fsum` rounds once. The power of two keeps squares inside the range: what is lost below it is less than
        2^-400 of the largest entry.
        """
        low, high = self._ends(every_tap)
        if not high.any():
            return Interval(0)
        exponent = power_of_two(high)
        top = norm(np.ldexp(high, -exponent))
        bottom = top if self.radius is None else norm(np.ldexp(low, -exponent)) - 2.0**-400
        slack = Interval(gam(self._terms() + 8))
        return (
            Interval((max(bottom, 0.0) * (1 - slack)).lo, (top * (1 + 2 * slack)).hi)
            * Interval(2) ** exponent
        )


def _sum_of_roots(squares: np.ndarray) -> float:
    return math.fsum(np.sqrt(squares).ravel())


def _mix(x: Any, k: np.ndarray, groups: int) -> Any:
    """[..., groups a] times [a, groups b], group by group: [..., groups b]."""
    lead, a, b = x.shape[:-1], k.shape[0], k.shape[1] // groups
    if groups == 1:
        return (x.reshape(-1, a) @ k).reshape(*lead, b)
    if a == 1:
        return (x[..., None] * k.reshape(groups, b)).reshape(*lead, groups * b)
    xp = np if isinstance(x, np.ndarray) else x.__array_namespace__()
    by_group = xp.moveaxis(x.reshape(-1, groups, a), 1, 0) @ np.moveaxis(k.reshape(a, groups, b), 1, 0)
    return xp.moveaxis(by_group, 0, 1).reshape(*lead, groups * b)


def _add(frame: Any, part: Any, rows: slice, columns: slice) -> Any:
    """`frame[:, rows, columns] += part`; a new array for JAX, whose arrays do not change."""
    if isinstance(part, np.ndarray):
        frame[:, rows, columns] += part
        return frame
    spread = [(cut.start, frame.shape[k] - cut.stop, cut.step - 1) for k, cut in ((1, rows), (2, columns))]
    return frame + jax.lax.pad(part, np.float64(0), ((0, 0, 0), *spread, (0, 0, 0)))
