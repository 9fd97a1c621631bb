"""Norms of the weights layer by layer, and their distance from where training started: what measures are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import NetworkError
from ..interval import Interval
from ..network import Affine
from ..network.affine import spectral_norms as joint_spectral_norms
from ..run import is_real, stored_arrays
from .norms import ROUNDED, sum_of_squares
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study


def learned_pieces(study: Study) -> tuple[Affine, ...]:
    """The affine pieces with parameters, in the order of the network. Raises `UnavailableError` if it has none."""
    pieces = tuple(piece for piece in study.network.affine if piece.learned)
    if not pieces:
        raise UnavailableError("the network has no layer with parameters.")
    return pieces


def moved_pieces(study: Study) -> tuple[Affine, ...]:
    """Those pieces minus the same at initialization."""
    pieces = learned_pieces(study)
    before = tuple(piece for piece in study.initial.affine if piece.learned)
    if len(pieces) != len(before):
        raise UnavailableError("the network at initialization has another form than the trained one.")
    try:
        return tuple(a - b for a, b in zip(pieces, before, strict=True))
    except NetworkError as error:
        raise UnavailableError(*error.reasons) from error


def _each(pieces: tuple[Affine, ...], norm: Callable[[Affine], Interval]) -> Quantity:
    return Quantity(value=tuple(map(norm, pieces)), evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("number of layers with parameters", whole=True)
def learned_layers(study: Study) -> Quantity:
    """d: affine pieces of the traced network that parameters feed; normalization folded into them is none of its own."""
    return Quantity(value=Interval(len(learned_pieces(study))), evidence=Evidence.EXACT, method="counted")


@measurement("spectral norm of each layer with parameters")
def layer_spectral_norms(study: Study) -> Quantity:
    """|A_i| at the real input shape, stride and padding, both ends certified."""
    pieces = learned_pieces(study)
    method = "; ".join(dict.fromkeys(p.method for p in pieces if p.method))
    return Quantity(value=joint_spectral_norms(pieces), evidence=Evidence.ENCLOSED, method=method)


@measurement("spectral norm of each layer's change since initialization")
def layer_spectral_distances(study: Study) -> Quantity:
    """|A_i - A_i^0|."""
    return Quantity(
        value=joint_spectral_norms(moved_pieces(study)), evidence=Evidence.ENCLOSED, method=ROUNDED
    )


@measurement("Frobenius norm of the weights of each layer")
def layer_frobenius_norms(study: Study) -> Quantity:
    """|W_i|_F of the matrix or the kernel: each weight counts once, however many positions share it."""
    return _each(learned_pieces(study), lambda a: a.weight_norm())


@measurement("Frobenius norm of the change of each layer's weights since initialization")
def layer_frobenius_distances(study: Study) -> Quantity:
    """|W_i - W_i^0|_F."""
    return _each(moved_pieces(study), lambda a: a.weight_norm())


def _norm_of(arrays: list[np.ndarray]) -> Interval:
    return sum((sum_of_squares(a.astype(np.float64)) for a in arrays), Interval(0)).sqrt()


@measurement("l2 norm of all parameters")
def parameter_norm(study: Study) -> Quantity:
    """|w|_2 over everything that is stored with the weights as real numbers, biases included."""
    if not study.run.parametric:
        raise UnavailableError(
            "the coefficients of a kernel predictor are not weights; see its norm in the Hilbert space."
        )
    arrays = [array for _, array in stored_arrays(study.run.params) if is_real(array)]
    return Quantity(value=_norm_of(arrays), evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("l2 distance of all parameters from initialization")
def parameter_distance(study: Study) -> Quantity:
    """|w - w^0|_2; the differences of float32 numbers are exact to one rounding in float64."""
    if study.run.init_params is None:
        raise UnavailableError("the initial weights are not recorded; give `init_params`.")
    pairs = zip(stored_arrays(study.run.params), stored_arrays(study.run.init_params), strict=True)
    moved = [a.astype(np.float64) - b.astype(np.float64) for (_, a), (_, b) in pairs if is_real(a)]
    # One rounding of each difference, relative.
    value = _norm_of(moved) * (1 + Interval(-1, 1) * 2.0**-52)
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("10th percentile of the training margins")
def margin_percentile(study: Study) -> Quantity:
    """The margin that a tenth of the training examples lie at or below: the k-th smallest, k = max(1, ceil(n/10)).

    It keeps its sign. Raises `UnavailableError` where it is not certainly positive: nothing can be measured in its units then.
    """
    margins = study.margins("train")
    k = max(1, -(-margins.size // 10)) - 1
    value = Interval(float(np.partition(margins.lower, k)[k]), float(np.partition(margins.upper, k)[k]))
    if not value > 0:
        raise UnavailableError(
            f"the 10th percentile of the training margins is {float(value.lo):.4g}, not positive: norms over that margin mean nothing."
        )
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method="order statistic of enclosed margins")
