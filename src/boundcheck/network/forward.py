"""The logits of a network in float64, with a bound of every rounding on the way.

The radius travels with the value: through an affine piece as |A| r, plus what the float64 product itself errs
by (`gam(n)` times |A| |h|, any summation order), through ReLU unchanged. Two matrix products a layer.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from .affine import Affine
from .rounding import TINY, U, gam, inflate

_RELATIVE = 1e-10
"""Radii below this fraction of their entry are treated as a relative error: one matrix product less."""


class Forward:
    """An affine piece made ready to be applied to batches."""

    __slots__ = ("_affine", "_reach", "_relative", "_spread")

    def __init__(self, affine: Affine) -> None:
        self._affine = affine
        self._reach = np.abs(affine.matrix)
        """|A|, entry by entry, an upper bound."""
        self._relative = 0.0
        self._spread: np.ndarray | None = None
        if affine.radius is not None:
            self._reach = inflate(self._reach + affine.radius, 1)
            ratio = np.divide(
                affine.radius, self._reach, out=np.zeros_like(self._reach), where=self._reach > 0
            )
            worst = float(ratio.max(initial=0.0)) * (1 + 4 * U)
            if worst <= _RELATIVE:
                self._relative = worst
            else:
                self._spread = affine.radius

    def __call__(
        self, h: Float64[np.ndarray, "b n"], r: Float64[np.ndarray, "b n"] | None
    ) -> tuple[Float64[np.ndarray, "b m"], Float64[np.ndarray, "b m"]]:
        """Values and radii after the piece, from values and radii (`None`: exact) before it."""
        piece = self._affine
        n = h.shape[1]
        absolute = np.abs(h)
        # |A h' - fl(matrix h)| <= |A| |h' - h| + |A - matrix| |h| + gam(n) |matrix| |h|
        error = absolute * (gam(n + 2) + self._relative)
        if r is not None:
            error += r
        radius = error @ self._reach.T
        if self._spread is not None:
            radius += absolute @ self._spread.T
        value = h @ piece.matrix.T
        if piece.has_bias:
            value += piece.bias
            radius += np.abs(value) * U
            if piece.bias_radius is not None:
                radius += piece.bias_radius
        return value, inflate(radius, 2 * n + 8) + (n + 2) * TINY


def relu(
    h: Float64[np.ndarray, "b n"], r: Float64[np.ndarray, "b n"] | None
) -> tuple[Float64[np.ndarray, "b n"], Float64[np.ndarray, "b n"] | None]:
    """max(h, 0) with its radii: unchanged, and 0 where the exact value is certainly not positive."""
    return np.maximum(h, 0), None if r is None else np.where(h <= -r, 0.0, r)
