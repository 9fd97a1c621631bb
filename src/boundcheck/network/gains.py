"""Two recursions over the graph of a network: how large the inputs of each layer are, and what an error after it does.

A *layer* is an affine piece with parameters, or several that read one value and are concatenated afterwards: the rows
of one matrix. Everything else is fixed. With a bound s_i on the norm of layer i, the norm R of a value and the
coefficient of an error e_i made right after layer i go through the graph alike:

| node | norm R | coefficients of the errors |
| --- | --- | --- |
| layer i | s_i R + the norm of its bias | s_i times those of its input, and 1 for e_i |
| other affine map | its norm times R + the norm of its constant | its norm times |
| nonlinearity | its Lipschitz constant times | the same |
| concatenation | root of the sum of squares; of branches of one layer the largest | the same, error by error |
| sum | sum | sum |

Both are nondecreasing in every norm, so the ends of their intervals are their values at the ends. Proof:
docs/theory/spectral-cover.md, "The graph rule".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..interval import Interval
from .affine import Affine
from .dense import Dense
from .graph import Input, Join, Network
from .nonlinear import Nonlinearity
from .term import Term, stacked_norm

Rule = Callable[[Sequence[Interval]], Interval]

Layers = tuple[tuple[int, ...], ...]
"""For each layer the positions of its pieces in `Network.nodes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """`inputs[i]`: a bound on the l2 norm of what layer i reads. `effects[i]`: the l2 error of the logits per unit of l2
    error after layer i, before the nonlinearity that follows."""

    inputs: tuple[Interval, ...]
    effects: tuple[Interval, ...]


def separate(network: Network) -> Layers:
    """Every affine piece with parameters a layer of its own."""
    return tuple((p,) for p in _learned(network))


def stacked(network: Network) -> Layers:
    """The same, but pieces that read one value and whose outputs, or nonlinearities of them, a concatenation joins are
    one layer. Read off the graph alone."""
    group = {p: p for p in _learned(network)}
    for node in network.nodes:
        if not isinstance(node.operation, Join) or not node.operation.disjoint:
            continue
        first: dict[int, int] = {}
        for p in sorted({p for i in node.inputs if (p := branch(network, i)) is not None}):
            if group[p] == p:
                group[p] = first.setdefault(network.nodes[p].inputs[0], p)
    # A piece may have been taken as the first of a group before it joined another one.
    roots = {p: _root(group, p) for p in group}
    return tuple(tuple(p for p in group if roots[p] == root) for root in sorted(set(roots.values())))


def _root(group: dict[int, int], p: int) -> int:
    while group[p] != p:
        p = group[p]
    return p


def branch(network: Network, position: int) -> int | None:
    """The piece with parameters that a value is the output of, or nonlinearities with one input of it; None for others."""
    node = network.nodes[position]
    while isinstance(node.operation, Nonlinearity) and len(node.inputs) == 1:
        (position,) = node.inputs
        node = network.nodes[position]
    return position if isinstance(node.operation, Affine) and node.operation.learned else None


def layer_norm(network: Network, layer: Sequence[int]) -> Interval:
    """The spectral norm of the pieces of a layer on top of each other."""
    pieces = pieces_of(network, layer)
    if len(pieces) == 1:
        return pieces[0].spectral_norm()
    dense = [
        piece.operator for piece in pieces if isinstance(piece.operator, Dense) and piece.arrange is None
    ]
    if len(dense) == len(pieces):
        radii = [np.zeros_like(d.matrix) if d.radius is None else d.radius for d in dense]
        matrix, radius = np.concatenate([d.matrix for d in dense]), np.concatenate(radii)
        return Dense(matrix=matrix, radius=radius if radius.any() else None).spectral_norm()[0]
    return stacked_norm([Term(piece=piece, parts=(Term(source=0),)) for piece in pieces], None)


def pieces_of(network: Network, layer: Sequence[int]) -> tuple[Affine, ...]:
    """The affine pieces at these positions."""
    found = (network.nodes[p].operation for p in layer)
    return tuple(piece for piece in found if isinstance(piece, Affine))


def gains(
    network: Network,
    layers: Layers,
    norms: Sequence[Interval],
    constants: Sequence[Interval],
    x: Interval,
) -> Gains:
    """The two recursions.

    **Arguments.** For each layer: `norms`, a bound on its spectral norm, and `constants`, one on the l2 norm of what it
    adds (all output units). `x`: a bound on the l2 norm of the input, of one example or root mean square over several: the
    recursion holds for both, by the triangle inequality.
    """
    layer_of = {p: i for i, layer in enumerate(layers) for p in layer}
    sizes: list[Interval] = []
    errors: list[dict[int, Interval]] = []
    inputs: dict[int, Interval] = {}
    for position, node in enumerate(network.nodes):
        before = [sizes[i] for i in node.inputs]
        carried = [errors[i] for i in node.inputs]
        match node.operation:
            case Input():
                size, error = x, {}
            case Affine() if position in layer_of:
                i = layer_of[position]
                inputs[i] = before[0]
                size = norms[i] * before[0] + constants[i]
                error = {**_scaled(carried[0], norms[i]), i: Interval(1)}
            case Affine() as piece:
                norm = piece.spectral_norm()
                size = norm * before[0] + piece.bias_norm(2)
                error = _scaled(carried[0], norm)
            case Nonlinearity() as f:
                size = f.lipschitz * _root_of_squares(before)
                error = _scaled(_merged(carried, _root_of_squares), f.lipschitz)
            case Join(disjoint=True):
                parts = _parts(network, layer_of, node.inputs)
                size = _root_of_squares([_largest([sizes[i] for i in part]) for part in parts])
                error = _merged(
                    [_merged([errors[i] for i in part], _largest) for part in parts], _root_of_squares
                )
            case Join():
                size, error = _sum(before), _merged(carried, _sum)
        sizes.append(size)
        errors.append(error)
    last = errors[-1]
    return Gains(
        inputs=tuple(inputs[i] for i in range(len(layers))),
        effects=tuple(last.get(i, Interval(0)) for i in range(len(layers))),
    )


def _learned(network: Network) -> list[int]:
    return [
        p
        for p, node in enumerate(network.nodes)
        if isinstance(node.operation, Affine) and node.operation.learned
    ]


def _parts(network: Network, layer_of: dict[int, int], inputs: Sequence[int]) -> list[list[int]]:
    """The inputs of a concatenation; different branches of one layer together, as blocks of its one output."""
    parts: list[list[int]] = []
    of_layer: dict[int, tuple[list[int], set[int]]] = {}
    for i in inputs:
        piece = branch(network, i)
        part, pieces = of_layer.setdefault(layer_of[piece], ([], set())) if piece is not None else ([], set())
        if piece in pieces:
            # The same block once more is not part of the one output.
            parts.append([i])
            continue
        if not part:
            parts.append(part)
        part.append(i)
        if piece is not None:
            pieces.add(piece)
    return parts


def _scaled(error: dict[int, Interval], factor: Interval) -> dict[int, Interval]:
    return {i: factor * e for i, e in error.items()}


def _merged(parts: Sequence[dict[int, Interval]], rule: Rule) -> dict[int, Interval]:
    """The coefficients of several values, error by error; one that a value does not depend on is 0 there."""
    return {i: rule([part[i] for part in parts if i in part]) for i in sorted(set().union(*parts))}


def _sum(parts: Sequence[Interval]) -> Interval:
    return sum(parts[1:], start=parts[0])


def _largest(parts: Sequence[Interval]) -> Interval:
    largest = parts[0]
    for part in parts[1:]:
        largest = largest.maximum(part)
    return largest


def _root_of_squares(parts: Sequence[Interval]) -> Interval:
    if len(parts) == 1:
        return parts[0]
    return sum((part * part for part in parts), start=Interval(0)).sqrt()
