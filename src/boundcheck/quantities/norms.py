"""Norms of the layers of a chain, and of the data. One interval a layer, in the order of the chain."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from ..errors import NetworkError
from ..interval import Interval
from ..network import Affine, Chain, Layer, PathNorms
from ..network.path import first_layers
from ..network.recentring import Centre, geometric_median, mean, median, recentred, recentred_network
from ..network.rounding import gam
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study

ROUNDED = "float64 sum with its rounding"


def _layers(chain: Chain, norm: Callable[[Layer], Interval], method: str = ROUNDED) -> Quantity:
    return Quantity(value=tuple(map(norm, chain.layers)), evidence=Evidence.ENCLOSED, method=method)


def _plain(study: Study) -> tuple[Affine, ...]:
    """The matrices of a chain of single pieces, without biases. Raises `UnavailableError` for other networks."""
    chain = study.chain(biases=False)
    if not chain.plain:
        raise UnavailableError(*chain.why_not_plain)
    return chain.plain


def _total(parts: Iterable[Interval]) -> Interval:
    return sum(parts, start=Interval(0))


def _pairs(layer: Layer, initial: Layer) -> list[tuple[Affine, Affine, Interval]]:
    """The pieces of a layer beside the same at initialization, and the norm of what each reads."""
    if len(layer.pieces) != len(initial.pieces):
        raise UnavailableError("the network at initialization has another form than the trained one.")
    return [(a, a0, g) for (a, g), a0 in zip(layer.reading, initial.pieces, strict=True)]


def _difference(a: Affine, a0: Affine) -> Affine:
    try:
        return a - a0
    except NetworkError as error:
        raise UnavailableError(*error.reasons) from error


def _from_initial(study: Study, norm: Callable[[Layer, Layer], Interval]) -> Quantity:
    chain, initial = study.chain(), study.initial_chain()
    if len(chain.layers) != len(initial.layers):
        raise UnavailableError("the network at initialization has another number of layers.")
    pairs = zip(chain.layers, initial.layers, strict=True)
    return Quantity(
        value=tuple(norm(layer, before) for layer, before in pairs),
        evidence=Evidence.ENCLOSED,
        method=ROUNDED,
    )


def sum_of_squares(batch: np.ndarray) -> Interval:
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
            total += sum_of_squares(batch)
            terms += len(batch)
        return (total / terms).sqrt()

    value = study.remember("rms-input-norm", (study.run.digests["train"],), measure)
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("depth: number of layers", whole=True)
def depth(study: Study) -> Quantity:
    """L: linear maps with a Lipschitz map after each but the last."""
    return Quantity(value=Interval(len(study.chain().layers)), evidence=Evidence.EXACT, method="counted")


@measurement("Frobenius norm of each weight matrix", norm="frobenius")
def frobenius_norms(study: Study) -> Quantity:
    """|W_l|_F; of a convolution that of its unrolled matrix."""
    return Quantity(
        value=tuple(a.frobenius_norm() for a in _plain(study)), evidence=Evidence.ENCLOSED, method=ROUNDED
    )


def _output(study: Study, centre: Centre, norm: Callable[[Affine], Interval]) -> Quantity:
    """A norm of the last matrix of a plain chain, recentred."""
    value = norm(recentred(_plain(study)[-1], centre))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=f"{ROUNDED}, recentred")


@measurement("sum over the classes of the l2 norm of the class's row in the last weight matrix")
def output_row_norms(study: Study) -> Quantity:
    """|W_L|_{2,1}, rows being output units, their geometric median taken away."""
    return _output(study, geometric_median, lambda a: a.row_norm_sum())


@measurement("largest l2 norm of a class's row in the last weight matrix")
def output_row_norm(study: Study) -> Quantity:
    """max_j |w_j|_2, the mean of the rows taken away."""
    return _output(study, mean, lambda a: a.row_norm_max())


@measurement("largest l1 norm of a class's row in the last weight matrix")
def output_row_l1_norm(study: Study) -> Quantity:
    """max_j |w_j|_1, the median of the rows taken away."""
    return _output(study, median, lambda a: a.inf_norm())


@measurement("sum of the absolute entries of the last weight matrix")
def output_entry_sum(study: Study) -> Quantity:
    """|W_L|_{1,1}, the median of the rows taken away."""
    return _output(study, median, lambda a: a.entry_sum())


@measurement("largest l1 norm of a row of each weight matrix", norm="inf")
def inf_norms(study: Study) -> Quantity:
    """|W_l|_{1,inf}; of a convolution that of its unrolled matrix."""
    value = tuple(a.inf_norm() for a in _plain(study))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("spectral norm of each layer's linear map", norm="spectral")
def spectral_norms(study: Study) -> Quantity:
    """|A_l|, the operator norm from l2 to l2 at the real input shape, carried values included."""
    layers = study.chain().layers
    value = tuple(layer.spectral_norm() for layer in layers)
    method = "; ".join(dict.fromkeys(layer.method for layer in layers if layer.method))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=method)


@measurement(
    "mass of each layer's weights: sum of the l2 norms of rows, or of a kernel's columns over its input channels"
)
def covering_masses(study: Study) -> Quantity:
    """|W_l|_{2,1} of a dense layer, sum_{o,u,v} |K_{o,:,u,v}|_2 of a convolution; summed over parallel pieces."""

    def mass(layer: Layer) -> Interval:
        return _total(g * a.kernel_norm_sum() for a, g in layer.reading if a.learned)

    return _layers(study.chain(), mass)


@measurement("mass of each layer's weights minus their initialization")
def covering_masses_from_initial(study: Study) -> Quantity:
    """The same of W_l - W_l^0."""

    def mass(layer: Layer, before: Layer) -> Interval:
        return _total(
            g * _difference(a, a0).kernel_norm_sum() for a, a0, g in _pairs(layer, before) if a.learned
        )

    return _from_initial(study, mass)


@measurement("mass of each layer's biases")
def bias_masses(study: Study) -> Quantity:
    """sum_c P_c^(1/2) |b_c| over the biases, P_c the positions that share one; |b_l|_1 of a dense layer."""
    return _layers(study.chain(), lambda layer: _total(a.bias_mass() for a in layer.pieces if a.has_bias))


@measurement("mass of each layer's biases minus their initialization")
def bias_masses_from_initial(study: Study) -> Quantity:
    """The same of b_l - b_l^0."""

    def mass(layer: Layer, before: Layer) -> Interval:
        return _total(_difference(a, a0).bias_mass() for a, a0, _ in _pairs(layer, before) if a.has_bias)

    return _from_initial(study, mass)


@measurement("l2 norm of each layer's biases at initialization")
def initial_bias_l2_norms(study: Study) -> Quantity:
    """|b_l^0|_2 over all output units; 0 for a layer without bias."""

    def norm(layer: Layer) -> Interval:
        return _total(a.bias_norm(2) * a.bias_norm(2) for a in layer.pieces if a.has_bias).sqrt()

    return _layers(study.initial_chain(), norm)


@measurement("1 for each layer with a bias, 0 for each without", whole=True)
def bias_flags(study: Study) -> Quantity:
    """Which layers pay the price of an index for their bias."""
    return Quantity(
        value=tuple(Interval(int(layer.has_bias)) for layer in study.chain().layers),
        evidence=Evidence.EXACT,
        method="read off the network",
    )


@measurement("Lipschitz constant of the map after each layer")
def lipschitz_constants(study: Study) -> Quantity:
    """rho_l in l2, fixed linear maps such as an average pool included; 1 after the last layer."""
    value = tuple(layer.lipschitz for layer in study.chain().layers)
    evidence = Evidence.EXACT if all(rho.is_exact for rho in value) else Evidence.ENCLOSED
    return Quantity(value=value, evidence=evidence, method="by definition, and counted for max pooling")


@measurement("half the number of atoms that cover each layer", whole=True)
def covering_atoms(study: Study) -> Quantity:
    """p_l: one atom and its negative for every entry of a matrix or kernel, and for every bias."""

    def count(layer: Layer) -> int:
        return max(1, sum(a.biases + (a.operator.parameters if a.learned else 0) for a in layer.pieces))

    counts = tuple(Interval(count(layer)) for layer in study.chain().layers)
    return Quantity(value=counts, evidence=Evidence.EXACT, method="counted")


@measurement("l1 path norm")
def path_norm(study: Study) -> Quantity:
    """Sum over all paths from an input coordinate or a bias to a logit of the product of the absolute weights."""
    return Quantity(value=study.path_norms().l1, evidence=Evidence.ENCLOSED, method="one scaled forward pass")


@measurement("l1 path norm, recentred")
def centred_path_norm(study: Study) -> Quantity:
    """The same, the median of the last rows taken away: margins stay as they are."""
    value = study.path_norms(centred=True).l1
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method="one scaled forward pass")


@measurement("hybrid path norm, recentred")
def hybrid_path_norm(study: Study) -> Quantity:
    """l2 norms of the weights of the units that read the input, then absolute weights along paths.

    The median of the last rows is taken away, or the geometric median where they read the input themselves.
    """
    norms = study.path_norms(centred=True)
    if len(study.network.nodes) - 1 in first_layers(study.network):
        found = recentred_network(study.network, geometric_median).path_norms()
        norms = found if isinstance(found, PathNorms) else norms
    return Quantity(value=norms.hybrid, evidence=Evidence.ENCLOSED, method="one scaled forward pass")


@measurement("l2 path norm")
def path_norm_l2(study: Study) -> Quantity:
    """Root of the sum over all paths of the square of the product of the weights."""
    return Quantity(value=study.path_norms().l2, evidence=Evidence.ENCLOSED, method="one scaled forward pass")
