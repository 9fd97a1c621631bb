"""Path norms of a network, by one forward pass with absolute weights that no number is too large for.

The l1 path norm is the sum, over all paths from an input coordinate or a bias to a logit, of the product of the absolute
weights on the path; the l2 path norm is the root of the sum of the squares of these products (Neyshabur, Tomioka and
Srebro 2015; for biases, max pooling and skips Gonon, Brisebarre, Riccietti and Gribonval 2024, arXiv:2310.01225,
definition A.3 of the path lifting). A max pool passes on the sum over its window, since every entry of the window is on a path of
its own. Every value is kept as numbers near 1 and one power of two, so that 1e+400 is an ordinary result.

The hybrid path norm takes the l2 norm of the weights of each unit that reads the input, and goes on as the l1 path norm
(docs/theory/path-norm.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..interval import Interval
from .affine import Affine
from .dense import power
from .nonlinear import Maximum, MaxPool, Nonlinearity, Relu, Slopes
from .rounding import TINY, gam

if TYPE_CHECKING:
    from .graph import Join, Network, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class PathNorms:
    """The path norms of the whole network, to the logits, enclosed."""

    l1: Interval
    l2: Interval
    hybrid: Interval


def first_layers(network: Network) -> frozenset[int]:
    """The positions of the pieces with parameters that read the input itself."""
    return frozenset(
        position
        for position, node in enumerate(network.nodes)
        if isinstance(node.operation, Affine) and node.operation.learned and node.inputs == (0,)
    )


def path_norms(network: Network) -> PathNorms | Refusal:
    """See `Network.path_norms`."""
    from .graph import Refusal

    reasons = [
        f"layer `{f.label}` is no ReLU, leaky ReLU, |x| or maximum (`{type(f).__name__}`, {f.source}): products of "
        "weights along paths say nothing of it"
        for f in network.nonlinear
        if not isinstance(f, Relu | Slopes | MaxPool | Maximum)
    ]
    if reasons:
        return Refusal(reasons=tuple(dict.fromkeys(reasons)))
    l1, squared, hybrid = (
        Interval(
            _mass(network, p, first, least=True).lo,
            _mass(network, p, first, least=False).hi,
        )
        for p, first in ((1, frozenset()), (2, frozenset()), (1, first_layers(network)))
    )
    return PathNorms(l1=l1, l2=squared.sqrt(), hybrid=hybrid)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """Nonnegative numbers `values * 2**exponent`, the largest in [1/2, 1) unless all are 0."""

    values: np.ndarray
    exponent: int

    @classmethod
    def of(cls, values: np.ndarray, exponent: int = 0) -> _Scaled:
        shift = int(np.frexp(values.max(initial=0.0))[1])
        return cls(np.ldexp(values, -shift), exponent + shift)

    def at(self, exponent: int) -> np.ndarray:
        """The numbers in units of a larger power of two; what vanishes is below 2^-1022 of it."""
        return np.ldexp(self.values, max(self.exponent - exponent, -3000))


def _mass(network: Network, p: int, first: frozenset[int], *, least: bool) -> Interval:
    """The sum over paths of the product of |weight|^p, as a bound from below (`least`) or from above.

    The units of the pieces at the positions `first` start with the l2 norm of their weights.
    """
    masses = [_Scaled.of(np.ones(network.nodes[0].size))]
    for position, node in enumerate(network.nodes[1:], 1):
        before = [masses[i] for i in node.inputs]
        match node.operation:
            case Affine() as piece if position in first:
                masses.append(_row_norms(piece, before[0], least))
            case Affine() as piece:
                masses.append(_through(piece, before[0], p, least))
            case Nonlinearity() as f:
                masses.append(_over(f, before, p, least))
            case join:
                masses.append(_placed(join, before, least))  # type: ignore[arg-type]
    end = masses[-1]
    total = Interval(float(end.values.sum())) * (1 + Interval(-1, 1) * gam(end.values.size + 2))
    return total * Interval(2) ** end.exponent


def _outward(values: np.ndarray, m: int, least: bool) -> np.ndarray:
    """Nonnegative sums of numbers near 1 or below, moved past m roundings and what m products lose by underflow."""
    return values * (1 - 2 * gam(m + 4)) if least else values * (1 + 2 * gam(m + 4)) + m * TINY


def _row_norms(piece: Affine, ones: _Scaled, least: bool) -> _Scaled:
    """The l2 norm of the weights of each unit, and the absolute bias."""
    squares = _linear(piece, ones, 2, least)
    # An even power of two has a root.
    odd = squares.exponent % 2
    roots = np.sqrt(np.ldexp(squares.values, odd))
    result = _Scaled.of(_outward(roots, 1, least), (squares.exponent - odd) // 2)
    return _biased(piece, result, 1, least)


def _through(piece: Affine, mass: _Scaled, p: int, least: bool) -> _Scaled:
    return _biased(piece, _linear(piece, mass, p, least), p, least)


def _linear(piece: Affine, mass: _Scaled, p: int, least: bool) -> _Scaled:
    operator = piece.operator.power(p, least)
    used = mass.values if piece.arrange is None else mass.values[piece.arrange]
    values = operator.apply(used.reshape(1, *operator.in_shape)).reshape(-1)
    return _Scaled.of(_outward(values, operator.terms, least), mass.exponent)


def _biased(piece: Affine, mass: _Scaled, p: int, least: bool) -> _Scaled:
    if not piece.has_bias:
        return mass
    bias = _Scaled.of(power(piece.bias, piece.bias_radius, p, least))
    return _sum([mass, bias], least)


def _over(f: Nonlinearity, masses: list[_Scaled], p: int, least: bool) -> _Scaled:
    if isinstance(f, MaxPool):
        padded = np.append(masses[0].values, 0.0)
        values = padded[f.windows].sum(axis=1)
        return _Scaled.of(_outward(values, f.windows.shape[1], least), masses[0].exponent)
    if isinstance(f, Slopes):
        slope = max(1.0, abs(f.below), abs(f.above)) ** p
        return _Scaled.of(_outward(masses[0].values * slope, p + 1, least), masses[0].exponent)
    return _sum(masses, least)


def _placed(join: Join, masses: list[_Scaled], least: bool) -> _Scaled:
    placed = []
    for mass, places in zip(masses, join.places, strict=True):
        values = np.zeros(join.size)
        values[slice(None) if places is None else places] = mass.values
        placed.append(_Scaled(values, mass.exponent))
    return _sum(placed, least)


def _sum(masses: list[_Scaled], least: bool) -> _Scaled:
    """The sum of values; one alone stays as it is."""
    if len(masses) == 1:
        return masses[0]
    live = [m for m in masses if m.values.any()]
    if not live:
        return masses[0]
    exponent = max(m.exponent for m in live)
    total = live[0].at(exponent)
    for mass in live[1:]:
        total = total + mass.at(exponent)
    return _Scaled.of(_outward(total, len(live) + 1, least), exponent)
