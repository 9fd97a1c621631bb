"""Norms of the layers of a chain, and of the data. One interval a layer, in the order of the chain."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..interval import Interval
from ..network import Affine
from ..network.rounding import gam
from .quantity import Evidence, Quantity, measurement
from .study import Study


def _layers(study: Study, norm: Callable[[Affine], Interval], method: str) -> Quantity:
    return Quantity(
        value=tuple(norm(a) for a in study.chain().affine), evidence=Evidence.ENCLOSED, method=method
    )


def _sum_of_squares(batch: np.ndarray) -> Interval:
    """The sum of squares of float64 numbers of any magnitude.

    Scaled by a power of two, exactly, so that squares neither overflow nor vanish; a sum of nonnegative products, in
    any order, is then right to gam(terms), and what underflows is below 2^-1022 a term.
    """
    peak = float(np.max(np.abs(batch), initial=0.0))
    if peak == 0:
        return Interval(0)
    exponent = math.frexp(peak)[1]
    scaled = np.ldexp(np.ldexp(batch, -(exponent // 2)), -(exponent - exponent // 2))
    squares = Interval(float(np.sum(np.square(scaled)))) * (1 + Interval(-1, 1) * gam(batch.size + 8))
    lost = Interval(-1, 1) * batch.size * Interval(2) ** -1000
    return (squares + lost).maximum(0) * Interval(2) ** (2 * exponent)


@measurement("root mean square norm of the training inputs")
def rms_input_norm(study: Study) -> Quantity:
    """(1/n sum_i |x_i|^2)^(1/2): the Frobenius norm of the data over sqrt(n)."""

    def measure() -> Interval:
        total, terms = Interval(0), 0
        for batch in study.each_input():
            total += _sum_of_squares(batch)
            terms += len(batch)
        return (total / terms).sqrt()

    value = study.remember("rms-input-norm", (study.run.digests["train"],), measure)
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method="float64 sum with its rounding")


@measurement("depth: number of weight matrices", whole=True)
def depth(study: Study) -> Quantity:
    """L."""
    return Quantity(value=Interval(len(study.chain().affine)), evidence=Evidence.EXACT, method="counted")


@measurement("Frobenius norm of each weight matrix")
def frobenius_norms(study: Study) -> Quantity:
    """|W_l|_F."""
    return _layers(study, lambda a: a.frobenius_norm(), "float64 sum with its rounding")


@measurement("sum over the classes of the l2 norm of the class's row in the last weight matrix")
def output_row_norms(study: Study) -> Quantity:
    """|W_L|_{2,1}, rows being output units."""
    value = study.chain().affine[-1].row_norm_sum()
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method="float64 sum with its rounding")


@measurement("spectral norm of each weight matrix")
def spectral_norms(study: Study) -> Quantity:
    """|W_l|, the operator norm from l2 to l2."""
    return _layers(
        study,
        lambda a: a.spectral_norm(),
        "upper end by Gram iteration with rounding, lower end |Wv|/|v| re-evaluated",
    )


@measurement("sum of the row norms of each weight matrix")
def row_norm_sums(study: Study) -> Quantity:
    """|W_l|_{2,1}: sum over output units of the l2 norm of the unit's row."""
    return _layers(study, lambda a: a.row_norm_sum(), "float64 sum with its rounding")


@measurement("sum of the row norms of each weight matrix minus its initialization")
def row_norm_sums_from_initial(study: Study) -> Quantity:
    """|W_l - W_l^0|_{2,1}."""
    pairs = zip(study.chain().affine, study.initial_chain().affine, strict=True)
    return Quantity(
        value=tuple((a - a0).row_norm_sum() for a, a0 in pairs),
        evidence=Evidence.ENCLOSED,
        method="float64 sum with its rounding",
    )


@measurement("l1 norm of each bias")
def bias_l1_norms(study: Study) -> Quantity:
    """|b_l|_1; 0 for a layer without bias."""
    return _layers(
        study, lambda a: a.bias_norm(1) if a.has_bias else Interval(0), "float64 sum with its rounding"
    )


@measurement("l1 norm of each bias minus its initialization")
def bias_l1_norms_from_initial(study: Study) -> Quantity:
    """|b_l - b_l^0|_1; 0 for a layer without bias."""
    pairs = zip(study.chain().affine, study.initial_chain().affine, strict=True)
    return Quantity(
        value=tuple((a - a0).bias_norm(1) if a.has_bias else Interval(0) for a, a0 in pairs),
        evidence=Evidence.ENCLOSED,
        method="float64 sum with its rounding",
    )


@measurement("l2 norm of each bias at initialization")
def initial_bias_l2_norms(study: Study) -> Quantity:
    """|b_l^0|_2; 0 for a layer without bias."""
    return Quantity(
        value=tuple(a.bias_norm(2) if a.has_bias else Interval(0) for a in study.initial_chain().affine),
        evidence=Evidence.ENCLOSED,
        method="float64 sum with its rounding",
    )


@measurement("1 for each layer with a bias, 0 for each without", whole=True)
def bias_flags(study: Study) -> Quantity:
    """Which layers pay the price of an index for their bias."""
    return Quantity(
        value=tuple(Interval(int(a.has_bias)) for a in study.chain().affine),
        evidence=Evidence.EXACT,
        method="read off the network",
    )


@measurement("Lipschitz constant of the nonlinearity after each layer")
def lipschitz_constants(study: Study) -> Quantity:
    """rho_l in l2; 1 after the last layer."""
    return Quantity(
        value=tuple(Interval.hull(rho) for rho in study.chain().lipschitz),
        evidence=Evidence.EXACT,
        method="1 for ReLU, by definition",
    )


@measurement("half the number of atoms that cover each layer", whole=True)
def covering_atoms(study: Study) -> Quantity:
    """p_l: one atom and its negative for every entry of the matrix, and for every bias."""
    sizes = [a.matrix.size + (a.matrix.shape[0] if a.has_bias else 0) for a in study.chain().affine]
    return Quantity(value=tuple(map(Interval, sizes)), evidence=Evidence.EXACT, method="counted")
