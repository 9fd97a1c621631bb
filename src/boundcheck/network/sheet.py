"""The banded operators of a convolution: the map itself, and the map closed to a cylinder.

`sheet` is F F' for the convolution as it is, rows and columns of the map bounded by padding. `cylinders` close one
axis to a circle, as `circular` closes both: each frequency along the circle leaves a complex convolution along
the other axis, whose band is far narrower. Their norms bound that of the convolution from above; the gap that
remains is that of one axis.
"""

from __future__ import annotations

import numpy as np

from ..interval import Interval
from .axis import Axis
from .banded import Band, Pattern, incidence, patterns
from .circular import phases, symbol_error
from .convolution import Convolution


def sheet(convolution: Convolution, by_input: bool) -> Band:
    """A A' (or A'A, `by_input`) in the order (row, column, channel), the shorter axis of the map second."""
    kernel, (rows, columns) = convolution.kernel, convolution.axes
    if _cells(columns, by_input) > _cells(rows, by_input):
        kernel, rows, columns = kernel.transpose(1, 0, 2, 3), columns, rows
    taps = kernel if by_input else kernel.transpose(0, 1, 3, 2)
    kh, kw, q, n = taps.shape
    flat = np.ascontiguousarray(taps).reshape(kh * kw * q, n)
    products = (flat @ flat.T).reshape(kh, kw, q, kh, kw, q)
    outer, inner = patterns(incidence(rows, by_input)), patterns(incidence(columns, by_input))

    def block(pattern: Pattern) -> np.ndarray:
        summed = sum(products[u, :, :, v] for u, v in pattern)
        assert isinstance(summed, np.ndarray)
        whole = np.zeros((len(inner), q, len(inner), q))
        known: dict[Pattern, np.ndarray] = {}
        for x, row in enumerate(inner):
            for d, pairs in enumerate(row):
                if pairs:
                    whole[x, :, x - d] = _known(known, pairs, summed)
                    if d:
                        mirrored = tuple((v, u) for u, v in pairs)
                        whole[x - d, :, x] = _known(known, mirrored, summed)
        return whole.reshape(len(inner) * q, len(inner) * q)

    reach, side = len(outer[0]) - 1, len(inner[0]) - 1
    return Band(
        patterns=outer,
        block=block,
        size=len(inner) * q,
        width=(reach * len(inner) + side) * q + q - 1,
        terms=kh * kw * n,
    )


def _known(known: dict[Pattern, np.ndarray], pairs: Pattern, summed: np.ndarray) -> np.ndarray:
    if pairs not in known:
        known[pairs] = np.add.reduce([summed[u, :, v] for u, v in pairs])
    return known[pairs]


def _cells(axis: Axis, by_input: bool) -> int:
    return axis.size if by_input else axis.out


def sheet_cost(convolution: Convolution) -> tuple[float, bool]:
    """The floating-point operations of the cheaper of both sheets, and whether that is the one `by_input`."""
    return min((_cost(convolution, by_input), by_input) for by_input in (False, True))


def _cost(convolution: Convolution, by_input: bool) -> float:
    i, o = convolution.kernel.shape[2:]
    sizes = []
    for axis in convolution.axes:
        reach = (axis.taps - 1) * axis.dilation // (1 if by_input else axis.stride)
        sizes.append((_cells(axis, by_input), reach))
    (long, reach), (short, side) = sorted(sizes, reverse=True)
    q = i if by_input else o
    return long * short * q * float((min(reach, long - 1) * short + side + 1) * q) ** 2


class Cylinder:
    """The convolution with one axis of the map (`axis`: 0 or 1) closed to a circle of length `size`.

    `twist`: whether it is closed with a change of sign, which shifts its frequencies by half a step.
    """

    def __init__(self, convolution: Convolution, axis: int, size: int, twist: bool) -> None:
        self._axes = convolution.axes[1 - axis], convolution.axes[axis]
        self._kernel = convolution.kernel if axis == 1 else convolution.kernel.transpose(1, 0, 2, 3)
        self._axis, self._size, self._twist = axis, size, twist
        stride = self._axes[1].stride
        q = (stride * self._kernel.shape[2], self._kernel.shape[3])
        self._by_input = q[0] * self._axes[0].size < q[1] * self._axes[0].out

    def frequencies(self, vector: np.ndarray) -> np.ndarray:
        """One frequency of each conjugate pair; first those that carry most of a map [1, h, w, c]."""
        stride, n = self._axes[1].stride, self._size
        maps = np.moveaxis(vector[0], self._axis, 0)
        turn = np.exp(-1j * np.pi * self._twist * np.arange(len(maps)) / n)
        energy = (np.abs(np.fft.fft(maps * turn[:, None, None], n, axis=0)) ** 2).sum(axis=(1, 2))
        classes = n // stride
        energy = energy.reshape(stride, classes).sum(axis=0)
        k = np.arange(classes)
        mirror = (-k - self._twist) % classes
        keep = k[k <= mirror]
        return keep[np.argsort(-(energy + energy[mirror])[keep])]

    def upper(self, tau: float, band: Band) -> Interval:
        """The end that success at `tau` at all frequencies proves; `band` is that of any of them."""
        across, around = self._axes
        # A modulus is at most the sum over the taps around the circle, up to rounding: hence the 2.
        sums = np.abs(self._kernel).sum(axis=(0, 1))
        one_inf = Interval(float(sums.sum(axis=0).max())) * Interval(float(sums.sum(axis=1).max()))
        unscaled = band.enclosed(tau, 2 * around.stride * one_inf)
        # The error of a symbol holds for each tap along the axis that is not closed.
        return unscaled / Interval(around.stride).sqrt() + across.taps * symbol_error(self._kernel)

    def band(self, frequency: int) -> Band:
        """The complex band of one frequency, before the factor 1/sqrt(stride)."""
        across, around = self._axes
        classes = self._size // around.stride
        f = phases(self._size, frequency + classes * np.arange(around.stride), self._twist, around)
        # [kh, kw, i, o] to [kh, stride i, o]
        taps = np.einsum("av,uvio->uaio", f, self._kernel)
        taps = taps.reshape(across.taps, -1, self._kernel.shape[3])
        taps = taps if self._by_input else taps.transpose(0, 2, 1)
        kh, q, n = taps.shape
        flat = np.ascontiguousarray(taps).reshape(kh * q, n)
        products = (flat @ flat.conj().T).reshape(kh, q, kh, q)
        rows = patterns(incidence(across, self._by_input))
        return Band(
            patterns=rows,
            block=lambda pattern: np.add.reduce([products[u, :, v] for u, v in pattern]),
            size=q,
            width=(len(rows[0]) - 1) * q + q - 1,
            terms=kh * n,
            dtype=np.complex128,
        )
