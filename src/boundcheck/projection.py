"""Inputs on a line: <a, x_i> for every example, exactly, along a direction of small whole numbers.

A float is m 2^e with whole m, so the inner products are whole multiples of one power of two. They are found by float64
products of slices of the inputs, short enough for every partial sum to be exact, and added up as Python integers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int

from .errors import DataError
from .run import Sample

BATCH: Final = 2048
LIMB: Final = 15
"""Bits of a direction drawn at once; more are drawn only if inputs that differ coincide on the line."""
MOST_LIMBS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """<a, x_i> = values[i] 2^exponent for every example i.

    `direction`: the whole numbers a, one an input coordinate. `order`: examples with pairwise distinct inputs, by value.
    `same_as`: for each example the one in `order` with the same input, itself for those.
    """

    direction: tuple[int, ...]
    exponent: int
    values: tuple[int, ...]
    order: tuple[int, ...]
    same_as: tuple[int, ...]

    @property
    def merged(self) -> int:
        """How many examples repeat the input of another one."""
        return len(self.values) - len(self.order)


def project(sample: Sample, seed: int = 0) -> Projection:
    """Project inputs so that different ones stay apart; equal ones are found and merged.

    The direction depends on `seed` alone. Raises `DataError` for inputs that are not numbers that float64 holds.
    """
    lowest, highest = _range(sample)
    width = _flat(sample, 0, 1).shape[1]
    generator = np.random.Generator(np.random.Philox(seed))
    direction, values = [0] * width, [0] * len(sample)
    for limb in range(MOST_LIMBS):
        part = generator.integers(1 - 2**LIMB, 2**LIMB, width)
        direction = [a + (int(b) << (LIMB * limb)) for a, b in zip(direction, part, strict=True)]
        for i, value in enumerate(_products(sample, part, lowest, highest)):
            values[i] += value << (LIMB * limb)
        groups = _groups(sample, values)
        if groups is not None:
            first, same_as = groups
            return Projection(
                direction=tuple(direction),
                exponent=lowest,
                values=tuple(values),
                order=first,
                same_as=same_as,
            )
    raise DataError(
        f"two different inputs coincide on {MOST_LIMBS} random lines, which chance does not do; give another --seed."
    )


def inner_products(sample: Sample, a: Int[np.ndarray, " d"]) -> tuple[list[int], int]:
    """(<a, x_i> in units of 2^e for every example, e), exactly, for whole a_j less than 2^LIMB in size."""
    if np.abs(a).max(initial=0) >= 2**LIMB:
        raise ValueError(f"entries of a direction must be less than {2**LIMB} in size")
    lowest, highest = _range(sample)
    return _products(sample, a, lowest, highest), lowest


def _flat(sample: Sample, start: int, stop: int) -> Float64[np.ndarray, "b d"]:
    """Inputs as float64, exactly. Raises `DataError` where float64 does not hold them."""
    given = np.asarray(sample.inputs(start, stop))
    rows = given.astype(np.float64).reshape(len(given), -1)
    if given.dtype.kind not in "fiub" or (given.dtype.kind in "iu" and not (np.abs(rows) < 2.0**53).all()):
        raise DataError(
            f"inputs of dtype {given.dtype} are not all held by float64; give real numbers, integers below 2^53."
        )
    return rows


def _range(sample: Sample) -> tuple[int, int]:
    """Powers of two (low, high) such that every input is a whole multiple of 2^low and less than 2^high in size."""
    low, high = [], []
    for start in range(0, len(sample), BATCH):
        rows = _flat(sample, start, min(start + BATCH, len(sample)))
        mantissa, exponent = np.frexp(rows[rows != 0])
        whole = np.ldexp(mantissa, 53).astype(np.int64)
        # The lowest set bit of each mantissa; a power of two is 0.5 times the next one for frexp.
        last = np.frexp((whole & -whole).astype(np.float64))[1] - 1
        low.append(int((exponent - 53 + last).min(initial=0)) if exponent.size else 0)
        high.append(int(exponent.max(initial=-1100)))
    least = min(low)
    return least, max(*high, least)


def _products(sample: Sample, a: Int[np.ndarray, " d"], lowest: int, highest: int) -> list[int]:
    """<a, x_i> in units of 2^lowest, for |a_j| < 2^LIMB."""
    # Slices of so many bits: a sum of d products of a slice and an entry of a stays below 2^53, exact in float64.
    bits = 53 - LIMB - max(1, (len(a) - 1).bit_length())
    slices = -(-(highest - lowest) // bits)
    entries = a.astype(np.float64)
    values: list[int] = []
    for start in range(0, len(sample), BATCH):
        rest = _flat(sample, start, min(start + BATCH, len(sample)))
        sums = [0] * len(rest)
        for position in range(slices - 1, -1, -1):
            shift = lowest + bits * position
            part = np.trunc(np.ldexp(rest, -shift))
            rest = rest - np.ldexp(part, shift)
            for i, value in enumerate((part @ entries).tolist()):
                sums[i] += int(value) << (bits * position)
        values += sums
    return values


def _groups(sample: Sample, values: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """(one example for each input by value, for each example that one); None if different inputs have one value."""
    by_value = sorted(range(len(values)), key=lambda i: (values[i], i))
    first, same_as = [], list(range(len(values)))
    for _, run in itertools.groupby(by_value, key=values.__getitem__):
        head, *others = run
        first.append(head)
        for i in others:
            # -0.0 and 0.0 are one number.
            if not np.array_equal(_flat(sample, i, i + 1), _flat(sample, head, head + 1)):
                return None
            same_as[i] = head
    return tuple(first), tuple(same_as)
