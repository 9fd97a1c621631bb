"""`Chain`: a network as layers, each a linear map of everything that is still needed and then a Lipschitz map.

Any network has this form. A value that is needed again later is carried by an identity: a convolution beside a max pool
is the linear map [A; I] and then (ReLU, max pool); a residual sum is the last row [A, I] of its block. Parallel branches on
one value are the rows of one linear map. The spectral norm of [A; I] is (||A||^2 + 1)^(1/2) exactly, as A'A + I shows.
Identities and other maps without parameters belong to every reference, so that they have no distance from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..interval import Interval
from .affine import Affine
from .convolution import Convolution
from .graph import Join, Network, Refusal
from .joint import joint_spectral_norm
from .nonlinear import Nonlinearity


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One linear map and the Lipschitz map after it.

    - `terms`: the rows of the linear map, blocks of its output.
    - `lipschitz`: l2 constant of the map after it, together with fixed linear maps that belong to it.
    - `bends`: the nonlinearities in that map.
    - `alone`: whether it is one nonlinearity, or one after the other, with nothing carried past it.
    """

    terms: tuple[Term, ...]
    lipschitz: Interval
    bends: tuple[Nonlinearity, ...]
    alone: bool

    @property
    def homogeneous(self) -> bool:
        """Whether the map after it is positively homogeneous."""
        return all(f.homogeneous for f in self.bends)

    @property
    def elementwise(self) -> bool:
        """Whether the map after it acts on each entry by itself, and nothing is carried past it."""
        return self.alone and all(f.elementwise for f in self.bends)

    @property
    def pieces(self) -> tuple[Affine, ...]:
        """The affine pieces in it; the rest are identities."""
        return tuple(piece for piece, _ in self.reading)

    @property
    def reading(self) -> tuple[tuple[Affine, Interval], ...]:
        """The pieces, each with the norm of the fixed map that makes what it reads of the layer's input.

        1 for one value or a concatenation, the root of 2 for a sum of two.
        """
        return tuple(pair for term in self.terms for pair in term.reading())

    @property
    def learned(self) -> tuple[Affine, ...]:
        """The pieces with parameters."""
        return tuple(piece for piece in self.pieces if piece.learned)

    @property
    def plain(self) -> Affine | None:
        """The one piece that the linear map is, if it is nothing else."""
        if len(self.terms) != 1 or self.terms[0].piece is None or not self.elementwise:
            return None
        (inner,) = self.terms[0].parts
        whole = inner.is_onto and not inner.pieces and all(j.disjoint for j in _joins(inner))
        return self.terms[0].piece if whole else None

    @property
    def has_bias(self) -> bool:
        """Whether a piece adds a constant."""
        return any(piece.has_bias for piece in self.pieces)

    @property
    def why_not_plain(self) -> str:
        """What stands in the way of `plain`, naming a layer; empty if nothing does."""
        if self.plain is not None:
            return ""
        for f in self.bends:
            if not f.elementwise:
                return f"layer `{f.label}` is not elementwise (`{type(f).__name__}`, {f.source})"
        joins = [j for term in self.terms for j in _joins(term)]
        for where in (*joins, *self.pieces):
            return f"layer `{where.label}` has values beside it that go on by another way ({where.source})"
        return "a value skips a layer"

    def spectral_norm(self, gap: float | None = None) -> Interval:
        """The norm of the whole linear map, carried values included."""
        rows = [row for term in self.terms for row in term.rows()]
        result = Interval(0)
        for group in _connected(rows):
            result = result.maximum(_stacked(group, gap))
        return result

    @property
    def method(self) -> str:
        """How the norms of its pieces were found."""
        return ", ".join(dict.fromkeys(piece.method for piece in self.pieces if piece.method))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """The layers from the input to the logits; nothing follows the last linear map."""

    layers: tuple[Layer, ...]

    @property
    def plain(self) -> tuple[Affine, ...]:
        """The piece of each layer, if every layer is one piece and an elementwise map; else nothing."""
        pieces = [layer.plain for layer in self.layers]
        return tuple(p for p in pieces if p is not None) if None not in pieces else ()

    @property
    def homogeneous(self) -> bool:
        """Whether every map after a layer is positively homogeneous."""
        return all(layer.homogeneous for layer in self.layers)

    @property
    def why_not_plain(self) -> tuple[str, ...]:
        """For each layer that is not one piece with an elementwise map after it, why."""
        return tuple(dict.fromkeys(layer.why_not_plain for layer in self.layers if layer.why_not_plain))

    @property
    def has_bias(self) -> bool:
        """Whether some layer adds a constant."""
        return any(layer.has_bias for layer in self.layers)

    @property
    def widths(self) -> tuple[int, ...]:
        """Input dimension, outputs of each layer; empty if it is not `plain`."""
        pieces = self.plain
        return (pieces[0].in_size, *(piece.out_size for piece in pieces)) if pieces else ()


def chain(network: Network, biases: bool) -> Chain | Refusal:
    """See `Network.chain`."""
    nodes = network.nodes
    reasons = []
    if isinstance(nodes[-1].operation, Nonlinearity):
        reasons.append("the network ends with a nonlinearity; a chain ends with an affine layer")
    levels = _Levels(network)
    layers = levels.layers() if not reasons else ()
    if (
        (layers and not layers[0].pieces)
        or len(nodes) == 1
        or (reasons and isinstance(nodes[1].operation, Nonlinearity))
    ):
        reasons.insert(0, "the network starts with a nonlinearity; a chain starts with an affine layer")
    if not biases:
        reasons += [
            f"layer `{piece.label}` has a bias ({piece.source}); "
            "train it without biases, or use a bound that admits them"
            for piece in network.affine
            if piece.has_bias
        ]
    return Refusal(reasons=tuple(reasons)) if reasons else Chain(layers=_merged(layers))


class _Levels:
    """After how many layers each value is known: the values that a layer's map takes and returns."""

    def __init__(self, network: Network) -> None:
        self.nodes = network.nodes
        self.readers: dict[int, list[int]] = {}
        for position, node in enumerate(self.nodes):
            for i in node.inputs:
                self.readers.setdefault(i, []).append(position)
        self.level: dict[int, int] = {0: 0}
        """The level of the input, of every nonlinearity, and of every value that a piece reads through another piece."""
        self.rows: dict[int, tuple[Term, ...]] = {}
        """What each of them is made of, a term for each operand."""
        self.bends: dict[int, tuple[Nonlinearity, ...]] = {}
        for position, node in enumerate(self.nodes):
            if isinstance(node.operation, Nonlinearity):
                self._nonlinearity(position)
            elif isinstance(node.operation, Affine) and self._term(node.inputs[0]).pieces:
                self._define(node.inputs[0], (self._term(node.inputs[0]),), ())
        end = len(self.nodes) - 1
        if end not in self.level:
            self._define(end, (self._term(end),), ())

    def _define(self, position: int, rows: tuple[Term, ...], bends: tuple[Nonlinearity, ...]) -> None:
        self.rows[position], self.bends[position] = rows, bends
        self.level[position] = 1 + max(self.level[s] for row in rows for s in row.sources)

    def _nonlinearity(self, position: int) -> None:
        node = self.nodes[position]
        f = node.operation
        assert isinstance(f, Nonlinearity)
        before = node.inputs[0]
        if len(node.inputs) == 1 and before in self.bends and self.readers[before] == [position]:
            # A nonlinearity of a nonlinearity that nothing else reads: one map.
            self.level[position] = self.level.pop(before)
            self.rows[position] = self.rows.pop(before)
            self.bends[position] = (*self.bends.pop(before), f)
        else:
            self._define(position, tuple(self._term(i) for i in node.inputs), (f,))

    def _term(self, position: int) -> Term:
        """A value as a linear expression in values of known level."""
        if position in self.level:
            return Term(source=position)
        node = self.nodes[position]
        parts = tuple(self._term(i) for i in node.inputs)
        if isinstance(node.operation, Affine):
            return Term(piece=node.operation, parts=parts)
        assert isinstance(node.operation, Join)
        return Term(join=node.operation, parts=parts)

    def layers(self) -> tuple[Layer, ...]:
        """The rows of each level, with identities for the values that are needed later."""
        end = self.level[len(self.nodes) - 1]
        last: dict[int, int] = {}
        for position, rows in self.rows.items():
            for row in rows:
                for source in row.sources:
                    last[source] = max(last.get(source, 0), self.level[position])
        layers = []
        for level in range(1, end + 1):
            new = [
                p for p, at in self.level.items() if at == level and (p in last or p == len(self.nodes) - 1)
            ]
            carried = [p for p, at in self.level.items() if at < level and last.get(p, 0) > level]
            rho = Interval(1)
            for p in new:
                product = Interval(1)
                for f in self.bends[p]:
                    product = product * f.lipschitz
                rho = rho.maximum(product) if carried or p != new[0] else product
            layers.append(
                Layer(
                    terms=(*(row for p in new for row in self.rows[p]), *(Term(source=p) for p in carried)),
                    lipschitz=rho,
                    bends=tuple(f for p in new for f in self.bends[p]),
                    alone=not carried and len(new) == 1,
                )
            )
        return tuple(layers)


def _merged(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers, with those that have neither parameters nor biases made part of the map before them."""
    result: list[Layer] = []
    for layer in layers:
        fixed = not layer.learned and not layer.has_bias
        if result and fixed and layer is not layers[-1]:
            before = result[-1]
            norm = layer.spectral_norm()
            result[-1] = replace(
                before,
                lipschitz=before.lipschitz * norm * layer.lipschitz,
                bends=(*before.bends, *layer.bends),
                alone=False,
            )
        else:
            result.append(layer)
    return tuple(result)


def _joins(term: Term) -> list[Join]:
    inner = [j for part in term.parts for j in _joins(part)]
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
    pieces = [row.piece.operator for row in rows if row.piece is not None]
    (inner,) = rows[0].parts
    norm, _ = joint_spectral_norm([p for p in pieces if isinstance(p, Convolution)], gap)
    return norm * inner.norm(gap)
