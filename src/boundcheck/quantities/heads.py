"""The fully connected layers that end a network, and how many points they surely label in every way.

Explicit weights for layers whose entries are all free parameters (docs/theory/memorization.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ..network import Affine, Dense, Network, Relu


@dataclass(frozen=True, slots=True)
class Head:
    """Free dense layers with ReLU between them, the last of which gives the logits.

    `reads`: the position in `Network.nodes` of the value that they read. `pieces`: in order. `biased`: whether every
    layer has biases, and they are used; otherwise none is.
    """

    reads: int
    pieces: tuple[Affine, ...]
    biased: bool

    @property
    def hidden(self) -> tuple[int, ...]:
        """The widths of the hidden layers; without biases one unit of each carries a constant and is not counted."""
        return tuple(piece.out_size - (not self.biased) for piece in self.pieces[:-1])

    @property
    def dimension(self) -> int:
        """How many numbers of what it reads the first layer uses."""
        return self.pieces[0].operator.in_shape[0]

    @property
    def count(self) -> int:
        """So many points receive every labelling, if they are distinct (without biases: have distinct directions)."""
        return labelled_in_every_way(self.hidden)

    @property
    def name(self) -> str:
        """The widths of its layers and whether it has biases, in words."""
        widths = "-".join(str(piece.out_size) for piece in self.pieces)
        return f"fully connected layers {widths} {'with' if self.biased else 'without'} biases"


def heads_of(network: Network) -> tuple[Head, ...]:
    """The longest head all of whose layers have biases, and the longest whatever biases it has; those that exist."""
    heads = [_longest(network, biased) for biased in (True, False)]
    return tuple(head for head in heads if head is not None)


def _longest(network: Network, biased: bool) -> Head | None:
    readers = [0] * len(network.nodes)
    for node in network.nodes:
        for i in node.inputs:
            readers[i] += 1
    pieces: list[Affine] = []
    position, reads = len(network.nodes) - 1, -1
    while (piece := _dense(network, position, biased)) is not None:
        pieces.insert(0, piece)
        (reads,) = network.nodes[position].inputs
        between = network.nodes[reads]
        # Hidden units that something else reads, or that this layer does not read in order, are no part of a head.
        if not isinstance(between.operation, Relu) or readers[reads] > 1 or piece.arrange is not None:
            break
        (position,) = between.inputs
        if readers[position] > 1:
            break
    return Head(reads, tuple(pieces), biased) if pieces else None


def _dense(network: Network, position: int, biased: bool) -> Affine | None:
    piece = network.nodes[position].operation
    if not isinstance(piece, Affine) or not piece.free or not isinstance(piece.operator, Dense):
        return None
    return piece if piece.has_bias or not biased else None


def labelled_in_every_way(hidden: Sequence[int]) -> int:
    """The largest of C1 to C4 for these hidden widths: so many distinct points receive every labelling."""
    if not hidden or min(hidden) < 1:
        return 0
    depth = len(hidden)
    counts = [1 + max(hidden)]
    if depth == 2:
        counts.append(sum(hidden))
    elif depth >= 3 and min(hidden[1:-1]) >= 2:
        counts.append(sum(hidden) - 2 * (depth - 2))
    pairs = list(itertools.pairwise(hidden))
    counts += [((a + 1) // 2) * ((b + 1) // 2) for a, b in pairs]
    if depth >= 2 and min(hidden) >= 2:
        gains = [max(0, (a - 4) // 2) * max(0, (b - 1) // 2) for a, b in pairs]
        # The best choice of disjoint pairs of consecutive layers.
        best = [0, 0]
        for gain in gains:
            best.append(max(best[-1], best[-2] + gain))
        counts.append(best[-1])
    return max(counts)
