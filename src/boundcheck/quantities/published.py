"""What bounds ask in the form in which they were published, for comparison: of a chain of single pieces without biases."""

from __future__ import annotations

from ..interval import Interval
from ..network import Affine, Convolution
from .norms import ROUNDED
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study


def _pieces(study: Study) -> tuple[Affine, ...]:
    """The matrices and kernels. Raises `UnavailableError` for other networks."""
    chain = study.chain(biases=False)
    if not chain.plain:
        raise UnavailableError(*chain.why_not_plain)
    return chain.plain


@measurement("largest width", whole=True)
def largest_width(study: Study) -> Quantity:
    """W: units of the input or of a layer, whichever are most."""
    pieces = _pieces(study)
    width = max(pieces[0].in_size, *(piece.out_size for piece in pieces))
    return Quantity(value=Interval(width), evidence=Evidence.EXACT, method="counted")


@measurement("sum of the l2 norms of the rows of each weight matrix")
def row_norm_sums(study: Study) -> Quantity:
    """|A_i|_{2,1}, rows being output units; of a convolution that of its unrolled matrix."""
    value = tuple(piece.row_norm_sum() for piece in _pieces(study))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("Frobenius norm of each matrix or kernel")
def kernel_norms(study: Study) -> Quantity:
    """|K_i|_F: each weight counts once."""
    value = tuple(piece.weight_norm() for piece in _pieces(study))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("number of entries of each matrix or kernel", whole=True)
def kernel_sizes(study: Study) -> Quantity:
    """W_i."""
    value = tuple(Interval(piece.operator.parameters) for piece in _pieces(study))
    return Quantity(value=value, evidence=Evidence.EXACT, method="counted")


@measurement("number of entries of the largest matrix or kernel", whole=True)
def most_parameters(study: Study) -> Quantity:
    """W."""
    size = max(piece.operator.parameters for piece in _pieces(study))
    return Quantity(value=Interval(size), evidence=Evidence.EXACT, method="counted")


@measurement("side of the map that each layer reads over its stride")
def steps_across(study: Study) -> Quantity:
    """d_i over the stride, the larger of the two axes; 1 of a dense layer."""
    value = []
    for piece in _pieces(study):
        operator = piece.operator
        ratios = [Interval(1)]
        if isinstance(operator, Convolution):
            ratios = [
                Interval(size) / stride for size, stride in zip(operator.size, operator.stride, strict=True)
            ]
        largest = ratios[0]
        for ratio in ratios[1:]:
            largest = largest.maximum(ratio)
        value.append(largest)
    return Quantity(value=tuple(value), evidence=Evidence.ENCLOSED, method="counted")
