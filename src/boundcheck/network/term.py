"""`Term`: one row of a layer's linear map, and the norms of rows on top of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..interval import Interval
from .affine import Affine
from .convolution import Convolution
from .graph import Join
from .joint import joint_spectral_norm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Term:
    """A linear expression in the values of a layer's input: one of them (`source`), a piece of one, or a join."""

    source: int | None = None
    piece: Affine | None = None
    join: Join | None = None
    parts: tuple[Term, ...] = ()

    @property
    def sources(self) -> list[int]:
        """The values it reads, with repetitions."""
        return [self.source] if self.source is not None else [s for part in self.parts for s in part.sources]

    @property
    def pieces(self) -> list[Affine]:
        """The affine pieces in it."""
        inner = [p for part in self.parts for p in part.pieces]
        return [self.piece, *inner] if self.piece is not None else inner

    def reading(self) -> list[tuple[Affine, Interval]]:
        """Each affine piece in it, and the norm of the map before the piece."""
        if self.piece is not None:
            return [(self.piece, self.parts[0].norm(None))]
        return [pair for part in self.parts for pair in part.reading()]

    @property
    def is_onto(self) -> bool:
        """Whether each value occurs at most once and none of the places of a concatenation is always 0.

        A piece of it then has the piece's own norm at least.
        """
        return len(set(self.sources)) == len(self.sources) and self._is_filled

    @property
    def _is_filled(self) -> bool:
        if self.join is not None and self.join.disjoint:
            filled = sum(self.join.size if p is None else len(p) for p in self.join.places)
            if filled < self.join.size:
                return False
        return all(part._is_filled for part in self.parts)

    def rows(self) -> Iterator[Term]:
        """The parts of a concatenation, each by itself."""
        if self.join is not None and self.join.disjoint:
            for part in self.parts:
                yield from part.rows()
        else:
            yield self

    def norm(self, gap: float | None) -> Interval:
        """The operator norm, from the norms of its parts."""
        if self.source is not None:
            return Interval(1)
        inner = [part.norm(gap) for part in self.parts]
        if self.piece is not None:
            own = self.piece.spectral_norm(gap)
            return Interval(own.lo if self.parts[0].is_onto else 0, (own * inner[0]).hi)
        assert self.join is not None
        apart = self.is_onto
        squares = _root_of_squares(inner)
        most = inner[0]
        for norm in inner[1:]:
            most = most.maximum(norm)
        if self.join.disjoint:
            return most if apart else Interval(most.lo, squares.hi)
        if not apart:
            total = inner[0]
            for norm in inner[1:]:
                total = total + norm
            return Interval(0, total.hi)
        plain = sum(part.source is not None for part in self.parts)
        # [A, I] has the norm of [A'; I]; other sums are at least as large as each part.
        exact = plain == len(self.parts) - 1 and len(self.parts) == 2
        return squares if exact else Interval(most.lo, squares.hi)


def stacked_norm(rows: list[Term], gap: float | None) -> Interval:
    """The norm of rows on top of each other, the largest of those of the groups that read no common value."""
    result = Interval(0)
    for group in _connected(rows):
        result = result.maximum(_stacked(group, gap))
    return result


def joins(term: Term) -> list[Join]:
    inner = [j for part in term.parts for j in joins(part)]
    return [term.join, *inner] if term.join is not None else inner


def _root_of_squares(norms: list[Interval]) -> Interval:
    total = Interval(0)
    for norm in norms:
        total = total + norm * norm
    return total.sqrt()


def _connected(rows: list[Term]) -> list[list[Term]]:
    """Rows that read a common value, directly or through others: the norm is the largest of such groups'."""
    groups: list[tuple[set[int], list[Term]]] = []
    for row in rows:
        sources, members = set(row.sources), [row]
        for group in [g for g in groups if g[0] & sources]:
            groups.remove(group)
            sources, members = sources | group[0], group[1] + members
        groups.append((sources, members))
    return [members for _, members in groups]


def _stacked(rows: list[Term], gap: float | None) -> Interval:
    """The norm of rows on top of each other."""
    if len(rows) == 1:
        return rows[0].norm(gap)
    norms, lowest = [], Interval(0)
    identities = [row for row in rows if row.source is not None]
    for branches in _branches([row for row in rows if row.source is None]):
        norm = branches[0].norm(gap) if len(branches) == 1 else _joint(branches, gap)
        norms.append(norm)
        (inner, *_) = branches[0].parts
        carried = {row.source for row in identities}
        if branches[0].piece is not None and inner.is_onto and set(inner.sources) <= carried:
            norm = (norm * norm + 1).sqrt()
        lowest = lowest.maximum(norm)
    if identities:
        # Identities of different values are one isometry.
        repeated = max(np.bincount([row.source for row in identities if row.source is not None]))
        norms.append(Interval(int(repeated)).sqrt())
        lowest = lowest.maximum(norms[-1])
    return Interval(lowest.lo, _root_of_squares(norms).hi)


def _branches(rows: list[Term]) -> list[list[Term]]:
    """Convolutions of one and the same value together, all other rows each by itself."""
    groups: list[list[Term]] = []
    for row in rows:
        for group in groups:
            if _same_value(group[0], row):
                group.append(row)
                break
        else:
            groups.append([row])
    return groups


def _same_value(a: Term, b: Term) -> bool:
    if a.piece is None or b.piece is None:
        return False
    if not isinstance(a.piece.operator, Convolution) or not isinstance(b.piece.operator, Convolution):
        return False
    (x,), (y,) = a.parts, b.parts
    same = x.source == y.source if x.source is not None else x.join is not None and x.join is y.join
    left, right = a.piece.arrange, b.piece.arrange
    return (
        same
        and x.is_onto
        and not x.pieces
        and a.piece.operator.in_shape == b.piece.operator.in_shape
        and (
            (left is None and right is None)
            or (left is not None and right is not None and np.array_equal(left, right))
        )
    )


def _joint(rows: list[Term], gap: float | None) -> Interval:
    """The norm of convolutions of one value, found once: other views of the network ask for the same."""
    first, *others = [row.piece for row in rows if row.piece is not None]
    key = (*others, gap)
    if key not in first._joint:
        pieces = [p.operator for p in (first, *others)]
        first._joint[key], _ = joint_spectral_norm([p for p in pieces if isinstance(p, Convolution)], gap)
    (inner,) = rows[0].parts
    return first._joint[key] * inner.norm(gap)
