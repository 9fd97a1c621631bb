"""The kernel path norm: what norms of kernels alone say of path norms, one number a value of the network.

A value of the network is cut into cells: a position of a feature map with all its channels, or a dense layer as a whole.
Let m be the masses of the hybrid path norm (`path.py`) and T a bound of the l2 norm of m over any one cell. Cauchy and
Schwarz over the h w cells of a window give a convolution T' = (sum_o ((h w)^(1/2) T |K_o|_F + |b_o|)^2)^(1/2), and so on to
the sum of the logits' masses: the number is never below the hybrid path norm (docs/theory/path-norm.md).

The form for convolutions alone is in Galanti, Xu, Galanti and Poggio (2023, arXiv:2301.12033). Which entries share a cell
changes the number, not that it bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int

from ..interval import Interval
from .affine import Affine
from .convolution import Convolution
from .dense import Dense, power
from .graph import Input, Join, Network
from .nonlinear import Maximum, MaxPool, Nonlinearity, Slopes
from .path import first_layers
from .rounding import TINY, gam


def kernel_path_norm(network: Network) -> Interval:
    """An enclosure of the number, for a network that has path norms; what other nonlinearities do is not asked."""
    values: list[_Celled] = []
    first = first_layers(network)
    for position, node in enumerate(network.nodes):
        before = [values[i] for i in node.inputs]
        match node.operation:
            case Input(shape=shape):
                values.append(_input(shape))
            case Affine() as piece:
                last = position == len(network.nodes) - 1
                values.append(_through(piece, before[0], first=position in first, last=last))
            case Nonlinearity() as f:
                values.append(_over(f, before))
            case Join() as join:
                values.append(_joined(join, before))
    return values[-1].total


@dataclass(frozen=True, slots=True, eq=False)
class _Celled:
    """A bound T of the l2 norm of the masses in any one cell; `cells[e]` is the cell of entry e, 0 and up.

    `logits`: the sum of the masses itself, where it is known better than by T.
    """

    bound: Interval
    cells: Int[np.ndarray, " size"]
    logits: Interval | None = None

    @property
    def total(self) -> Interval:
        """A bound of the sum of all masses: a cell of s entries has at most s^(1/2) T."""
        if self.logits is not None:
            return self.logits
        return self.bound * sum((Interval(int(s)).sqrt() for s in np.bincount(self.cells)), Interval(0))


def _input(shape: tuple[int, ...]) -> _Celled:
    """Every coordinate has mass 1; a pixel is a cell where the last of three axes holds the channels."""
    size = int(np.prod(shape))
    channels = shape[2] if len(shape) == 3 else size
    return _Celled(Interval(channels).sqrt(), np.arange(size) // max(1, channels))


# Affine pieces --------------------------------------------------------------------------------------------------------


def _through(piece: Affine, x: _Celled, *, first: bool, last: bool) -> _Celled:
    cells = x.cells if piece.arrange is None else x.cells[piece.arrange]
    operator = piece.operator
    if isinstance(operator, Convolution):
        out = np.arange(operator.out_size) // operator.out_shape[2]
        if _is_fixed_per_channel(piece, cells):
            return _Celled(x.bound * _largest_tap_sum(operator) + _Units.of_bias(piece).root(), out)
        units = _Units.of_filters(piece)
        t = Interval(1) if first else x.bound * Interval(_cells_of_a_window(operator, cells)).sqrt()
        return _Celled(units.after(t), out)
    if isinstance(operator, Dense):
        units = _Units.of_rows(piece, np.zeros_like(cells) if first else cells)
        t = Interval(1) if first else x.bound
        out = np.zeros(operator.matrix.shape[0], np.intp)
        return _Celled(units.after(t), out, units.sum_after(t) if last else None)
    moved = _gathered(_Celled(x.bound, cells), operator.index[:, None])
    # A selection copies; what it adds is bounded as if all of it stood in one cell.
    return _Celled(moved.bound + _Units.of_bias(piece).root(), moved.cells)


def _is_fixed_per_channel(piece: Affine, cells: np.ndarray) -> bool:
    """Whether the piece is an average pool or its like: no parameters, channel by channel, on cells that stay apart."""
    operator = piece.operator
    assert isinstance(operator, Convolution)
    channels = operator.in_shape[2]
    alone = operator.groups == channels == operator.out_shape[2]
    return not piece.learned and alone and _cells_of_a_position(operator, cells) == 1


def _largest_tap_sum(operator: Convolution) -> Interval:
    """sum_(u,v) max_o |K_uvo|: by the triangle inequality what each cell's norm is multiplied by."""
    (low, high), exponent = _ends(operator.kernel, operator.radius)
    return _sums(low.max(axis=(2, 3)), high.max(axis=(2, 3)), exponent)


def _cells_of_a_position(operator: Convolution, cells: np.ndarray) -> int:
    """The largest number of cells that the channels of one position of the convolution's input are in."""
    by_channel = np.sort(cells.reshape(-1, operator.in_shape[2]), axis=1)
    return 1 + int((np.diff(by_channel, axis=1) > 0).sum(axis=1).max(initial=0))


def _cells_of_a_window(operator: Convolution, cells: np.ndarray) -> int:
    """A bound of the number of cells that one output reads: h w where a position is a cell."""
    return operator.kernel.shape[0] * operator.kernel.shape[1] * _cells_of_a_position(operator, cells)


@dataclass(frozen=True, slots=True)
class _Units:
    """Units o with mass a_o t + b_o: the sums of a^2, a b and b^2 over one cell, and those of a and b."""

    aa: Interval
    ab: Interval
    bb: Interval
    a: Interval
    b: Interval

    @classmethod
    def of(cls, gains: tuple[np.ndarray, np.ndarray], exponent: int, piece: Affine, terms: int) -> _Units:
        """From ends of every a_o, in units of 2**exponent, that `terms` roundings went into."""
        slack = gam(terms + 4)
        low, high = gains[0] * (1 - 2 * slack), gains[1] * (1 + 2 * slack)
        (b_low, b_high), b_exponent = _bias(piece)
        return cls(
            aa=_sums(low * low, high * high, 2 * exponent),
            ab=_sums(low * b_low, high * b_high, exponent + b_exponent),
            bb=_sums(b_low * b_low, b_high * b_high, 2 * b_exponent),
            a=_sums(low, high, exponent),
            b=_sums(b_low, b_high, b_exponent),
        )

    @classmethod
    def of_filters(cls, piece: Affine) -> _Units:
        """a_o = |K_o|_F."""
        assert isinstance(piece.operator, Convolution)
        (low, high), exponent = _ends(piece.operator.kernel, piece.operator.radius)
        gains = [np.sqrt(_squares(ends).sum(axis=(0, 1, 2))) for ends in (low, high)]
        return cls.of((gains[0], gains[1] + _LOST), exponent, piece, low[..., 0].size + 2)

    @classmethod
    def of_rows(cls, piece: Affine, cells: np.ndarray) -> _Units:
        """a_o = sum over the cells of the l2 norm of row o there."""
        assert isinstance(piece.operator, Dense)
        (low, high), exponent = _ends(piece.operator.matrix, piece.operator.radius)
        order = np.argsort(cells, kind="stable")
        starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
        gains = [
            np.sqrt(np.add.reduceat(_squares(ends)[:, order], starts, axis=1)).sum(axis=1)
            for ends in (low, high)
        ]
        lost = _LOST * len(starts)
        return cls.of((gains[0], gains[1] + lost), exponent, piece, low.shape[1] + len(starts) + 2)

    @classmethod
    def of_bias(cls, piece: Affine) -> _Units:
        """No weights: what is added alone."""
        none = np.zeros(_bias(piece)[0][0].shape)
        return cls.of((none, none), 0, piece, 0)

    def root(self) -> Interval:
        """The l2 norm of b."""
        return self.bb.sqrt()

    def after(self, t: Interval) -> Interval:
        """(sum_o (a_o t + b_o)^2)^(1/2)."""
        return (self.aa * t * t + 2 * self.ab * t + self.bb).maximum(0).sqrt()

    def sum_after(self, t: Interval) -> Interval:
        """sum_o (a_o t + b_o)."""
        return self.a * t + self.b


_LOST: Final = 2.0**-500
"""More than the root of what a sum of fewer than 2^22 squares of numbers below 1 loses by underflow."""


def _squares(a: np.ndarray) -> np.ndarray:
    with np.errstate(under="ignore"):
        return a * a


def _ends(values: np.ndarray, radius: np.ndarray | None) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """Lower and upper ends of absolute values, of the shape given, divided by a power of two that makes the largest less than 1."""
    low, high = (power(values, radius, 1, least) for least in (True, False))
    exponent = int(np.frexp(high.max(initial=0.0))[1])
    with np.errstate(under="ignore"):
        return (np.ldexp(low, -exponent), np.ldexp(high, -exponent)), exponent


def _bias(piece: Affine) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """Ends of |b_o|: the largest over the positions of a channel."""
    ends, exponent = _ends(piece.bias, piece.bias_radius)
    if isinstance(piece.operator, Convolution):
        low, high = (a.reshape(-1, piece.operator.out_shape[2]).max(axis=0) for a in ends)
        return (low, high), exponent
    return ends, exponent


def _sums(low: np.ndarray, high: np.ndarray, exponent: int) -> Interval:
    """The sum of nonnegative numbers at most near 1 between two ends, times a power of two; a product each may underflow."""
    slack = gam(low.size + 4)
    lower = float(low.sum()) * (1 - 2 * slack)
    upper = float(high.sum()) * (1 + 2 * slack) + high.size * TINY * bool(high.any())
    return Interval(lower, upper) * Interval(2) ** exponent


# Everything else ------------------------------------------------------------------------------------------------------


def _over(f: Nonlinearity, before: list[_Celled]) -> _Celled:
    if isinstance(f, MaxPool):
        return _gathered(before[0], f.windows)
    if isinstance(f, Slopes):
        slope = Interval(max(1.0, abs(f.below), abs(f.above)))
        return _Celled(before[0].bound * slope, before[0].cells)
    return _added(before) if isinstance(f, Maximum) else before[0]


def _gathered(x: _Celled, windows: Int[np.ndarray, "out slots"]) -> _Celled:
    """Sums over windows, a slot after the other: entries whose windows read the same cells become a cell.

    A slot that copies no entry twice into a cell, and into each cell from one only, keeps the bound.
    """
    cells = _cells_read(x.cells, windows)
    factor = Interval(0)
    for read in windows.T:
        live = read >= 0
        if live.any():
            copies = _most(cells[live], read[live])
            sources = _most_distinct(cells[live], x.cells[read[live]])
            factor = factor + Interval(copies * sources).sqrt()
    return _Celled(x.bound * factor, cells)


def _cells_read(cells: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """A number for each tuple of cells, by first appearance: in the order of the map where there is one."""
    found = np.zeros(len(windows), np.intp)
    base = int(cells.max(initial=0)) + 2
    for read in windows.T:
        slot = np.where(read >= 0, cells[read], -1) + 1
        found = np.unique(found * base + slot, return_inverse=True)[1].reshape(-1)
    _, start, which = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(start), np.intp)
    rank[np.argsort(start)] = np.arange(len(start))
    return rank[which.reshape(-1)]


def _most(cells: np.ndarray, entries: np.ndarray) -> int:
    """How often one cell reads one entry, at most."""
    base = int(entries.max(initial=0)) + 1
    return int(np.unique(cells * base + entries, return_counts=True)[1].max())


def _most_distinct(cells: np.ndarray, sources: np.ndarray) -> int:
    """How many cells one cell reads from, at most."""
    base = int(sources.max(initial=0)) + 1
    return int(np.bincount(np.unique(cells * base + sources) // base).max())


def _joined(join: Join, before: list[_Celled]) -> _Celled:
    placed = []
    for x, places in zip(before, join.places, strict=True):
        cells = np.full(join.size, -1)
        cells[slice(None) if places is None else places] = x.cells
        placed.append(_Celled(x.bound, cells))
    if not join.disjoint:
        return _added(placed)
    cells = np.max([x.cells for x in placed], axis=0)
    squares = sum((x.bound * x.bound for x in placed), Interval(0))
    return _Celled(squares.sqrt(), cells + bool((cells < 0).any()))


def _added(values: list[_Celled]) -> _Celled:
    """The sum of values, cell by cell where all agree on their cells, in one cell where not; -1 is no entry."""
    cells = np.max([x.cells for x in values], axis=0)
    if any((x.cells != cells)[x.cells >= 0].any() for x in values):
        values = [_Celled(x.bound * _roots(x.cells), np.zeros_like(cells)) for x in values]
        cells = np.zeros_like(cells)
    total = sum((x.bound for x in values), Interval(0))
    return _Celled(total, cells + bool((cells < 0).any()))


def _roots(cells: np.ndarray) -> Interval:
    return Interval(len(np.unique(cells[cells >= 0]))).sqrt()
