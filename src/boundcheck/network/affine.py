"""`Affine`: one affine piece of a network at its real shape, with its norms enclosed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Float64, Int

from ..errors import NetworkError
from ..interval import Interval
from . import convolution_norm
from .convolution import Convolution
from .dense import Dense, difference, enclose, entry_sum, frobenius
from .selection import Selection

Operator = Dense | Convolution | Selection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine:
    r"""x -> A x + b between two nonlinearities, in real arithmetic; rows of A are output units.

    A is `operator`, a dense matrix or a convolution at its real input shape, stride and padding, acting on the
    entries `arrange` of the flat input (`None`: all, in order; an entry is used at most once, so that no norm
    depends on the arrangement). All arrays are float64 and read-only, on values flattened in row-major order; a
    radius bounds what is unknown of an entry and is `None` where it is exact.

    - `label`: path of the parameters it is made of (`layers[0]`, `params/Conv_0`).
    - `source`: `file.py:line` of the user's code.
    - `has_bias`: whether something that does not depend on the input is added, be it zero today.
    - `sharing`: how many outputs share the bias of each output by construction: the positions of a channel for
      the bias of a convolution, 1 where every output has its own.
    - `learned`: whether a parameter, or an array that the function holds, feeds it. An average pool is not learned.
    - `held`: whether an array feeds it that the function holds, so that its initial value is not known.
    - `free`: whether every entry of the matrix or kernel, and of the bias if there is one, is a parameter of its
      own that occurs nowhere else in the network. False for tied, scaled, or folded weights.

    Every norm is an `Interval` that contains the norm of A, rounding and radius included, whatever its
    magnitude.
    """

    label: str
    source: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    operator: Operator
    arrange: Int[np.ndarray, " used"] | None = None
    bias: Float64[np.ndarray, " out"]
    bias_radius: Float64[np.ndarray, " out"] | None = None
    has_bias: bool
    sharing: Int[np.ndarray, " out"] | None = None
    learned: bool = True
    held: bool = False
    free: bool = False
    _norms: dict[str, Interval] = field(default_factory=dict, init=False, repr=False)
    _methods: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _joint: dict[tuple[Any, ...], Interval] = field(default_factory=dict, init=False, repr=False)
    """The norms of this piece with others on the same input, by those others."""

    @property
    def in_size(self) -> int:
        """How many numbers it takes."""
        return int(np.prod(self.in_shape))

    @property
    def out_size(self) -> int:
        """How many numbers it returns."""
        return int(np.prod(self.out_shape))

    @property
    def is_exact(self) -> bool:
        """Whether the stored numbers are the map itself."""
        return getattr(self.operator, "radius", None) is None and self.bias_radius is None

    @property
    def matrix(self) -> Float64[np.ndarray, "out in"]:
        """The unrolled matrix, made anew for a convolution: `out_size * in_size` numbers."""
        return self._scattered(self.operator.unrolled()[0])

    @property
    def radius(self) -> Float64[np.ndarray, "out in"] | None:
        """What is unknown of each entry of `matrix`; `None` where it is exact."""
        radius = self.operator.unrolled()[1]
        return None if radius is None else self._scattered(radius)

    @property
    def biases(self) -> int:
        """How many biases of their own it has."""
        if not self.has_bias:
            return 0
        return self.out_size if self.sharing is None else round(float(np.sum(1 / self.sharing)))

    def _scattered(self, matrix: np.ndarray) -> np.ndarray:
        if self.arrange is None:
            return matrix
        wide = np.zeros((matrix.shape[0], self.in_size))
        wide[:, self.arrange] = matrix
        wide.flags.writeable = False
        return wide

    def apply(self, x: Float64[Array | np.ndarray, "b in"]) -> Any:
        """The linear part on a batch of flat inputs, in float64."""
        if self.arrange is not None:
            x = x[:, self.arrange]
        return self.operator.apply(x.reshape(len(x), *self.operator.in_shape)).reshape(len(x), -1)

    def mv(self, x: Float[np.ndarray, "*in_shape"]) -> Float64[np.ndarray, "*out_shape"]:
        """The linear part of one input of shape `in_shape`, without the bias, in float64."""
        return self.apply(np.asarray(x, np.float64).reshape(1, -1)).reshape(self.out_shape)

    def transpose(self, y: Float[np.ndarray, "*out_shape"]) -> Float64[np.ndarray, "*in_shape"]:
        """The transpose of the linear part on one vector of shape `out_shape`, in float64."""
        flat = np.asarray(y, np.float64).reshape(1, *self.operator.out_shape)
        x = self.operator.adjoint(flat).reshape(-1)
        if self.arrange is not None:
            wide = np.zeros(self.in_size)
            wide[self.arrange] = x
            x = wide
        return x.reshape(self.in_shape)

    def __sub__(self, other: Affine) -> Affine:
        """The difference of two pieces of one form, such as to the same piece at initialization.

        Exact where the float64 subtractions are; otherwise their errors stand in the radius. Raises
        `NetworkError` if the shapes or the kinds of operators differ.
        """
        if (self.in_shape, self.out_shape) != (other.in_shape, other.out_shape) or (
            type(self.operator) is not type(other.operator) or not _same(self.arrange, other.arrange)
        ):
            raise NetworkError(
                [
                    f"layer `{self.label}` maps {self.in_shape} to {self.out_shape} and `{other.label}` maps "
                    f"{other.in_shape} to {other.out_shape}; only pieces of one shape have a difference"
                ]
            )
        bias, bias_radius = difference(self.bias, self.bias_radius, other.bias, other.bias_radius)
        return Affine(
            label=self.label,
            source=self.source,
            in_shape=self.in_shape,
            out_shape=self.out_shape,
            operator=self.operator - other.operator,  # type: ignore[operator]
            arrange=self.arrange,
            bias=bias,
            bias_radius=bias_radius,
            has_bias=self.has_bias or other.has_bias,
            sharing=self.sharing,
            learned=self.learned,
            held=self.held or other.held,
        )

    def spectral_norm(self, gap: float | None = None) -> Interval:
        """The largest singular value.

        `gap`: the relative distance of the two ends that is asked for; `None` takes what the cheapest method gives,
        a few per cent for a convolution. `method` says which it was.
        """
        spectral_norms([self], gap)
        return self._norms["spectral"]

    def _lacks(self, gap: float | None) -> bool:
        """Whether the spectral norm is not known yet, or less well than `gap` and not for want of trying."""
        known = self._norms.get("spectral")
        if known is None:
            return True
        return gap is not None and not _within(known, gap) and f"{gap}" not in self._methods

    def _learn(self, norm: Interval, method: str, gap: float | None) -> None:
        known = self._norms.get("spectral", norm)
        self._norms["spectral"] = Interval(known.maximum(norm).lo, known.minimum(norm).hi)
        self._methods["spectral"] = self._methods[f"{gap}"] = method

    @property
    def method(self) -> str:
        """How the spectral norm was found, once it is."""
        return self._methods.get("spectral", "")

    def schur(self) -> Interval:
        """An upper bound of the spectral norm of |A|, entry by entry."""
        return self._once("schur", self.operator.schur)

    def frobenius_norm(self) -> Interval:
        r"""$\|A\|_F = (\sum_{ij} A_{ij}^2)^{1/2}$."""
        return self._once("frobenius", self.operator.frobenius_norm)

    def row_norm_sum(self) -> Interval:
        r"""$\|A\|_{2,1} = \sum_i \|A_{i\cdot}\|_2$: the l2 norms of the rows (output units), summed."""
        return self._once("row_norm_sum", self.operator.row_norm_sum)

    def row_norm_max(self) -> Interval:
        r"""$\max_i \|A_{i\cdot}\|_2$: the operator norm from l2 to l-inf."""
        return self._once("row_norm_max", self.operator.row_norm_max)

    def column_norm_sum(self) -> Interval:
        r"""$\|A^T\|_{2,1}$: the l2 norms of the columns (input units), summed."""
        return self._once("column_norm_sum", self.operator.column_norm_sum)

    def kernel_norm_sum(self) -> Interval:
        r"""$\sum_{o,u,v} \|K_{o,\cdot,u,v}\|_2$ of a convolution's kernel, each position counted once.

        `row_norm_sum` of a dense map.
        """
        if isinstance(self.operator, Convolution):
            return self._once("kernel_norm_sum", self.operator.kernel_norm_sum)
        return self.row_norm_sum()

    def weight_norm(self) -> Interval:
        """The Frobenius norm of the matrix or the kernel itself: a shared weight counts once."""
        if isinstance(self.operator, Convolution):
            kernel, radius = self.operator.kernel, self.operator.radius
            flat = kernel.reshape(-1, kernel.shape[-1])
            flat_radius = None if radius is None else radius.reshape(flat.shape)
            return self._once("weight", lambda: enclose(frobenius, flat, flat_radius))
        return self.frobenius_norm()

    def inf_norm(self) -> Interval:
        r"""$\|A\|_{1,\infty} = \max_i \sum_j |A_{ij}|$: the operator norm from l-inf to l-inf."""
        return self._once("inf", self.operator.inf_norm)

    def one_norm(self) -> Interval:
        r"""$\max_j \sum_i |A_{ij}|$: the operator norm from l1 to l1."""
        return self._once("one", self.operator.one_norm)

    def entry_sum(self) -> Interval:
        r"""$\|A\|_{1,1} = \sum_{ij} |A_{ij}|$."""
        return self._once("entry_sum", self.operator.entry_sum)

    def bias_norm(self, order: int = 2) -> Interval:
        """The l1 or l2 norm of the bias; [0, 0] without one. Raises `ValueError` for another order."""
        norms = {1: entry_sum, 2: frobenius}
        if order not in norms:
            raise ValueError(f"a bias has norms of order 1 and 2; received {order}")
        row, radius = self.bias[None], None if self.bias_radius is None else self.bias_radius[None]
        return self._once(f"bias {order}", lambda: enclose(norms[order], row, radius))

    def bias_mass(self) -> Interval:
        r"""$\sum_c \sqrt{P_c} |b_c|$ over the biases of their own, $P_c$ the outputs that share one.

        The l1 norm of the bias of a dense layer.
        """
        if self.sharing is None:
            return self.bias_norm(1)
        return self._once("bias mass", self._bias_mass)

    def _bias_mass(self) -> Interval:
        assert self.sharing is not None
        total = Interval(0)
        for positions in np.unique(self.sharing):
            where = self.sharing == positions
            radius = None if self.bias_radius is None else self.bias_radius[where][None]
            total = (
                total + enclose(entry_sum, self.bias[where][None], radius) / Interval(int(positions)).sqrt()
            )
        return total

    def _once(self, name: str, compute: Callable[[], Interval]) -> Interval:
        if name not in self._norms:
            self._norms[name] = compute()
        return self._norms[name]


def spectral_norms(pieces: Sequence[Affine], gap: float | None = None) -> tuple[Interval, ...]:
    """The spectral norms of several pieces: those of convolutions on all cores at once."""
    missing = [piece for piece in pieces if piece._lacks(gap)]
    maps = [piece.operator for piece in missing if isinstance(piece.operator, Convolution)]
    found = iter(convolution_norm.spectral_norms(maps, gap) if maps else ())
    for piece in missing:
        operator = piece.operator
        norm, method = next(found) if isinstance(operator, Convolution) else operator.spectral_norm(gap)
        piece._learn(norm, method, gap)
    return tuple(piece._norms["spectral"] for piece in pieces)


def _within(x: Interval, gap: float) -> bool:
    return bool(Interval(x.hi) <= Interval(x.lo) * (1 + Interval(gap)))


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))
