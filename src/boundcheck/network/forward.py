"""The logits of a network in float64, with a bound of every rounding on the way.

Through dense layers a bound r of |exact - computed| travels with every entry: an affine piece A makes of it
|A| r plus what its own product errs by, gam(m + 2) |A| |h|, m the products in each sum, in any order (Higham 2002,
section 3.5). From the first convolution, pooling or sum on it is one number an example, a bound of the l2 distance:

    ||fl(A h) - A h'|| <= ||A|| r + gam(m + 2) || |A| || ||h|| + ||radius|| ||h||,

m the roundings that a product goes through (the channels of one tap and the taps, for a convolution), and a nonlinearity multiplies it by its Lipschitz constant, so that the cost is that of a float64 forward pass. On an
accelerator the same lines run there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float64, Shaped

from ..errors import NetworkError
from . import device
from .affine import Affine
from .convolution import Convolution
from .dense import Dense
from .nonlinear import Nonlinearity, Relu
from .rounding import TINY, U, gam

if TYPE_CHECKING:
    from .graph import Join, Network

_NUMBERS: Final = 2**20
"""Entries of the largest value that one thread works on at once: 8 MB, which a cache may hold."""


def enclose(
    network: Network, x: Shaped[np.ndarray, "batch ..."]
) -> tuple[Float64[np.ndarray, "batch k"], Float64[np.ndarray, "batch k"]]:
    """See `Network.enclose`."""
    x = np.asarray(x)
    if x.shape[1:] != network.in_shape or x.ndim != len(network.in_shape) + 1:
        raise NetworkError([f"inputs have shape {x.shape}; the network takes (batch, *{network.in_shape})"])
    if not np.can_cast(x.dtype, np.float64) or x.dtype in (np.int64, np.uint64):
        # NumPy calls the cast of 64-bit integers safe, but it rounds those above 2^53.
        raise NetworkError([f"inputs have dtype {x.dtype}; give float32 or float64"])
    network.spectral_norms()
    steps = [_Step(node.operation) if isinstance(node.operation, Affine) else None for node in network.nodes]
    batch = max(1, min(8192, _NUMBERS // max(node.size for node in network.nodes)))
    logits, radii = (np.zeros((len(x), network.classes)) for _ in range(2))

    def work(start: int) -> None:
        rows = slice(start, start + batch)
        h = x[rows].reshape(len(x[rows]), -1).astype(np.float64)
        if not np.isfinite(h).all():
            raise NetworkError(["inputs have entries that are not finite; remove these examples"])
        with np.errstate(all="ignore"):
            y, r = device.run(lambda h: _forward(network, steps, h), h)
        r = r if r.ndim == 2 else np.broadcast_to(r[:, None], y.shape)
        known = np.isfinite(y) & np.isfinite(r)
        logits[rows], radii[rows] = np.where(known, y, 0.0), np.where(known, r, np.inf)

    device.share(work, range(0, len(x), batch))
    return logits, radii


def _forward(network: Network, steps: list[_Step | None], h: Any) -> tuple[Any, Any]:
    """Logits [b, k] and radii, [b, k] or [b], for a batch of flat inputs [b, n] that are exact."""
    last = {i: position for position, node in enumerate(network.nodes) for i in node.inputs}
    values = {0: (h, 0.0 * h)}
    for position, (node, step) in enumerate(zip(network.nodes[1:], steps[1:], strict=True), 1):
        before = [values[i] for i in node.inputs]
        if step is not None:
            values[position] = step(*before[0])
        elif isinstance(node.operation, Nonlinearity):
            values[position] = _bend(node.operation, before)
        else:
            values[position] = _join(node.operation, before)  # type: ignore[arg-type]
        for i in set(node.inputs):
            if last[i] == position:
                del values[i]
    return values[len(network.nodes) - 1]


class _Step:
    """An affine piece made ready to be applied to batches."""

    __slots__ = ("_absolute", "_bias_radius", "_norm", "_piece", "_reach", "_unknown")

    def __init__(self, piece: Affine) -> None:
        self._piece = piece
        operator = piece.operator
        self._norm = _up(piece.spectral_norm().hi)
        self._absolute = _up(piece.schur().hi) * gam(operator.roundings + 2) + TINY
        self._unknown = 0.0
        if isinstance(operator, Dense | Convolution) and operator.radius is not None:
            self._unknown = _up(_radius_of(operator).schur().hi)
        self._bias_radius = 0.0 if piece.bias_radius is None else _up(_norm_of(piece.bias_radius[None])[0])
        self._reach = operator.power(1).matrix if isinstance(operator, Dense) else None
        """|A| of a dense piece, entry by entry, an upper bound."""

    def __call__(self, h: Any, r: Any) -> tuple[Any, Any]:
        """Values and radii after the piece, from values and radii before it."""
        piece = self._piece
        value = piece.apply(h)
        entries = self._reach is not None and r.ndim == 2
        radius = self._by_entry(h, r) if entries else self._by_norm(h, _as_norm(r))
        if piece.has_bias:
            value = value + piece.bias
            radius = radius + (U * abs(value) if entries else U * _norm_of(value))
        # What underflows: 2^-1022 for each product of each sum. What overflows is not known at all.
        radius = radius * (1 + 16 * U) + piece.out_size * (piece.operator.terms + 1) * TINY
        xp = value.__array_namespace__()
        finite = xp.isfinite(value)
        return value, xp.where(finite if entries else finite.all(axis=1), radius, np.inf)

    def _by_norm(self, h: Any, r: Any) -> Any:
        return self._norm * r + (self._absolute + self._unknown) * _norm_of(h) + self._bias_radius

    def _by_entry(self, h: Any, r: Any) -> Any:
        """|A h' - fl(matrix h)| <= |A| |h' - h| + |A - matrix| |h| + gam(n) |matrix| |h|."""
        operator, n = self._piece.operator, h.shape[1]
        assert isinstance(operator, Dense)
        assert self._reach is not None
        absolute = abs(h)
        radius = (absolute * gam(n + 2) + r + TINY) @ self._reach.T
        if operator.radius is not None:
            radius = radius + absolute @ operator.radius.T
        if self._piece.bias_radius is not None:
            radius = radius + self._piece.bias_radius
        return radius * (1 + 2 * gam(2 * n + 12))


def _radius_of(operator: Dense | Convolution) -> Dense | Convolution:
    assert operator.radius is not None
    if isinstance(operator, Dense):
        return Dense(matrix=operator.radius)
    return Convolution(
        kernel=operator.radius,
        groups=operator.groups,
        size=operator.size,
        stride=operator.stride,
        padding=operator.padding,
        dilation=operator.dilation,
    )


def _as_norm(r: Any) -> Any:
    """Radii of entries as one of their l2 norm."""
    return _norm_of(r) if r.ndim == 2 else r


def _bend(f: Nonlinearity, before: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    value = f.apply(*(h for h, _ in before))
    (h, radius), *others = before
    entries = f.elementwise and radius.ndim == 2
    if not entries:
        radius = sum(_as_norm(r) for _, r in before) if others else _as_norm(radius)
    radius = radius * _up(f.lipschitz.hi)
    if f.rounding:
        radius = radius + f.rounding * (abs(value) if entries else _norm_of(value)) + f.size * TINY
    if entries and isinstance(f, Relu):
        # The exact value is 0 as well where it is certainly not positive.
        radius = h.__array_namespace__().where((h <= -radius) & (radius < np.inf), 0.0, radius)
    return value, radius * (1 + 16 * U)


def _join(join: Join, before: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    parts = []
    for (h, _), places in zip(before, join.places, strict=True):
        if places is None:
            parts.append(h)
        else:
            # Placing is taking from the inverse permutation, with a column of zeros for what is not filled.
            source = np.full(join.size, h.shape[1])
            source[places] = np.arange(h.shape[1])
            zero = h.__array_namespace__().zeros((len(h), 1), dtype=h.dtype)
            parts.append(h.__array_namespace__().concat([h, zero], axis=1)[:, source])
    value = parts[0]
    for part in parts[1:]:
        value = value + part
    radii = [_as_norm(r) for _, r in before]
    # Not the root of the squares, which could vanish.
    radius = sum(radii)
    if not join.disjoint:
        radius = radius + gam(len(before)) * sum(_norm_of(p) for p in parts)
    return value, radius * (1 + 16 * U)


def _norm_of(h: Any) -> Any:
    """An upper bound of the l2 norm of each row; scaled, so that squares neither overflow nor vanish."""
    xp = h.__array_namespace__()
    top = abs(h).max(axis=1)
    scale = xp.where((top > 0) & (top < np.inf), top, 1.0)
    scaled = h / scale[:, None]
    return scale * (scaled * scaled).sum(axis=1) ** 0.5 * (1 + gam(h.shape[1] + 16)) + TINY


def _up(x: Any) -> float:
    """A float that is not below the upper end of an interval, or a float a little up."""
    return float(x) * (1 + 4 * U)
