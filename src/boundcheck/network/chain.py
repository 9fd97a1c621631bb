"""`Chain`: a network as layers, each a linear map of everything that is still needed and then a Lipschitz map.

Any network has this form. A value that is needed again later is carried by an identity: a convolution beside a max pool
is the linear map [A; I] and then (ReLU, max pool); a residual sum is the last row [A, I] of its block. Parallel branches on
one value are the rows of one linear map. The spectral norm of [A; I] is (||A||^2 + 1)^(1/2) exactly, as A'A + I shows.
Identities and other maps without parameters belong to every reference, so that they have no distance from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..interval import Interval
from .affine import Affine
from .graph import Join, Network, Refusal
from .layer import Layer
from .nonlinear import Nonlinearity
from .term import Term


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
