"""What the covering argument on the graph of a network asks of each layer, at norms rounded up to their grids.

A layer is an affine piece with parameters, or parallel ones that are concatenated. Source: docs/theory/spectral-cover.md, "The graph rule".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..functions import OneSidedIndex, TwoSidedIndex
from ..interval import Interval
from ..network import Affine
from ..network.affine import spectral_norms as joint_spectral_norms
from ..network.gains import Gains, gains, layer_norm, pieces_of, stacked
from .norms import ROUNDED, rms_input_norm
from .quantity import Evidence, Measurement, Quantity, measurement
from .study import Study
from .weights import learned_pieces, moved_pieces

RECURSION = "recursion over the graph, at norms rounded up to their grids"


def rounded_up(t: Interval) -> Interval:
    """`t` on the one-sided grid 2^(j/8 - 10), j >= 0."""
    return Interval(2) ** (OneSidedIndex.enclose(t) / 8 - 10)


def rounded_spectral_norms(norms: Sequence[Interval]) -> tuple[Interval, ...]:
    """Each norm on the two-sided grid 2^(j/(8L)), L the number of norms: their product grows by 2^(1/8) at most."""
    count = Interval(len(norms))
    return tuple(Interval(2) ** (TwoSidedIndex.enclose(s, count) / (8 * count)) for s in norms)


def family(study: Study, measurement: Measurement) -> tuple[Interval, ...]:
    """A quantity that has one value a layer."""
    value = study.measure(measurement).value
    assert isinstance(value, tuple)
    return value


def number(study: Study, measurement: Measurement) -> Interval:
    """A quantity that is one number."""
    value = study.measure(measurement).value
    assert isinstance(value, Interval)
    return value


def has_weights(piece: Affine) -> bool:
    """Whether its linear part has entries that are parameters; a bias alone is added to copied entries."""
    return piece.operator.parameters > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A layer of the graph: the pieces, the same minus their initialization where that was asked for, and initially."""

    pieces: tuple[Affine, ...]
    moved: tuple[Affine, ...]
    before: tuple[Affine, ...] = ()

    @property
    def has_bias(self) -> bool:
        """Whether a piece adds parameters."""
        return any(piece.has_bias for piece in self.pieces)

    @property
    def bias_mass(self) -> Interval:
        """sum_c P_c^(1/2) |b_c| over the biases of all pieces, or of their change."""
        return _total(piece.bias_mass() for piece in self.moved if piece.has_bias)

    @property
    def constant(self) -> Interval:
        """A bound on the l2 norm of the biases: their mass rounded up, and the norm of their reference."""
        if not self.has_bias:
            return Interval(0)
        reference = _total(piece.bias_norm(2) * piece.bias_norm(2) for piece in self.before).sqrt()
        return rounded_up(self.bias_mass) + reference


def stacks(study: Study, *, from_initial: bool = False) -> tuple[Stack, ...]:
    """The layers of the graph, parallel branches together, in the order of the network.

    Raises `UnavailableError` for a network without parameters, or where the initial weights are not recorded.
    """
    pieces = learned_pieces(study)
    moved = moved_pieces(study) if from_initial else pieces
    before = [piece for piece in study.initial.affine if piece.learned] if from_initial else []
    place = {id(piece): k for k, piece in enumerate(pieces)}
    result = []
    for layer in stacked(study.network):
        members = [place[id(piece)] for piece in pieces_of(study.network, layer)]
        result.append(
            Stack(
                pieces=tuple(pieces[k] for k in members),
                moved=tuple(moved[k] for k in members),
                before=tuple(before[k] for k in members if before),
            )
        )
    return tuple(result)


def _total(parts: Iterable[Interval]) -> Interval:
    return sum(parts, start=Interval(0))


def _each(layers: Sequence[Stack], norm: Callable[[Stack], Interval]) -> Quantity:
    return Quantity(value=tuple(map(norm, layers)), evidence=Evidence.ENCLOSED, method=ROUNDED)


def _mass(layer: Stack) -> Interval:
    return _total(piece.kernel_norm_sum() for piece in layer.moved if has_weights(piece))


@measurement("number of layers of the graph", whole=True)
def graph_layers(study: Study) -> Quantity:
    """L: affine pieces with parameters, parallel ones that are concatenated counting once."""
    return Quantity(value=Interval(len(stacks(study))), evidence=Evidence.EXACT, method="counted")


@measurement("spectral norm of each layer of the graph")
def graph_spectral_norms(study: Study) -> Quantity:
    """|A_i| at the real input shape; of parallel branches that of their rows together."""
    learned = learned_pieces(study)
    joint_spectral_norms(learned)
    value = tuple(layer_norm(study.network, layer) for layer in stacked(study.network))
    method = "; ".join(dict.fromkeys(p.method for p in learned if p.method))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=method)


@measurement(
    "mass of each layer of the graph: l2 norms of rows, or of a kernel's columns over its input channels, summed"
)
def graph_masses(study: Study) -> Quantity:
    """|A_i|_{2,1} of a dense layer, sum_{o,u,v} |K_{o,:,u,v}|_2 of a convolution; summed over parallel branches."""
    return _each(stacks(study), _mass)


@measurement("mass of each layer of the graph minus its initialization")
def graph_masses_from_initial(study: Study) -> Quantity:
    """The same of A_i - A_i^0."""
    return _each(stacks(study, from_initial=True), _mass)


@measurement("mass of the biases of each layer of the graph")
def graph_bias_masses(study: Study) -> Quantity:
    """sum_c P_c^(1/2) |b_c|, P_c the positions that share a bias; |b_i|_1 of a dense layer."""
    return _each(stacks(study), lambda layer: layer.bias_mass)


@measurement("mass of the biases of each layer of the graph minus their initialization")
def graph_bias_masses_from_initial(study: Study) -> Quantity:
    """The same of b_i - b_i^0."""
    return _each(stacks(study, from_initial=True), lambda layer: layer.bias_mass)


@measurement("1 for each layer of the graph with a bias, 0 for each without", whole=True)
def graph_bias_flags(study: Study) -> Quantity:
    """Which layers pay the price of an index for their bias."""
    flags = tuple(Interval(int(layer.has_bias)) for layer in stacks(study))
    return Quantity(value=flags, evidence=Evidence.EXACT, method="read off the network")


@measurement("half the number of atoms that cover each layer of the graph", whole=True)
def graph_atoms(study: Study) -> Quantity:
    """p_i: one atom and its negative for every entry of a matrix or kernel, and for every bias."""
    counts = (max(1, sum(p.operator.parameters + p.biases for p in layer.pieces)) for layer in stacks(study))
    return Quantity(value=tuple(map(Interval, counts)), evidence=Evidence.EXACT, method="counted")


def _gains(study: Study, *, from_initial: bool = False) -> Gains:
    norms = rounded_spectral_norms(family(study, graph_spectral_norms))
    constants = [layer.constant for layer in stacks(study, from_initial=from_initial)]
    return gains(study.network, stacked(study.network), norms, constants, number(study, rms_input_norm))


def _along_graph(value: tuple[Interval, ...]) -> Quantity:
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=RECURSION)


@measurement("bound on the root mean square norm of what each layer of the graph reads, reference zero")
def graph_inputs(study: Study) -> Quantity:
    """r_i."""
    return _along_graph(_gains(study).inputs)


@measurement(
    "bound on the root mean square norm of what each layer of the graph reads, reference the initial weights"
)
def graph_inputs_from_initial(study: Study) -> Quantity:
    """r_i, the biases being bounded by their distance from initialization and their norm there."""
    return _along_graph(_gains(study, from_initial=True).inputs)


@measurement("effect at the logits of an error after each layer of the graph")
def graph_effects(study: Study) -> Quantity:
    """Lambda_i."""
    return _along_graph(_gains(study).effects)
