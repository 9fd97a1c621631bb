r"""`Torus`: a convolution with its map closed to a torus, whose norm is an upper bound.

Let N >= map + padding, N a multiple of the stride, along each axis. Every cell read outside the map falls modulo
N on a cell outside the map, so the convolution is A = S C P: P extends the map by zeros to the torus, C is
circular, S selects outputs. C is diagonal in Fourier space and subsampling by s is aliasing, hence

$\|A\| \le \max_\omega \frac{1}{\sqrt{s_h s_w}} \| [\hat K(\omega + (a N_h/s_h, b N_w/s_w))]_{a < s_h, b < s_w} \|$

with $\hat K(\omega) = \sum_{u,v} K_{u,v} e^{-2\pi i (u l_h \omega_1/N_h + v l_w \omega_2/N_w)}$ and the blocks side by
side (Sedghi, Gupta, Long 2019, ICLR, theorem 6, for stride 1 and the circular operator itself).

Multiplying cell z of the map by $e^{i\theta z}$ and output cell r by $e^{i\theta s r}$ changes no norm and multiplies
tap u of the kernel by $e^{i\theta u l}$, up to a constant phase. So the grid of frequencies can be shifted by any
$\theta$. Half a step along an axis closes it with a change of sign (`twist`): symmetric under conjugation as well,
and often sharper, for then the grid passes beside the peak of the symbol as the borders do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex128, Float64

from ..interval import Interval
from .axis import Axis
from .convolution import Convolution
from .rounding import TINY, U, gam

_BLOCK = 2**21
"""How many complex entries are worked on at a time."""


def closed_sizes(axis: Axis, more: int = 0) -> int:
    """The length of a circle that an axis can be closed to: the shortest one, or `more` strides longer."""
    need = axis.size + max(axis.low, axis.high, 0)
    return (-(-need // axis.stride) + more) * axis.stride


def phases(n: int, frequencies: np.ndarray, twist: bool, axis: Axis) -> Complex128[np.ndarray, "f taps"]:
    """exp(-2 pi i u l (k + twist/2)/n) for tap u and frequency k: off by at most 17u.

    The exponent is reduced in integers before any division: 15u then come from the angle and 2u from the
    functions, of which libm's err by less than one unit in the last place.
    """
    j = np.arange(axis.taps) * axis.dilation * (2 * frequencies[:, None] + twist) % (2 * n)
    table = np.array([complex(math.cos(math.pi * t / n), -math.sin(math.pi * t / n)) for t in range(2 * n)])
    return table[j]


@dataclass(frozen=True, slots=True, kw_only=True)
class Torus:
    """The torus of a convolution without groups whose kernel is scaled to [1/2, 1) and exact.

    `sizes`: lengths of both circles; `twist`: along which of them the frequencies are shifted by half a step.
    """

    convolution: Convolution
    sizes: tuple[int, int]
    twist: tuple[bool, bool] = (False, False)

    def upper(self) -> Interval:
        """An upper end of the norm of the convolution (as an interval of which only `hi` means something).

        Each Gram matrix P of a frequency is certified by a Cholesky factorization of tau I - P that runs to
        the end; eigenvalues only propose tau.
        """
        tau, largest = 0.0, 0.0
        for gram, traces in self._grams():
            largest = max(largest, float(traces.max()))
            tau = _certified(gram, tau)
        return self._enclosed(tau, largest)

    def _enclosed(self, tau: float, largest: float) -> Interval:
        """The end that Cholesky factorizations at `tau` of all frequencies give; `largest` of the traces.

        ||G||^2 <= tau (1 + 2u + q c/(1 - c)) + gam(4m + 8) |G|^2 with the Frobenius norm |G|, m terms a
        product and c = gam(8 (q + 8)): Higham (2002, theorem 10.3) with the constants of complex arithmetic
        (section 3.6) and of blocked kernels.
        """
        rows, columns = self.convolution.axes
        sides = (
            self.convolution.kernel.shape[2] * rows.stride * columns.stride,
            self.convolution.kernel.shape[3],
        )
        size, terms = min(sides), 2 * max(sides)
        c = Interval(gam(8 * (size + 8)))
        square = tau * (1 + Interval(2 * U) + size * c / (1 - c))
        square += gam(4 * terms + 8) * Interval(largest) * (1 + Interval(gam(2 * size * terms + 8))) + TINY
        error = symbol_error(self.convolution.kernel)
        return square.sqrt() / Interval(rows.stride * columns.stride).sqrt() + error

    def _grams(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Gram matrices [f, q, q] of frequencies, and their traces."""
        conv = self.convolution
        kh, kw, i, o = conv.kernel.shape
        taps = conv.kernel.reshape(kh * kw, i * o)
        (rows, columns), (nh, nw) = conv.axes, self.sizes
        classes = nh // rows.stride, nw // columns.stride
        first, second = _half(classes, self.twist)
        aliases = rows.stride * columns.stride
        for part in np.array_split(np.arange(len(first)), -(-len(first) * aliases * i * o // _BLOCK)):
            blocks = []
            for a, b in np.ndindex(rows.stride, columns.stride):
                e = phases(nh, first[part] + a * classes[0], self.twist[0], rows)
                f = phases(nw, second[part] + b * classes[1], self.twist[1], columns)
                ef = (e[:, :, None] * f[:, None, :]).reshape(len(part), -1)
                blocks.append((np.real(ef) @ taps, np.imag(ef) @ taps))
            re, im = (
                np.stack([block[k].reshape(-1, i, o) for block in blocks], axis=1).reshape(-1, aliases * i, o)
                for k in (0, 1)
            )
            yield _gram(re, im)


def best_twist(convolution: Convolution, vector: Float64[np.ndarray, "1 h w c"]) -> tuple[bool, bool]:
    """The closing whose frequencies share a nearly extremal map most evenly: they lie beside the peak, not on it."""
    rows, columns = convolution.axes
    sizes = closed_sizes(rows), closed_sizes(columns)
    peaks = {}
    for twist in ((False, False), (False, True), (True, False), (True, True)):
        turns = [
            np.exp(-1j * np.pi * t * np.arange(m) / n)
            for t, m, n in zip(twist, vector.shape[1:3], sizes, strict=True)
        ]
        turned = vector[0] * turns[0][:, None, None] * turns[1][:, None]
        peaks[twist] = float((np.abs(np.fft.fft2(turned, sizes, axes=(0, 1))) ** 2).sum(axis=2).max())
    return min(peaks, key=lambda twist: peaks[twist])


def scalar_uppers(convolution: Convolution) -> list[Interval]:
    """Upper ends of the norms of all groups, where each maps one channel to one: their blocks are rows.

    The kernel of each is scaled by itself. All four twists are tried.
    """
    kernel = convolution.kernel.reshape(-1, convolution.groups)
    exponents = np.frexp(np.abs(kernel).max(axis=0))[1]
    kernel = np.ldexp(kernel, -exponents)
    (rows, columns), groups = convolution.axes, convolution.groups
    sizes, aliases = (closed_sizes(rows), closed_sizes(columns)), rows.stride * columns.stride
    best = np.full(groups, np.inf)
    for twist in ((False, False), (False, True), (True, False), (True, True)):
        e = phases(sizes[0], np.arange(sizes[0]), twist[0], rows)
        f = phases(sizes[1], np.arange(sizes[1]), twist[1], columns)
        square = np.zeros((sizes[0] // rows.stride, sizes[1] // columns.stride, groups))
        for a, b in np.ndindex(rows.stride, columns.stride):
            part_e = e.reshape(rows.stride, -1, rows.taps)[a]
            part_f = f.reshape(columns.stride, -1, columns.taps)[b]
            ef = (part_e[:, None, :, None] * part_f[None, :, None, :]).reshape(-1, rows.taps * columns.taps)
            square += ((np.real(ef) @ kernel) ** 2 + (np.imag(ef) @ kernel) ** 2).reshape(square.shape)
        best = np.minimum(best, square.max(axis=(0, 1)))
    upper = np.sqrt(best / aliases) * (1 + gam(4 * aliases + 16)) + TINY
    upper += gam(2 * rows.taps * columns.taps + 64) * np.abs(kernel).sum(axis=0)
    upper *= 1 + gam(2 * rows.taps * columns.taps + 16)
    return [Interval(float(u)) * Interval(2) ** int(k) for u, k in zip(upper, exponents, strict=True)]


def symbol_error(kernel: np.ndarray) -> Interval:
    """A bound of the norm of the rounding of a symbol, from phases and sums.

    Every entry errs by at most gam(2 kh kw + 64) sum_{u,v} |K|, and the norm by the Frobenius norm of that.
    Side by side the s_h s_w blocks of a stride err sqrt(s_h s_w) times as much, which the normalization undoes.
    """
    kh, kw, i, o = kernel.shape
    sums = Interval(float(np.linalg.norm(np.abs(kernel).sum(axis=(0, 1)))))
    return gam(2 * kh * kw + 64) * sums * (1 + Interval(gam(kh * kw + i * o + 8)))


def _half(classes: tuple[int, int], twist: tuple[bool, bool]) -> tuple[np.ndarray, np.ndarray]:
    """One frequency of each pair that conjugation exchanges."""
    first, second = (k.ravel() for k in np.indices(classes))
    mirrored = ((-first - twist[0]) % classes[0]) * classes[1] + (-second - twist[1]) % classes[1]
    keep = first * classes[1] + second <= mirrored
    return first[keep], second[keep]


def _gram(
    re: Float64[np.ndarray, "f a b"], im: Float64[np.ndarray, "f a b"]
) -> tuple[Complex128[np.ndarray, "f q q"], Float64[np.ndarray, " f"]]:
    """The Gram matrices of the smaller side, in real products only, and their traces."""
    if re.shape[1] > re.shape[2]:
        re, im = re.transpose(0, 2, 1), im.transpose(0, 2, 1)
    both = np.concatenate([re, im], axis=2)
    turned = np.concatenate([im, -re], axis=2)
    back = np.ascontiguousarray(both.transpose(0, 2, 1))
    gram = np.empty((len(re), re.shape[1], re.shape[1]), np.complex128)
    gram.real = both @ back
    gram.imag = turned @ back
    return gram, np.einsum("fij,fij->f", both, both)


def _proposed(gram: np.ndarray, steps: int = 6) -> np.ndarray:
    """Lower estimates of the largest eigenvalues: a few power steps."""
    v = gram.sum(axis=2, keepdims=True)
    for _ in range(steps):
        v = gram @ v
        v /= np.linalg.norm(v, axis=1, keepdims=True) + TINY
    return np.linalg.norm(gram @ v, axis=(1, 2))


def _certified(gram: np.ndarray, tau: float, excess: float = 1e-9) -> float:
    """The least tau' >= tau found for which tau' I - P is certified for all matrices P of a stack."""
    order = np.argsort(-_proposed(gram))
    at = np.arange(gram.shape[1])
    for k in order:
        while True:
            shifted = -gram[k]
            shifted[at, at] += tau
            if tau > 0 and factors(shifted):
                break
            top = float(np.linalg.eigvalsh(gram[k])[-1])
            if not np.isfinite(top):
                return math.inf
            tau = max(top * (1 + excess), tau * (1 + excess), TINY)
            excess *= 4
    return tau


def factors(matrix: np.ndarray) -> bool:
    """Whether Cholesky's factorization of the lower triangle runs to the end with finite entries."""
    try:
        return bool(np.isfinite(np.linalg.cholesky(matrix)).all())
    except np.linalg.LinAlgError:
        return False
