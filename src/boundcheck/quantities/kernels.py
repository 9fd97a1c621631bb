"""Kernels of convolutions as they are stored, positions not counted: what bounds on kernel norms ask.

Source: docs/theory/path-norm.md.
"""

from __future__ import annotations

from ..interval import Interval
from ..network import Affine, Convolution
from ..network.kernel_path import kernel_path_norm as kernel_path_norm_of
from ..network.recentring import geometric_median, recentred_network
from .norms import ROUNDED
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study


@measurement("path norm from kernel norms, recentred")
def kernel_path_norm(study: Study) -> Quantity:
    """The number that starts with norms of filters and goes on with window sizes, never below the hybrid path norm.

    The geometric median of the last rows is taken away.
    """
    study.path_norms()
    value = kernel_path_norm_of(recentred_network(study.network, geometric_median))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


def _taps(study: Study) -> tuple[int, ...]:
    chain = study.chain(biases=False)
    if not chain.plain:
        raise UnavailableError(*chain.why_not_plain)
    return tuple(map(_taps_of, chain.plain))


def _taps_of(piece: Affine) -> int:
    if not isinstance(piece.operator, Convolution):
        return 1
    height, width = piece.operator.kernel.shape[:2]
    return height * width


@measurement("taps of each layer's kernel", whole=True)
def kernel_taps(study: Study) -> Quantity:
    """Height times width of a convolution's kernel, 1 for a dense layer; of a chain of single pieces without biases."""
    return Quantity(
        value=tuple(map(Interval, _taps(study))), evidence=Evidence.EXACT, method="read off the network"
    )


@measurement("taps of the largest kernel", whole=True)
def largest_kernel(study: Study) -> Quantity:
    """The largest number of taps of a layer."""
    return Quantity(value=Interval(max(_taps(study))), evidence=Evidence.EXACT, method="read off the network")
