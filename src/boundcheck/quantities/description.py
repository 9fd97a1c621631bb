"""How many bits describe the classifier: as stored, rounded, or compressed to a file."""

from __future__ import annotations

import lzma

import numpy as np

from ..interval import Interval
from ..quantization import BITS, message_bits
from ..run import Run, stored_arrays
from .quantity import Evidence, Quantity, measurement
from .study import Study


@measurement("bits of the stored parameters", whole=True)
def parameter_bits(study: Study) -> Quantity:
    """B: every parameter at its stored width, whatever its value."""
    return Quantity(
        value=Interval(study.run.parameter_bits),
        evidence=Evidence.EXACT,
        method="parameters times their stored width",
    )


@measurement("bits of the rounded parameters", whole=True)
def quantized_bits(study: Study) -> Quantity:
    """B of the network with its weights rounded: 8 bits a weight and 32 for the scale of each array."""
    return Quantity(
        value=Interval(message_bits(study.run.params)),
        evidence=Evidence.EXACT,
        method=f"{BITS} bits a weight, 32 for the scale of each array",
    )


@measurement("bits of the compressed weights file")
def file_bits(study: Study) -> Quantity:
    """B = 8 l + log2(l (l + 1)) for a file of l bytes: the prior 2^-8l / (l (l + 1)) sums to at most 1 over all files."""
    size = study.remember("compressed-file", (), lambda: Interval(len(compressed(study.run))))
    return Quantity(
        value=8 * size + (size * (size + 1)).log() / Interval(2).log(),
        evidence=Evidence.ENCLOSED,
        method=f"{int(float(size.hi)):,} bytes: the arrays in their order, bytes of equal weight together, by LZMA",
    )


def compressed(run: Run) -> bytes:
    """The weights without loss: of each array all first bytes, then all second bytes and so on, then LZMA.

    Sign and exponent of a float repeat, its last bits do not; apart they compress better. Shapes and dtypes belong to the
    architecture, which is fixed in advance.
    """
    planes = []
    for _, array in stored_arrays(run.params):
        flat = np.ascontiguousarray(array).reshape(-1)
        planes.append(flat.view(np.uint8).reshape(flat.size, -1).T.tobytes())
    return lzma.compress(b"".join(planes), format=lzma.FORMAT_ALONE, preset=6)
