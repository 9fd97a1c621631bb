"""`Axis`: which cells of one map axis a convolution reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Output cell r reads input cell `r stride - low + u dilation` at tap u, if that lies in `range(size)`.

    `low` and `high` count the zeros put before and behind the map; a negative number crops it. Raises
    `ValueError` if no output cell is left.
    """

    size: int
    taps: int
    stride: int = 1
    low: int = 0
    high: int = 0
    dilation: int = 1

    def __post_init__(self) -> None:
        if min(self.size, self.taps, self.stride, self.dilation) < 1:
            raise ValueError(f"size, taps, stride and dilation must be at least 1; received {self}")
        if self.size + self.low + self.high < self.extent:
            raise ValueError(f"the kernel must fit into the padded map; received {self}")

    @property
    def extent(self) -> int:
        """How many neighbouring cells the taps span."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def out(self) -> int:
        """The number of output cells."""
        return (self.size + self.low + self.high - self.extent) // self.stride + 1

    @property
    def frame(self) -> int:
        """How many cells of the padded map all windows together span."""
        return (self.out - 1) * self.stride + self.extent

    def reads(self) -> Int[np.ndarray, "out taps"]:
        """The input cell that each output cell reads at each tap; outside the map it is padding."""
        return np.arange(self.out)[:, None] * self.stride + np.arange(self.taps) * self.dilation - self.low

    def valid(self) -> Bool[np.ndarray, "out taps"]:
        """Where `reads` lies in the map."""
        reads = self.reads()
        return (reads >= 0) & (reads < self.size)

    def hits(self) -> Bool[np.ndarray, "size taps"]:
        """Whether some output cell (there is at most one) reads an input cell at a tap."""
        out, taps = np.nonzero(self.valid())
        hits = np.zeros((self.size, self.taps), bool)
        hits[self.reads()[out, taps], taps] = True
        return hits

    def inside(self) -> tuple[slice, int, int]:
        """The cells of the map that lie in the frame, and the zeros of the frame before and behind them."""
        start = min(max(-self.low, 0), self.size)
        stop = min(max(self.frame - self.low, start), self.size)
        before = min(max(self.low, 0), self.frame)
        return slice(start, stop), before, self.frame - before - (stop - start)

    def window(self, tap: int) -> slice:
        """The cells of the frame that the output cells read at one tap."""
        start = tap * self.dilation
        return slice(start, start + (self.out - 1) * self.stride + 1, self.stride)

    def compact(self, used: Bool[np.ndarray, " taps"]) -> tuple[Axis, slice]:
        """The axis of an operator with the same nonzero singular values, and its range of taps.

        Dropped are taps, output cells and input cells at either end that meet only padding, or only taps
        whose kernel is zero (`used` false), and the input cells between strides that no window reads: if
        stride and dilation share a divisor, a single residue class is read. Nothing else is paired anew, for
        the pairs (output cell, tap) inside the remaining ranges are those from before. At least one of the
        pairs must be valid. `low` and `high` of the result are not negative.
        """
        out, taps = np.nonzero(self.valid() & used)
        cells = self.reads()[out, taps]
        first, last, start, stop = int(taps.min()), int(taps.max()), int(out.min()), int(out.max())
        one_tap, one_cell = first == last, start == stop
        # A single tap has no dilation and a single output cell no stride: each takes the other's step.
        stride = 1 if one_tap and one_cell else self.dilation if one_cell else self.stride
        dilation = 1 if one_tap and one_cell else self.stride if one_tap else self.dilation
        step = math.gcd(stride, dilation)
        size = (int(cells.max()) - int(cells.min())) // step + 1
        offset = start * self.stride + first * self.dilation - self.low - int(cells.min())
        axis = Axis(
            size=size,
            taps=last - first + 1,
            stride=stride // step,
            dilation=dilation // step,
            low=-(offset // step),
            high=max(self.frame, size),
        )
        span = (stop - start) * axis.stride + axis.extent
        return replace(axis, high=span - size - axis.low), slice(first, last + 1)
