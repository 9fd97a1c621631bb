"""`Lanczos`: a vector that a convolution stretches almost most, and the certified lower end it gives.

Golub and Kahan (1965, SIAM J. Numer. Anal. 2(2)) on the Gram operator of the smaller side, with full
reorthogonalization. Nothing is taken from the recurrence on trust: ||A v||/||v|| of the vector it proposes is a
lower bound of ||A|| for any v, up to the rounding of one product and two norms.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy.linalg
from jaxtyping import Float64

from ..interval import Interval
from . import device
from .convolution import Convolution
from .rounding import gam

_SEED: Final = 20240229
"""Of the start vector: one call, one result."""


class Lanczos:
    """The recurrence of one convolution, which can be continued.

    Its kernel must be scaled so that the largest entry lies in [1/2, 1), or squares could vanish.
    """

    def __init__(self, convolution: Convolution) -> None:
        self._convolution = convolution
        self._by_input = convolution.in_size <= convolution.out_size
        self._size = min(convolution.in_size, convolution.out_size)
        start = np.random.default_rng(_SEED).standard_normal(self._size)
        self._basis = np.empty((64, self._size))
        self._basis[0] = start / np.linalg.norm(start)
        self._diagonal: list[float] = []
        self._off: list[float] = []
        self._exhausted = False

    def run(self, growth: float, patience: int = 5, limit: int = 400) -> None:
        """Continue until the singular value grew by less than `growth`, relatively, over `patience` steps."""
        history = [0.0]
        for _ in range(limit):
            if self._exhausted:
                return
            self._step()
            # All values: LAPACK's search for the last one alone may come back with none.
            values = scipy.linalg.eigh_tridiagonal(*self._tridiagonal(), eigvals_only=True)
            history.append(np.sqrt(max(float(values[-1]), 0.0)))
            if len(history) > patience and history[-1] <= history[-1 - patience] * (1 + growth):
                return

    def lower(self) -> Interval:
        """A lower end of the norm (as an interval of which only `lo` means something)."""
        conv = self._convolution
        v = self.vector()
        entry = Interval(float(np.abs(conv.kernel).max()))
        length = float(np.linalg.norm(v))
        if not np.isfinite(length) or length == 0:
            return entry
        v = v / length
        kh, kw, i, _ = conv.kernel.shape
        image = Interval(float(np.linalg.norm(conv.apply(v)))) * (1 - Interval(gam(conv.out_size + 4)))
        size, slack = Interval(float(np.linalg.norm(v))), Interval(gam(conv.in_size + 4))
        lost = gam(kh * kw * i + 2) * (conv.one_norm() * conv.inf_norm()).sqrt() * size * (1 + slack)
        return ((image - lost) / Interval.hull(size * (1 - slack), size * (1 + slack))).maximum(entry)

    def vector(self) -> Float64[np.ndarray, "1 h w c"]:
        """The input map that is stretched most among those seen, not normalized."""
        conv = self._convolution
        _, vectors = scipy.linalg.eigh_tridiagonal(*self._tridiagonal())
        vector = vectors[:, -1] @ self._basis[: len(self._diagonal)]
        if self._by_input:
            return vector.reshape(1, *conv.in_shape)
        return conv.adjoint(vector.reshape(1, *conv.out_shape))

    def _step(self) -> None:
        k = len(self._diagonal)
        v = self._basis[k]
        w = self._gram(v)
        self._diagonal.append(float(v @ w))
        known = self._basis[: k + 1]
        for _ in range(2):
            w = w - (known @ w) @ known
        beta = float(np.linalg.norm(w))
        scale = max(self._diagonal)
        if k + 1 == self._size or not beta > 1e-12 * scale:
            self._exhausted = True
            return
        if k + 1 == len(self._basis):
            self._basis = np.concatenate([self._basis, np.empty_like(self._basis)])
        self._basis[k + 1] = w / beta
        self._off.append(beta)

    def _gram(self, v: np.ndarray) -> np.ndarray:
        conv = self._convolution
        if self._by_input:
            return device.run(lambda x: conv.adjoint(conv.apply(x)), v.reshape(1, *conv.in_shape)).reshape(-1)
        return device.run(lambda y: conv.apply(conv.adjoint(y)), v.reshape(1, *conv.out_shape)).reshape(-1)

    def _tridiagonal(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self._diagonal), np.array(self._off[: len(self._diagonal) - 1])
