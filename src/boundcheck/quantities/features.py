"""What a head reads, enclosed: how many of these features are certainly distinct, and how many certainly independent.

The layers in front of a head are kept at weights that are at hand. Their values at every training input are enclosed, and
whatever the exact values inside the enclosures are, the certificates here hold (docs/theory/memorization.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import scipy.linalg
from jaxtyping import Float64

from ..network import Network
from ..network.rounding import TINY, gam
from .heads import Head
from .study import Study

LINES: Final = 4
"""Random directions on which features are told apart."""

MOST_ROWS: Final = 1024
"""Ranks are certified up to so many: larger ones take minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Enclosures [low, high] of numbers, one a line and an example; infinite ends where nothing is known."""

    low: Float64[np.ndarray, "lines n"]
    high: Float64[np.ndarray, "lines n"]


def enclosed(study: Study, network: Network, head: Head) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What the head reads, in batches: values [b, q] and radii [b, q]."""
    front = replace(network, nodes=network.nodes[: head.reads + 1], classes=network.nodes[head.reads].size)
    arrange, done = head.pieces[0].arrange, 0
    for batch in study.each_input():
        values, radii = front.enclose(batch)
        done += len(batch)
        study.progress("features of the training inputs", done, study.run.sizes["train"])
        yield (values, radii) if arrange is None else (values[:, arrange], radii[:, arrange])


def separated(study: Study, network: Network, head: Head, wanted: int) -> int:
    """How many training inputs have features that are certainly pairwise distinct; it may stop at `wanted`.

    For a head without biases: features of certainly distinct directions, with a certainly positive sum.
    """
    generator = np.random.Generator(np.random.Philox(key=[0xD1, head.dimension]))
    lines = generator.normal(size=(head.dimension, LINES))
    parts: list[Segments] = []
    seen, enough = 0, wanted
    for values, radii in enclosed(study, network, head):
        low, high = projected(values, radii, lines)
        if not head.biased:
            least, most = projected(values, radii, np.ones((head.dimension, 1)))
            low, high = _quotient(low, high, least, most)
        parts.append(Segments(low=low.T, high=high.T))
        seen += len(values)
        if seen >= enough:
            if (found := distinct(_joined(parts))) >= wanted:
                return found
            enough = 2 * seen
    return distinct(_joined(parts))


def _joined(parts: list[Segments]) -> Segments:
    return Segments(
        low=np.concatenate([part.low for part in parts], axis=1),
        high=np.concatenate([part.high for part in parts], axis=1),
    )


def projected(
    values: Float64[np.ndarray, "b q"], radii: Float64[np.ndarray, "b q"], lines: Float64[np.ndarray, "q l"]
) -> tuple[Float64[np.ndarray, "b l"], Float64[np.ndarray, "b l"]]:
    """Enclosures of <line, feature>: the float64 product, moved outward by its rounding and by the radii."""
    q = values.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        at, reach = values @ lines, np.abs(lines)
        error = (radii @ reach + gam(q + 4) * (np.abs(values) @ reach)) * (1 + 2 * gam(q + 8)) + q * TINY
        low, high = np.nextafter(at - error, -np.inf), np.nextafter(at + error, np.inf)
    known = np.isfinite(low) & np.isfinite(high)
    return np.where(known, low, -np.inf), np.where(known, high, np.inf)


def _quotient(
    low: np.ndarray, high: np.ndarray, least: np.ndarray, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Enclosures of quotients by positive numbers in [least, most]; nothing is known where `least` is not positive."""
    with np.errstate(all="ignore"):
        down = np.nextafter(np.minimum(low / least, low / most), -np.inf)
        up = np.nextafter(np.maximum(high / least, high / most), np.inf)
    known = (least > TINY) & np.isfinite(most) & np.isfinite(down) & np.isfinite(up)
    return np.where(known, down, -np.inf), np.where(known, up, np.inf)


def distinct(segments: Segments) -> int:
    """So many of the examples, pairwise, have disjoint segments on some line.

    Greedy by the first line; one is added if it is apart from all already there with which it overlaps on that line.
    """
    low, high = segments.low, segments.high
    known = np.isfinite(low).all(axis=0) & np.isfinite(high).all(axis=0)
    order = np.flatnonzero(known)[np.argsort(low[0, known], kind="stable")]
    near = np.zeros(0, np.int64)
    """Those added whose first segment may still overlap the next one."""
    count = 0
    for i in order:
        near = near[high[0, near] >= low[0, i]]
        apart = (low[:, [i]] > high[:, near]) | (low[:, near] > high[:, [i]])
        if apart.any(axis=0).all():
            near = np.append(near, i)
            count += 1
    return count


def independent(study: Study, network: Network, head: Head) -> int:
    """So many training inputs have certainly linearly independent features, with a constant if the head has biases.

    A matrix B of features has full row rank if some R makes |I - B R| < 1 in the l-inf norm, for all B inside the enclosures.
    R is the pseudo-inverse of the rows that a pivoted QR decomposition chooses.
    """
    columns = head.dimension + head.biased
    values, radii = _some(study, network, head, min(2 * columns, MOST_ROWS))
    if head.biased:
        values = np.concatenate([values, np.ones((len(values), 1))], axis=1)
        radii = np.concatenate([radii, np.zeros((len(radii), 1))], axis=1)
    known = np.isfinite(radii).all(axis=1)
    values, radii = values[known], radii[known]
    if not values.any():
        return 0
    factors: Any = scipy.linalg.qr(values.T, mode="r", pivoting=True)
    r, pivots = factors
    sizes = np.abs(np.diag(r))
    rank = int((sizes > 1e-13 * sizes[0]).sum())
    while rank > 0:
        chosen = pivots[:rank]
        if full_rank(values[chosen], radii[chosen]):
            return rank
        rank = rank * 9 // 10
    return 0


def full_rank(values: Float64[np.ndarray, "r q"], radii: Float64[np.ndarray, "r q"]) -> bool:
    """Whether every matrix within `radii` of `values` certainly has linearly independent rows."""
    inverse = np.linalg.pinv(values)
    q = values.shape[1]
    reach = np.abs(inverse)
    residue = np.abs(np.eye(len(values)) - values @ inverse)
    error = (radii @ reach + gam(q + 4) * (np.abs(values) @ reach)) * (1 + 2 * gam(q + 8))
    rows = (residue + error).sum(axis=1) * (1 + 2 * gam(len(values) + 8)) + (len(values) + q) * TINY
    return bool((rows < 1).all())


def _some(study: Study, network: Network, head: Head, most: int) -> tuple[np.ndarray, np.ndarray]:
    parts, found = [], 0
    for values, radii in enclosed(study, network, head):
        parts.append((values[: most - found], radii[: most - found]))
        found += len(parts[-1][0])
        if found >= most:
            break
    return np.concatenate([v for v, _ in parts]), np.concatenate([r for _, r in parts])
