"""Groups of parameters: the weights of each affine piece, and its biases, as a perturbation or a ball of them is taken.

Source: docs/theory/pac-bayes-spectral.md and docs/theory/parameter-count.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..interval import Interval
from ..network import Affine, Convolution
from ..network.dense import enclose, frobenius
from ..network.gains import Gains, gains, separate
from .gains import RECURSION, has_weights, number, rounded_spectral_norms, rounded_up
from .inputs import input_norm_bound
from .norms import ROUNDED, rms_input_norm
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study
from .weights import learned_pieces, moved_pieces

LEAST: Final = Interval(2) ** -20
"""What a norm or a distance of 0 counts as, so that a logarithm of it exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The weights of a piece, or its biases. `layer`: the number of the piece. `moved`: the piece minus its reference."""

    layer: int
    piece: Affine
    moved: Affine
    weights: bool

    @property
    def size(self) -> int:
        """How many parameters."""
        return self.piece.operator.parameters if self.weights else self.piece.biases

    @property
    def distance(self) -> Interval:
        """The l2 norm of the parameters minus their reference, each counted once; at least 2^-20."""
        norm = self.moved.weight_norm() if self.weights else bias_parameter_norm(self.moved)
        return norm.maximum(LEAST)

    @property
    def sharing(self) -> int:
        """The largest number of positions that share a bias."""
        return 1 if self.piece.sharing is None else int(self.piece.sharing.max())


def bias_parameter_norm(piece: Affine) -> Interval:
    """The l2 norm of the biases of their own, P_c equal outputs counting once."""
    if piece.sharing is None:
        return piece.bias_norm(2)
    total = Interval(0)
    for positions in np.unique(piece.sharing):
        where = piece.sharing == positions
        radius = None if piece.bias_radius is None else piece.bias_radius[where][None]
        norm = enclose(frobenius, piece.bias[where][None], radius)
        total += norm * norm / int(positions)
    return total.sqrt()


def groups(study: Study, *, from_initial: bool = False) -> tuple[Group, ...]:
    """The weights and then the biases of each affine piece with parameters, in the order of the network."""
    pieces = learned_pieces(study)
    moved = moved_pieces(study) if from_initial else pieces
    found = [
        Group(layer=k, piece=piece, moved=change, weights=weights)
        for k, (piece, change) in enumerate(zip(pieces, moved, strict=True))
        for weights, there in ((True, has_weights(piece)), (False, piece.has_bias))
        if there
    ]
    if not any(group.weights for group in found):
        raise UnavailableError("the network has no weights; a layer with a matrix or a kernel is needed.")
    return tuple(found)


def fan(piece: Affine) -> int:
    """The larger of the number of weights that an output unit meets and of those that an input unit meets.

    The largest eigenvalue of sum A_k A_k' and of sum A_k' A_k over the matrices A_k of single weights: both are diagonal.
    """
    operator = piece.operator
    if not isinstance(operator, Convolution):
        return max(operator.in_shape[0], operator.out_shape[0])
    (rows, columns), (_, _, inner, outputs) = operator.axes, operator.kernel.shape
    met = [int(axis.valid().sum(axis=1).max()) for axis in (rows, columns)]
    meeting = [int(axis.hits().sum(axis=1).max()) for axis in (rows, columns)]
    return max(1, inner * met[0] * met[1], outputs // operator.groups * meeting[0] * meeting[1])


def taps(piece: Affine) -> int:
    """kh kw of a convolution, 1 of a dense layer."""
    operator = piece.operator
    return operator.kernel.shape[0] * operator.kernel.shape[1] if isinstance(operator, Convolution) else 1


def _counted(study: Study, count: Callable[[Group], int]) -> Quantity:
    value = tuple(Interval(count(group)) for group in groups(study))
    return Quantity(value=value, evidence=Evidence.EXACT, method="counted")


@measurement("number of groups of parameters: weights or biases of a layer", whole=True)
def parameter_groups(study: Study) -> Quantity:
    """M."""
    return Quantity(value=Interval(len(groups(study))), evidence=Evidence.EXACT, method="counted")


@measurement("1 for each group of weights, 0 for each of biases", whole=True)
def group_weight_flags(study: Study) -> Quantity:
    """Which groups are matrices or kernels."""
    return _counted(study, lambda group: int(group.weights))


@measurement("number of parameters in each group", whole=True)
def group_sizes(study: Study) -> Quantity:
    """W_i: entries of the matrix or kernel, or biases."""
    return _counted(study, lambda group: group.size)


@measurement("variance proxy of Gaussian noise in each group", whole=True)
def group_fans(study: Study) -> Quantity:
    """h_i: the most weights that one unit meets, of either side; of biases their number."""
    return _counted(study, lambda group: fan(group.piece) if group.weights else group.size)


@measurement("rows and columns of the matrix of each group", whole=True)
def group_dimensions(study: Study) -> Quantity:
    """D_i, of the operator at its real input shape; of biases their number."""
    return _counted(
        study,
        lambda group: (
            int(np.prod(group.piece.operator.in_shape)) + group.piece.out_size
            if group.weights
            else group.size
        ),
    )


def _distances(study: Study, *, from_initial: bool) -> Quantity:
    value = tuple(group.distance for group in groups(study, from_initial=from_initial))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("l2 norm of each group of parameters, at least 2^-20")
def group_norms(study: Study) -> Quantity:
    """Of the matrix, the kernel or the biases, however many positions share them."""
    return _distances(study, from_initial=False)


@measurement("l2 distance of each group of parameters from its initialization, at least 2^-20")
def group_distances(study: Study) -> Quantity:
    """The same of the difference."""
    return _distances(study, from_initial=True)


def _norms(study: Study) -> list[Interval]:
    """The spectral norm of each piece, at least 2^-20."""
    return [piece.spectral_norm().maximum(LEAST) for piece in learned_pieces(study)]


@measurement("spectral norm of the layer of each group of weights, at least 2^-20; 1 for biases")
def group_spectral_norms(study: Study) -> Quantity:
    """s_i."""
    norms = _norms(study)
    value = tuple(norms[group.layer] if group.weights else Interval(1) for group in groups(study))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method="both ends certified")


def _by_group(study: Study, found: Gains, value: Callable[[Group, Gains], Interval]) -> Quantity:
    parts = tuple(value(group, found) for group in groups(study))
    return Quantity(value=parts, evidence=Evidence.ENCLOSED, method=RECURSION)


def _effect(group: Group, found: Gains) -> Interval:
    return found.effects[group.layer]


# At the norms of the network itself, for every input of the distribution --------------------------------------------


def _actual(study: Study, x: Interval) -> Gains:
    constants = [piece.bias_norm(2) for piece in learned_pieces(study)]
    return gains(study.network, separate(study.network), _norms(study), constants, x)


@measurement("effect at the logits of an error after the layer of each group")
def group_effects(study: Study) -> Quantity:
    """Lambda_i, at the norms of the network itself."""
    return _by_group(study, _actual(study, Interval(1)), _effect)


@measurement("norm of what each group of parameters multiplies, for every input of the distribution")
def group_inputs(study: Study) -> Quantity:
    """R_i, a bound on the l2 norm of the layer's input, for weights; the root of the positions that share one for biases."""
    found = _actual(study, number(study, input_norm_bound))
    return _by_group(
        study,
        found,
        lambda group, g: g.inputs[group.layer] if group.weights else Interval(group.sharing).sqrt(),
    )


# At norms rounded up to their grids, for the training inputs ---------------------------------------------------------


def _rounded(study: Study, *, from_initial: bool) -> Gains:
    pieces, members = learned_pieces(study), groups(study, from_initial=from_initial)
    weighted = [group.layer for group in members if group.weights]
    norms = dict(enumerate(_norms(study)))
    norms |= dict(zip(weighted, rounded_spectral_norms([norms[k] for k in weighted]), strict=True))
    constants = [Interval(0)] * len(pieces)
    before = [piece for piece in study.initial.affine if piece.learned] if from_initial else None
    for group in members:
        if not group.weights:
            reference = Interval(0) if before is None else before[group.layer].bias_norm(2)
            constants[group.layer] = Interval(group.sharing).sqrt() * rounded_up(group.distance) + reference
    ordered = [norms[k] for k in range(len(pieces))]
    return gains(study.network, separate(study.network), ordered, constants, number(study, rms_input_norm))


def _reach(group: Group, found: Gains) -> Interval:
    if not group.weights:
        return Interval(group.sharing).sqrt()
    return Interval(taps(group.piece)).sqrt() * found.inputs[group.layer]


@measurement("effect at the logits of an error after the layer of each group, at rounded norms")
def group_rounded_effects(study: Study) -> Quantity:
    """Lambda_i."""
    return _by_group(study, _rounded(study, from_initial=False), _effect)


@measurement("root mean square change of a layer's output per unit of change of a group of parameters")
def group_reaches(study: Study) -> Quantity:
    """sqrt(kappa_i) r_i for weights, kappa_i the taps of a kernel; the root of the positions that share one for biases."""
    return _by_group(study, _rounded(study, from_initial=False), _reach)


@measurement(
    "root mean square change of a layer's output per unit of change of a group, reference the initial weights"
)
def group_reaches_from_initial(study: Study) -> Quantity:
    """The same, the biases being bounded by their distance from initialization and their norm there."""
    return _by_group(study, _rounded(study, from_initial=True), _reach)
