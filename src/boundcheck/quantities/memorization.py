"""How many of the actual training inputs the architecture can label in every way, whatever training finds.

Explicit constructions on the fully connected layers that end the network (docs/theory/shattering.md). They speak of all
real weights, and of the examples at hand: all labellings of N distinct inputs are realized, so that the Rademacher
complexity of the 0-1 loss class is at least N/(2n), and exactly known once N reaches their number.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from ..interval import Interval
from ..network import Affine, Dense, Network, Relu
from ..network.rounding import TINY, gam
from . import modular
from .quantity import Evidence, Quantity, measurement
from .study import Study

MOST_GROUPS: Final = 512
"""Groups of points for one hidden layer are tried up to this many: 128 groups of 469 images take some 20 seconds."""


@dataclass(frozen=True, slots=True)
class Head:
    """The fully connected layers that end a network: free dense layers with biases, ReLU between them.

    `reads`: the position of the value that they read; `pieces`: in order, the logits last.
    """

    reads: int
    pieces: tuple[Affine, ...]

    @property
    def hidden(self) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        return tuple(piece.out_size for piece in self.pieces[:-1])

    @property
    def dimension(self) -> int:
        """How many numbers of what it reads the first layer uses."""
        return self.pieces[0].operator.in_shape[0]


def head_of(network: Network) -> Head | None:
    """The longest head; None if the network does not end with such a layer."""
    readers: dict[int, int] = {}
    for node in network.nodes:
        for i in node.inputs:
            readers[i] = readers.get(i, 0) + 1
    position, pieces = len(network.nodes) - 1, []
    while True:
        node = network.nodes[position]
        piece = node.operation
        if not (isinstance(piece, Affine) and piece.free and piece.has_bias):
            break
        if not isinstance(piece.operator, Dense):
            break
        pieces.insert(0, piece)
        (reads,) = node.inputs
        before = network.nodes[reads]
        if not isinstance(before.operation, Relu) or readers[reads] > 1:
            return Head(reads, tuple(pieces))
        position = before.inputs[0]
        if readers[position] > 1:
            return Head(reads, tuple(pieces))
        candidate = network.nodes[position].operation
        if not (
            isinstance(candidate, Affine)
            and candidate.free
            and candidate.has_bias
            and isinstance(candidate.operator, Dense)
            and pieces[0].arrange is None
        ):
            return Head(reads, tuple(pieces))
    return None


def labelled_in_every_way(hidden: Sequence[int]) -> int:
    """The largest of C1 to C4: so many distinct inputs, whatever they are, receive every labelling."""
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


# The examples -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Groups:
    """The training examples by equal inputs: `first` indices of the distinct ones, `sizes` of the groups, whether equal
    inputs always carry equal labels."""

    first: np.ndarray
    sizes: np.ndarray
    consistent: bool


def groups_of(study: Study) -> Groups:
    """Equal inputs found by SHA-256 of their bytes (0.0 and -0.0 being one number); equality itself is then compared."""
    labels = study.run.sample("train").labels
    seen: dict[bytes, int] = {}
    first: list[int] = []
    sizes: list[int] = []
    consistent = True
    position = 0
    for batch in study.each_input():
        rows = batch.reshape(len(batch), -1) + 0.0
        for row in rows:
            key = hashlib.sha256(row.tobytes()).digest()
            group = seen.setdefault(key, len(first))
            if group == len(first):
                first.append(position)
                sizes.append(1)
            else:
                sizes[group] += 1
                consistent &= bool(labels[position] == labels[first[group]])
            position += 1
    return Groups(np.array(first), np.array(sizes), consistent)


def mean_absolute_sum(s: int) -> Fraction:
    """E |sigma_1 + ... + sigma_s| of independent fair signs: s C(s-1, floor((s-1)/2)) / 2^(s-1)."""
    return Fraction(s * math.comb(s - 1, (s - 1) // 2), 2 ** (s - 1))


def complexity_of(groups: Groups, points: int) -> Interval:
    """Rad_S(G) where `points` of the distinct inputs receive every labelling: docs/theory/shattering.md, (a) to (d)."""
    n, distinct = int(groups.sizes.sum()), len(groups.sizes)
    sizes, counts = np.unique(groups.sizes, return_counts=True)
    pairs = zip(sizes.tolist(), counts.tolist(), strict=True)
    whole = sum((mean_absolute_sum(s) * c for s, c in pairs), Fraction(0)) / (2 * n)
    most = whole if groups.consistent else Fraction(1, 2)
    if points >= distinct:
        return Interval(whole) if groups.consistent else Interval(Fraction(distinct, 2 * n), most)
    return Interval(Fraction(points, 2 * n), most)


# What a head can do with them ---------------------------------------------------------------------------------------


def memorized(study: Study, groups: Groups) -> int:
    """How many distinct training inputs surely receive every labelling."""
    head = head_of(study.network)
    if head is None:
        return 0
    count, distinct = labelled_in_every_way(head.hidden), len(groups.first)
    if head.reads != 0:
        return min(count, _separated(study, head)) if count else 0
    if not head.hidden:
        return _by_rank(study, head, groups)
    if count < distinct:
        count = max(count, _by_hyperplanes(study, head, groups))
    return min(count, distinct)


def _used(study: Study, head: Head, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The inputs of the first layer for the examples `rows`, in batches of residues."""
    sample, arrange = study.run.sample("train"), head.pieces[0].arrange
    for start in range(0, len(rows), 2048):
        chosen = rows[start : start + 2048]
        low, high = int(chosen.min()), int(chosen.max()) + 1
        block = np.asarray(sample.inputs(low, high), np.float64).reshape(high - low, -1)[chosen - low]
        yield modular.residues(block if arrange is None else block[:, arrange])


def _by_rank(study: Study, head: Head, groups: Groups) -> int:
    """Without hidden layer: as many points as the inputs with a constant have rank, among the first 2 (d + 1)."""
    rows = groups.first[: 2 * (head.dimension + 1)]
    inputs = np.concatenate(list(_used(study, head, rows)))
    return modular.rank(np.concatenate([inputs, np.ones((len(inputs), 1), inputs.dtype)], axis=1))


def _by_hyperplanes(study: Study, head: Head, groups: Groups) -> int:
    """C7: the points covered by certified groups, four units of the first hidden layer each."""
    most, first = head.hidden[0] // 4, groups.first
    if not 1 <= most <= MOST_GROUPS:
        return 0
    size = min(head.dimension, -(-len(first) // most))
    inputs = np.concatenate(list(_used(study, head, first)))
    generator = np.random.Generator(np.random.Philox(key=[0xC7, len(first)]))
    order = generator.permutation(len(first))
    number = min(most, -(-len(first) // size))
    covered = 0
    for index in range(number):
        group = order[index * size : (index + 1) * size]
        covered += len(group) if _alone(inputs, group, generator) else 0
        study.progress("hyperplanes through groups of inputs", index + 1, number)
    return covered


def _alone(inputs: np.ndarray, group: np.ndarray, generator: np.random.Generator) -> bool:
    """Whether the group is affinely independent and no other input lies in its affine hull, certainly."""
    base = inputs[group[0]]
    differences = (inputs[group[1:]].astype(np.int64) - base) % modular.PRIME
    others = np.ones(len(inputs), bool)
    others[group] = False
    for _ in range(4):
        # A product is 0 by accident once in p times; then another hyperplane through the group is drawn.
        u = modular.normal_vector(differences, generator)
        if u is None:
            return False
        levels = modular.products(inputs, u[:, None])[:, 0]
        on = int(modular.products(base[None], u[:, None])[0, 0])
        others &= levels == on
        if not others.any():
            return True
    return False


def _separated(study: Study, head: Head) -> int:
    """How many features are certified pairwise distinct: their projections have disjoint enclosures."""
    network = study.network
    front = replace(network, nodes=network.nodes[: head.reads + 1], classes=network.nodes[head.reads].size)
    arrange = head.pieces[0].arrange
    direction = np.random.Generator(np.random.Philox(key=[0xD1, head.dimension])).normal(size=head.dimension)
    low, high = [], []
    done = 0
    for batch in study.each_input():
        values, radii = front.enclose(batch)
        if arrange is not None:
            values, radii = values[:, arrange], radii[:, arrange]
        with np.errstate(over="ignore", invalid="ignore"):
            at = values @ direction
            slack = gam(head.dimension + 4) * (np.abs(values) @ np.abs(direction))
            error = (radii @ np.abs(direction)) * (1 + gam(head.dimension + 4)) + slack * 1.01
        error = error + head.dimension * TINY
        low.append(at - error)
        high.append(at + error)
        done += len(batch)
        study.progress("features of the training inputs", done, study.run.sizes["train"])
    return disjoint(np.concatenate(low), np.concatenate(high))


def disjoint(low: np.ndarray, high: np.ndarray) -> int:
    """The largest number of pairwise disjoint intervals [low_i, high_i]; those that are not finite do not count."""
    known = np.isfinite(low) & np.isfinite(high)
    low, high = low[known], high[known]
    count, end = 0, -math.inf
    for i in np.argsort(high, kind="stable"):
        if low[i] > end:
            count, end = count + 1, float(high[i])
    return count


@measurement("training inputs that receive every labelling", whole=True)
def memorized_points(study: Study) -> Quantity:
    """N_S."""
    value = study.remember(
        "memorized-points",
        (study.run.digests["train"],),
        lambda: Interval(memorized(study, groups_of(study))),
    )
    return Quantity(value=value, evidence=Evidence.EXACT, method=_method(study))


@measurement("Rademacher complexity of the 0-1 loss class, by memorization", at_most=0.5)
def memorization_complexity(study: Study) -> Quantity:
    """Rad_S(G) >= N_S/(2n), and known exactly once all distinct inputs receive every labelling."""
    points = study.measure(memorized_points).value
    assert isinstance(points, Interval)
    value = study.remember(
        "memorization-complexity",
        (study.run.digests["train"],),
        lambda: complexity_of(groups_of(study), points.integers()[0]),
    )
    return Quantity(value=value, evidence=Evidence.EXACT, method=_method(study))


def _method(study: Study) -> str:
    """How the count is known, from the architecture alone."""
    head = head_of(study.network)
    if head is None:
        return "the network does not end with a free fully connected layer with biases: nothing claimed"
    if not head.hidden:
        return (
            f"rank of the inputs with a constant, modulo {modular.PRIME}"
            if head.reads == 0
            else "no hidden layer at its end: nothing claimed"
        )
    widths = "-".join(map(str, head.hidden))
    where = "distinct inputs" if head.reads == 0 else "features certified distinct at the trained weights"
    return f"explicit weights for the hidden layers {widths} on {where}"
