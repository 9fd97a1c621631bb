"""How many of the actual training inputs the architecture can label in every way, whatever training finds.

Explicit constructions on the fully connected layers that end the network (docs/theory/memorization.md). They speak of all
real weights and of the inputs at hand: if N of them receive every labelling, the Rademacher complexity of the 0-1 loss
class is at least N/(2n), and it is known exactly once N reaches the number of distinct inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from jaxtyping import Int

from ..interval import Interval
from ..network import Network
from ..projection import inner_products, project
from . import modular
from .features import independent, separated
from .heads import Head, heads_of
from .hyperplanes import grouped
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study

MOST_GROUPS: Final = 512
"""At most so many groups on hyperplanes are tried: the time is some tenths of a second a group."""

_ROWS: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The training examples by equal inputs.

    `first`: one example of each group. `sizes`: how many each has. `consistent`: whether equal inputs always carry equal
    labels.
    """

    first: Int[np.ndarray, " g"]
    sizes: Int[np.ndarray, " g"]
    consistent: bool


def groups_of(study: Study) -> Groups:
    """Equal inputs, found by an exact projection and then compared entry by entry; 0.0 and -0.0 are one number."""
    sample = study.run.sample("train")
    same_as = np.array(project(sample).same_as)
    first, sizes = np.unique(same_as, return_counts=True)
    consistent = bool((sample.labels == sample.labels[same_as]).all())
    return Groups(first=first, sizes=sizes, consistent=consistent)


def mean_absolute_sum(s: int) -> Fraction:
    """E |sigma_1 + ... + sigma_s| of independent fair signs: s C(s-1, floor((s-1)/2)) / 2^(s-1)."""
    return Fraction(s * math.comb(s - 1, (s - 1) // 2), 2 ** (s - 1))


def complexity_of(groups: Groups, points: int) -> Interval:
    """Rad_S(G) where `points` of the distinct inputs receive every labelling: (a) to (d) of docs/theory/shattering.md."""
    n, distinct = int(groups.sizes.sum()), len(groups.sizes)
    sizes, counts = np.unique(groups.sizes, return_counts=True)
    pairs = zip(sizes.tolist(), counts.tolist(), strict=True)
    whole = sum((mean_absolute_sum(s) * c for s, c in pairs), Fraction(0)) / (2 * n)
    most = whole if groups.consistent else Fraction(1, 2)
    if points >= distinct and groups.consistent:
        return Interval(whole)
    return Interval(Fraction(min(points, distinct), 2 * n), most)


# What the heads of a network can do with them -------------------------------------------------------------------------


def memorized(study: Study, groups: Groups) -> int:
    """How many distinct training inputs surely receive every labelling."""
    best, distinct = 0, len(groups.first)
    heads = heads_of(study.network)
    for head in heads:
        # Without its biases a head does less, and a longer one may do more.
        if best < distinct and (head.biased or len(head.pieces) > len(heads[0].pieces) or len(heads) == 1):
            best = max(best, _labelled(study, head, groups, best))
    return min(best, distinct)


def _labelled(study: Study, head: Head, groups: Groups, best: int) -> int:
    exact = head.reads == 0 and head.dimension == study.network.nodes[0].size
    if not head.hidden:
        if not exact:
            return independent(study, study.network, head)
        rows = groups.first[: 2 * (head.dimension + 1)]
        inputs = np.concatenate(list(_residues(study, rows)))
        constant = np.ones((len(inputs), int(head.biased)), inputs.dtype)
        return modular.rank(np.concatenate([inputs, constant], axis=1))
    if min(head.hidden) < 1:
        return 0
    if not exact:
        if head.count <= best:
            return 0
        wanted, found = min(head.count, len(groups.first)), 0
        for network in _fronts(study):
            found = max(found, separated(study, network, head, wanted))
            if found >= wanted:
                break
        return min(head.count, found)
    rows, scales = (groups.first, None) if head.biased else directions_of(study)
    if head.count >= len(rows):
        return len(rows)
    most = min(head.hidden[0] // 4, MOST_GROUPS)
    return max(head.count, _on_hyperplanes(study, head, rows, scales, most))


def _fronts(study: Study) -> Iterator[Network]:
    """The network at weights that are at hand: what stands before a head may have any."""
    yield study.network
    try:
        yield study.initial
    except UnavailableError:
        return


def directions_of(study: Study) -> tuple[Int[np.ndarray, " g"], Int[np.ndarray, " g"]]:
    """Examples whose inputs have certainly distinct directions, and for each the residue of <u, x>, which is positive.

    u is a coordinate, or the sum of all, with one sign on the whole sample; without such a u there are none.
    """
    sample = study.run.sample("train")
    u = _one_sided(study)
    if u is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    levels, unit = inner_products(sample, u)
    scale = pow(2, unit, modular.PRIME)
    seen: dict[Fraction, int] = {}
    for i, (along, level) in enumerate(zip(project(sample).values, levels, strict=True)):
        # Equal quotients may be chance; they count once. A residue of 0 has no inverse.
        if level % modular.PRIME:
            seen.setdefault(Fraction(along, level), i)
    rows = sorted(seen.values())
    return np.array(rows), np.array([levels[i] * scale % modular.PRIME for i in rows])


def _one_sided(study: Study) -> Int[np.ndarray, " d"] | None:
    """A whole vector u with <u, x_i> > 0 on the whole sample: plus or minus a coordinate, or all of them; None if none is."""
    lowest = highest = sums = None
    for batch in study.each_input():
        rows = batch.reshape(len(batch), -1)
        low, high = rows.min(axis=0), rows.max(axis=0)
        lowest = low if lowest is None else np.minimum(lowest, low)
        highest = high if highest is None else np.maximum(highest, high)
    assert lowest is not None
    assert highest is not None
    u = np.zeros(len(lowest), np.int64)
    for ends, sign in ((lowest, 1), (-highest, -1)):
        if ends.max(initial=-1) > 0:
            u[ends.argmax()] = sign
            return u
    for sign in (1, -1):
        u[:] = sign
        sums = inner_products(study.run.sample("train"), u)[0]
        if min(sums) > 0:
            return u
    return None


def _on_hyperplanes(
    study: Study, head: Head, rows: Int[np.ndarray, " g"], scales: Int[np.ndarray, " g"] | None, most: int
) -> int:
    """C7, on as many of these examples as groups of the largest size can hold."""
    if most < 1:
        return 0
    generator = np.random.Generator(np.random.Philox(key=[0xC7, len(rows)]))
    chosen = np.sort(generator.permutation(len(rows))[: most * head.dimension])
    points = np.concatenate(list(_residues(study, rows[chosen])))
    if scales is not None:
        inverses = np.array([pow(int(s), -1, modular.PRIME) for s in scales[chosen]], np.int64)
        points = (points * inverses[:, None] % modular.PRIME).astype(np.int32)
    return grouped(points, most, progress=study.progress)[0]


def _residues(study: Study, rows: Int[np.ndarray, " g"]) -> Iterator[Int[np.ndarray, "b d"]]:
    """The inputs of some examples, in increasing order, modulo a prime."""
    sample = study.run.sample("train")
    for start in range(0, len(rows), _ROWS):
        chosen = rows[start : start + _ROWS]
        low, high = int(chosen[0]), int(chosen[-1]) + 1
        block = np.concatenate(
            [
                np.asarray(sample.inputs(at, min(at + _ROWS, high)), np.float64)[
                    chosen[(chosen >= at) & (chosen < at + _ROWS)] - at
                ]
                for at in range(low, high, _ROWS)
            ]
        )
        yield modular.residues(block.reshape(len(chosen), -1))


# The quantities -------------------------------------------------------------------------------------------------------


@measurement("training inputs that receive every labelling", whole=True)
def memorized_points(study: Study) -> Quantity:
    """N_S, the size of the largest such set, between what is constructed and the number of distinct inputs."""
    parts = (study.run.digests["train"],)

    def measure() -> Interval:
        groups = groups_of(study)
        return Interval.hull(memorized(study, groups), len(groups.first))

    value = study.remember("memorized-inputs", parts, measure)
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=_method(study))


@measurement("Rademacher complexity of the 0-1 loss class, by memorization", at_most=0.5)
def memorization_complexity(study: Study) -> Quantity:
    """Rad_S(G) >= N_S/(2n), and known exactly once all distinct inputs receive every labelling."""
    points = study.measure(memorized_points).value
    assert isinstance(points, Interval)
    least = Interval(points.lo).integers()[0]
    parts = (study.run.digests["train"], str(least))
    value = study.remember("memorized-complexity", parts, lambda: complexity_of(groups_of(study), least))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=_method(study))


def _method(study: Study) -> str:
    """How the count is known, from the architecture alone."""
    heads = heads_of(study.network)
    if not heads:
        return "the network does not end with a free fully connected layer: nothing claimed"
    head = max(heads, key=lambda head: head.count)
    if not head.hidden:
        where = f"inputs modulo {modular.PRIME}" if head.reads == 0 else "enclosed features"
        return f"rank of the {where}, {head.name}"
    where = "inputs" if head.reads == 0 else "enclosed features"
    what = f"distinct {where}" if head.biased else f"{where} of distinct directions"
    return f"explicit weights for {head.name}, on {what}"
