"""The spectral norm of a convolution with its zero-padded borders, both ends certified.

Below: ||A v||/||v|| of a Lanczos vector. Above, from cheap to dear, each tried only if the one before leaves a wider
gap than asked for: the norm on a torus; certificates at t, just above the lower end, on a cylinder, whose borders
are those of one axis; the banded certificate at t on the map itself. Small operators and those that act on each
position alone are dense matrices.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from ..interval import Interval
from .circular import Torus, best_twist, closed_sizes, scalar_uppers
from .convolution import Convolution
from .lanczos import Lanczos
from .sheet import Cylinder, sheet, sheet_cost
from .spectral import power_of_two
from .spectral import spectral_norm as dense_spectral_norm

LIMIT: Final = 2e12
"""Floating-point operations beyond which the banded certificate is not tried: about a minute of one core."""

_ROUGH: Final = 0.02
"""How far above the lower end another group may reach before it is looked into, where no gap is asked for."""

_CHEAP: Final = 1e9
"""Operations below which the banded certificate is tried before cylinders."""

_TORUS: Final = "Lanczos vector below, norm on a torus above"
_BANDED: Final = "Lanczos vector below, banded Cholesky certificate above"

_DENSE_SIDE: Final = 600
_DENSE_ENTRIES: Final = 2**21


def spectral_norm(
    convolution: Convolution, gap: float | None = None, limit: float = LIMIT
) -> tuple[Interval, str]:
    """The largest singular value, and the method that gave the ends in a few words.

    **Arguments.** `gap`: how far apart, relatively, the ends of the norm of `kernel` may lie; `None` takes what
    a few Lanczos steps and one torus give. `limit`: of the operations of one banded certificate; where it would
    be exceeded the ends stay wider, and the method says so. A radius widens both ends by the norm that its own
    convolution can have at most.
    """
    norm, method = _exact(convolution, gap, limit)
    return widened(norm, convolution), method


def widened(norm: Interval, convolution: Convolution) -> Interval:
    """The norms within the radius of a convolution, from that of its kernel."""
    if convolution.radius is None:
        return norm
    around = replace(convolution, kernel=convolution.radius, radius=None)
    margin = (around.one_norm() * around.inf_norm()).sqrt().minimum(around.frobenius_norm())
    return Interval((norm - margin).maximum(0).lo, (norm + margin).hi)


def spectral_norms(
    convolutions: Sequence[Convolution], gap: float | None = None, limit: float = LIMIT
) -> list[tuple[Interval, str]]:
    """`spectral_norm` of each, on all cores: a thread a convolution, with BLAS on one thread each."""
    order = sorted(range(len(convolutions)), key=lambda k: -_estimate(convolutions[k]))
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {k: pool.submit(spectral_norm, convolutions[k], gap, limit) for k in order}
        return [jobs[k].result() for k in range(len(convolutions))]


def _estimate(convolution: Convolution) -> float:
    return sheet_cost(convolution)[0] / convolution.groups**2


def _exact(convolution: Convolution, gap: float | None, limit: float) -> tuple[Interval, str]:
    """The norm of `kernel`: the greatest over the groups, whose bounds are sharpened only while they matter."""
    compact = convolution.compact()
    if compact is None:
        return Interval(0), "zero kernel"
    parts = list(_parts(compact))
    lower = Interval(0)
    while True:
        top = max(parts, key=lambda part: part.upper.hi)
        aim = lower * (1 + Interval(_ROUGH if gap is None else gap))
        if top.done or top.upper.hi <= aim.lo:
            break
        lower = lower.maximum(top.refine(lower, gap, limit).lo)
    return Interval(lower.lo, top.upper.hi), top.method


class _Part:
    """One group, compact, its kernel scaled to [1/2, 1) by `exponent`, and what is known of its norm.

    `upper.hi` is an upper end of the norm of the unscaled group.
    """

    def __init__(self, convolution: Convolution, upper: Interval | None = None) -> None:
        exponent = power_of_two(convolution.kernel)
        self.scaled = replace(convolution, kernel=np.ldexp(convolution.kernel, -exponent))
        self.scale = Interval(2) ** exponent
        self.upper = self._one_inf().sqrt() * self.scale if upper is None else upper
        self.method = _TORUS if upper is not None else "root of the largest row and column sums"
        self.done = False
        self._lanczos: Lanczos | None = None

    def _one_inf(self) -> Interval:
        return self.scaled.one_norm() * self.scaled.inf_norm()

    def improve(self, upper: Interval, method: str) -> None:
        """Take an upper end, of the unscaled group, if it is better."""
        if upper.hi < self.upper.hi:
            self.upper, self.method = upper, method

    def refine(self, known: Interval, gap: float | None, limit: float) -> Interval:
        """Sharpen the upper end; an interval whose `lo` is a lower end of the norm comes back.

        `known`: a lower end of the norm of the whole convolution.
        """
        if gap is not None and self._lanczos is None and known > 0 and self._lies_below(known, gap):
            self.done = True
            return Interval(0)
        dense = _dense(self.scaled)
        if dense is not None:
            norm = dense_spectral_norm(dense) * self.scale
            self.improve(norm, "Cholesky certificate of the matrix")
            self.done = True
            return norm
        if self._lanczos is None:
            return self._explore(gap)
        self.done = True
        if gap is None:
            return Interval(0)
        return self._certify(self._lanczos, known, gap, limit)

    def _lies_below(self, known: Interval, gap: float) -> bool:
        """Whether a cheap certificate shows at once that another group has the greater norm."""
        cost, by_input = sheet_cost(self.scaled)
        t = float((known / self.scale).lo) * (1 + 0.7 * gap)
        band = sheet(self.scaled, by_input) if cost < _CHEAP else None
        if band is None or not band.succeeds(t * t):
            return False
        self.improve(band.enclosed(t * t, self._one_inf()) * self.scale, _BANDED)
        return True

    def _explore(self, gap: float | None) -> Interval:
        self._lanczos = lanczos = Lanczos(self.scaled)
        lanczos.run(*((1e-3, 3) if gap is None else (6e-3 * gap, 5)))
        rows, columns = self.scaled.axes
        torus = Torus(
            convolution=self.scaled,
            sizes=(closed_sizes(rows), closed_sizes(columns)),
            twist=best_twist(self.scaled, lanczos.vector()),
        )
        self.improve(torus.upper() * self.scale, _TORUS)
        return lanczos.lower() * self.scale

    def _certify(self, lanczos: Lanczos, known: Interval, gap: float, limit: float) -> Interval:
        """Certificates at 0.7 gap above the lower end; a failure may be that of a lower end too low."""
        lower = (lanczos.lower() * self.scale).maximum(known)
        cost, by_input = sheet_cost(self.scaled)
        t = float((lower / self.scale).lo) * (1 + 0.7 * gap)
        if cost > _CHEAP and self._cylinders(t, lanczos, cost):
            return lower
        if cost > limit:
            self.method += f" (a banded certificate would need {cost:.0e} operations)"
            return lower
        band = sheet(self.scaled, by_input)
        for excess in (0.7, 0.7, 1.4, 2.8):
            t = float((lower / self.scale).lo) * (1 + excess * gap)
            if band.succeeds(t * t):
                found = band.enclosed(t * t, self._one_inf()) * self.scale
                self.improve(found, _BANDED)
                return lower
            lanczos.run(0.0, limit=50)
            lower = (lanczos.lower() * self.scale).maximum(lower)
            if self.upper.hi <= (lower * (1 + Interval(gap))).lo:
                break
        return lower

    def _cylinders(self, t: float, lanczos: Lanczos, budget: float) -> bool:
        """Whether a cylinder certifies t, tried while that costs little beside the banded certificate."""
        vector = lanczos.vector()
        for cylinder, stride in _closed(self.scaled):
            tau, band = stride * t * t, None
            for k in cylinder.frequencies(vector):
                band = cylinder.band(int(k))
                budget -= 20 * band.flops
                if budget < 0:
                    return False
                if not band.succeeds(tau):
                    break
            else:
                assert band is not None
                found = cylinder.upper(tau, band) * self.scale
                self.improve(found, "Lanczos vector below, Cholesky certificates on a cylinder above")
                return True
        return False


def _closed(convolution: Convolution) -> Iterator[tuple[Cylinder, int]]:
    """Cylinders worth a try, with the stride along the circle."""
    for more in range(4):
        for axis in (0, 1):
            along = convolution.axes[axis]
            for twist in (True, False):
                yield Cylinder(convolution, axis, closed_sizes(along, more), twist), along.stride


def _parts(compact: Convolution) -> Iterator[_Part]:
    """The groups that are not zero."""
    if compact.groups == 1:
        yield _Part(compact)
        return
    width = compact.kernel.shape[3] // compact.groups
    scalar = width == compact.kernel.shape[2] == 1
    alone = replace(compact, groups=1, kernel=compact.kernel[..., :width])
    uppers = scalar_uppers(compact) if scalar else [None] * compact.groups
    for g, upper in enumerate(uppers):
        group = replace(alone, kernel=compact.kernel[..., g * width : (g + 1) * width]).compact()
        if group is not None:
            yield _Part(group, upper)


def _dense(convolution: Convolution) -> np.ndarray | None:
    """A matrix of the same norm, if it is small or if the convolution acts on each position alone.

    Along an axis with one tap the operator is block diagonal with equal blocks; where one output cell reads
    everything, taps are columns; where one input cell is all there is, they are rows.
    """
    kernel = convolution.kernel
    columns, rows = [2], [3]
    for k, axis in enumerate(convolution.axes):
        if axis.taps == 1 or axis.out == 1:
            columns.append(k)
        elif axis.size == 1:
            rows.append(k)
        elif min(convolution.in_size, convolution.out_size) > _DENSE_SIDE or (
            convolution.in_size * convolution.out_size > _DENSE_ENTRIES
        ):
            return None
        else:
            return convolution.matrix()
    return kernel.transpose(*rows, *columns).reshape(int(np.prod([kernel.shape[k] for k in rows])), -1)
