r"""`Band`: tau I - F F' of a block operator F with a narrow band, and whether Cholesky shows it positive.

F has one block row per cell x of an axis and $(F F^*)_{x,y} = \sum F_u F_{u'}^*$ over the pairs of taps (u, u') at
which x and y meet the same cell of the other side. That is nonzero for |x - y| <= `reach` only, so the
factorization needs a window of `reach` + 1 block rows at a time: only its success matters and nothing is stored.

If Cholesky of S, the computed tau I - F F', runs to the end with finite entries, then
$\|F\|^2 \le \tau (1 + 2u + \min(N, 2w + 1) c/(1 - c)) + \gamma\, \|F\|_1 \|F\|_\infty$, N its size, w its half
bandwidth: R'R = S + D with |D_ij| <= c ||r_i|| ||r_j|| inside the band and ||r_i||^2 <= tau/(1 - c), so ||D|| is at
most the largest row sum of that (Higham 2002, theorem 10.3). c = gam(4 (w + 8)) covers blocked kernels, twice
that complex arithmetic, and gamma = gam(m + 4), gam(4 m + 8), the rounding of entries that are sums of m products.
It holds for conventional matrix products only, not for Strassen's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.linalg
from jaxtyping import Int

from ..interval import Interval
from .axis import Axis
from .rounding import TINY, U, gam

_PANEL: Final = 256
_TILE: Final = 512

Pattern = tuple[tuple[int, int], ...]
"""The pairs of taps at which two cells meet a common cell."""


def incidence(axis: Axis, by_input: bool) -> Int[np.ndarray, "cells others"]:
    """The tap at which an output cell (an input cell, if `by_input`) meets each cell of the other side, or -1."""
    table = np.full((axis.out, axis.size), -1)
    out, taps = np.nonzero(axis.valid())
    table[out, axis.reads()[out, taps]] = taps
    return table.T if by_input else table


def patterns(table: Int[np.ndarray, "cells others"]) -> list[list[Pattern]]:
    """For each cell x the patterns of (x, x), (x, x - 1), ..., (x, x - reach), empty before the first cell."""
    count = len(table)
    rows = [
        [
            tuple((int(u), int(v)) for u, v in zip(table[x], table[x - d], strict=True) if min(u, v) >= 0)
            for d in range(x + 1)
        ]
        for x in range(count)
    ]
    reach = max((d for row in rows for d, pattern in enumerate(row) if pattern), default=0)
    return [[row[d] if d < len(row) else () for d in range(reach + 1)] for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """F F' of a block operator F.

    - `patterns`: as `patterns` gives them.
    - `block`: the dense block of F F' for a pattern, [size, size].
    - `size`: of a block.
    - `width`: half bandwidth in scalars.
    - `terms`: how many products an entry of F F' sums.
    - `dtype`: float64 or complex128.
    """

    patterns: list[list[Pattern]]
    block: Callable[[Pattern], np.ndarray]
    size: int
    width: int
    terms: int
    dtype: Any = np.float64

    @property
    def flops(self) -> float:
        """What a factorization costs at most."""
        weight = 4.0 if self.dtype == np.complex128 else 1.0
        n = len(self.patterns) * self.size
        return weight * n * min(n, self.width) ** 2

    def enclosed(self, tau: float, one_inf: Interval) -> Interval:
        """The upper end of ||F|| that success at `tau` proves; `one_inf` bounds the norms' product."""
        n, w = len(self.patterns) * self.size, self.width
        is_complex = self.dtype == np.complex128
        c = Interval(gam((8 if is_complex else 4) * (w + 8)))
        formed = gam(4 * self.terms + 8) if is_complex else gam(self.terms + 4)
        square = tau * (1 + Interval(2 * U) + min(n, 2 * w + 1) * c / (1 - c)) + formed * one_inf + TINY
        return square.sqrt()

    def succeeds(self, tau: float) -> bool:
        """Whether Cholesky of tau I - F F' runs to the end."""
        b, reach = self.size, len(self.patterns[0]) - 1
        window = np.zeros(((reach + 1) * b,) * 2, self.dtype)
        known: dict[int, tuple[Pattern, np.ndarray]] = {}
        count = len(self.patterns)
        for x in range(min(reach, count - 1) + 1):
            self._fill(window, x, x, tau, known)
        for x in range(count):
            active = min(reach + 1, count - x)
            if not _eliminate(window[: active * b, : active * b], b, self.width):
                return False
            keep = reach * b
            window[:keep, :keep] = window[b:, b:]
            if x + reach + 1 < count:
                self._fill(window, x + reach + 1, reach, tau, known)
        return True

    def matrix(self, tau: float) -> np.ndarray:
        """The lower triangle of tau I - F F', dense: for tests."""
        b, count = self.size, len(self.patterns)
        whole = np.zeros((count * b, count * b), self.dtype)
        for x in range(count):
            self._fill(whole, x, x, tau, {})
        return np.tril(whole)

    def _fill(
        self,
        window: np.ndarray,
        x: int,
        at: int,
        tau: float,
        known: dict[int, tuple[Pattern, np.ndarray]],
    ) -> None:
        """Write the block row of cell x as block row `at` of a window; a block is kept for the next row."""
        b = self.size
        for d, pattern in enumerate(self.patterns[x][: at + 1]):
            if d not in known or known[d][0] != pattern:
                block = -self.block(pattern) if pattern else np.zeros((b, b), self.dtype)
                if d == 0:
                    block[np.diag_indices(b)] += tau
                known[d] = pattern, block
            window[at * b : (at + 1) * b, (at - d) * b : (at - d + 1) * b] = known[d][1]


def _eliminate(window: np.ndarray, b: int, width: int) -> bool:
    """Factor the first b columns of the lower triangle and update the rest, inside the band; whether it worked."""
    trsm: Any = scipy.linalg.get_blas_funcs("trsm", (window,))
    n = len(window)
    for start in range(0, b, _PANEL):
        stop = min(start + _PANEL, b)
        try:
            corner = np.linalg.cholesky(window[start:stop, start:stop])
        except np.linalg.LinAlgError:
            return False
        if not np.isfinite(corner).all():
            return False
        end = min(n, stop + width)
        if end == stop:
            continue
        # Row-major arrays are BLAS's transposes: corner X' = (panel)' is solved in place of X corner' = panel.
        panel = np.ascontiguousarray(window[stop:end, start:stop].conj())
        panel = trsm(1.0, corner.T, panel.T, side=0, lower=0, trans_a=1, overwrite_b=1).T
        for k in range(0, end - stop, _TILE):
            part = np.ascontiguousarray(panel[k : k + _TILE].T)
            for i in range(k, end - stop, _TILE):
                tile = window[stop + i : min(stop + i + _TILE, end), stop + k : min(stop + k + _TILE, end)]
                tile -= panel[i : i + _TILE].conj() @ part
    return True
