"""The two-layer ReLU network with 2n + d weights that gives a sample its labels, built and checked in exact arithmetic.

Zhang, Bengio, Hardt, Recht and Vinyals 2017, Theorem 1: c(x) = sum_j w_j relu(<a, x> - b_j) with a in R^d, w and b in R^n
takes any given values on n distinct inputs. They solve a triangular system for w, whose exact solution has numbers of
millions of digits. Here kink and weight of a unit are found together, every weight is a power of two, and all numbers are
dyadic and short (docs/theory/memorization.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from jaxtyping import Int

from .errors import DataError
from .projection import Projection, project
from .run import Sample

DIRECT: Final = 64
"""Examples at which the network is also summed unit by unit, from their inputs."""


@dataclass(frozen=True, slots=True)
class Dyadic:
    """The number mantissa 2^exponent; the mantissa is odd, or 0 with exponent 0."""

    mantissa: int
    exponent: int

    @classmethod
    def of(cls, mantissa: int, exponent: int) -> Dyadic:
        """The number in lowest terms."""
        if mantissa == 0:
            return cls(0, 0)
        zeros = (mantissa & -mantissa).bit_length() - 1
        return cls(mantissa >> zeros, exponent + zeros)

    @property
    def bits(self) -> int:
        """How many bits the mantissa has."""
        return self.mantissa.bit_length()

    def over(self, unit: int) -> int:
        """The number in units of 2^unit, of which it must be a whole multiple."""
        if self.mantissa and unit > self.exponent:
            raise ValueError(f"{self} is not a whole multiple of 2^{unit}")
        return self.mantissa << (self.exponent - unit) if self.mantissa else 0

    def __float__(self) -> float:
        return float(scaled(self.mantissa, self.exponent))

    def __str__(self) -> str:
        return f"{self.mantissa}*2^{self.exponent}"


def scaled(whole: int, exponent: int) -> Fraction:
    """whole 2^exponent."""
    return Fraction(whole << exponent) if exponent >= 0 else Fraction(whole, 1 << -exponent)


def dyadic(x: Fraction) -> Dyadic:
    """A fraction whose denominator is a power of two, such as any float."""
    return Dyadic.of(x.numerator, 1 - x.denominator.bit_length())


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """c(x) = sum_j weights[j] relu(<direction, x> - kinks[j])."""

    direction: tuple[int, ...]
    kinks: tuple[Dyadic, ...]
    weights: tuple[Dyadic, ...]

    @property
    def size(self) -> int:
        """How many real numbers it is made of: the direction, the kinks and the weights."""
        return len(self.direction) + len(self.kinks) + len(self.weights)

    @property
    def largest_bits(self) -> int:
        """The most bits that the mantissa of one of its numbers has."""
        entries = (Dyadic.of(a, 0) for a in self.direction)
        return max(x.bits for x in itertools.chain(entries, self.kinks, self.weights))

    def unit(self, exponent: int) -> int:
        """A power of two of which all kinks and every multiple of 2^exponent are whole multiples."""
        return min(exponent, *(b.exponent for b in self.kinks))

    def rows(self) -> Iterator[tuple[str, int, str]]:
        """(a, b or w; position from 1; exact value) for each of its numbers."""
        yield from (("a", j, str(Dyadic.of(a, 0))) for j, a in enumerate(self.direction, 1))
        yield from (("b", j, str(b)) for j, b in enumerate(self.kinks, 1))
        yield from (("w", j, str(w)) for j, w in enumerate(self.weights, 1))

    def along(self, values: Sequence[int], exponent: int) -> Iterator[Fraction]:
        """c at points values[i] 2^exponent of the line, in increasing order, by sums over the kinks to their left."""
        unit, step = self.unit(exponent), min(w.exponent for w in self.weights)
        pairs = zip((b.over(unit) for b in self.kinks), (w.over(step) for w in self.weights), strict=True)
        units = sorted(pairs)
        position = slope = offset = 0
        for value in values:
            z = value << (exponent - unit)
            while position < len(units) and units[position][0] < z:
                b, w = units[position]
                slope, offset, position = slope + w, offset + w * b, position + 1
            yield scaled(slope * z - offset, unit + step)

    def at(self, x: Sequence[Fraction]) -> Fraction:
        """c at one input whose entries are dyadic, unit by unit."""
        z = dyadic(sum((a * v for a, v in zip(self.direction, x, strict=True)), Fraction(0)))
        unit, step = self.unit(z.exponent), min(w.exponent for w in self.weights)
        where, total = z.over(unit), 0
        for b, w in zip(self.kinks, self.weights, strict=True):
            total += w.over(step) * max(where - b.over(unit), 0)
        return scaled(total, unit + step)


def interpolate(
    direction: tuple[int, ...], values: Sequence[int], exponent: int, targets: Sequence[int]
) -> Witness:
    """The network with c = targets[j] >= 1 at the points values[j] 2^exponent of the line, which must increase.

    At each point the slope so far misses the next target by D over a distance of Delta. A unit of weight sign(D) 2^q with
    2^q > |D|/Delta mends it: its kink is D/w before the next point, so after this one. The least such power is taken, but
    none below 2^-grain; then every slope is a multiple of 2^-grain and no number gets longer and longer.
    """
    grain = max((values[-1] - values[0]).bit_length() + exponent, exponent, 0)
    # Slopes are in units of 2^-grain, what they miss is in units of 2^(exponent - grain), of which 1 is a multiple.
    one = 1 << (grain - exponent)
    kinks = [dyadic(scaled(values[0], exponent) - targets[0])]
    weights = [Dyadic(1, 0)]
    slope = 1 << grain
    for (z, y), (z_next, y_next) in itertools.pairwise(zip(values, targets, strict=True)):
        gap = z_next - z
        missed = (y_next - y) * one - slope * gap
        if missed == 0:
            kinks.append(Dyadic.of(z + z_next, exponent - 1))
            weights.append(Dyadic(0, 0))
            continue
        size, sign = abs(missed), 1 if missed > 0 else -1
        q = max(0, size.bit_length() - gap.bit_length())
        q += gap << q <= size
        # D / w = |D| / 2^q, whatever the sign.
        kinks.append(Dyadic.of((z_next << q) - size, exponent - q))
        weights.append(Dyadic.of(sign, q - grain))
        slope += sign << q
    return Witness(direction=direction, kinks=tuple(kinks), weights=tuple(weights))


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorized:
    """A witness for a labelled sample, and what was found when it was compared with every label.

    `labels`: 1..k, one an example. `exact`: examples at which c is the label. `decoded`: those at which the k logits
    2 c s - c^2 of its value s have their largest at the label, all others lower by 1 or more. `direct`: those at which the
    sum was also taken unit by unit from the input, and is the label; `asked`: of how many.
    """

    witness: Witness
    projection: Projection
    labels: Int[np.ndarray, " n"]
    classes: int
    exact: int
    decoded: int
    direct: int
    asked: int

    @property
    def smallest_gap(self) -> Dyadic:
        """The least distance of two neighbours on the line; 0 for a single point."""
        ordered = [self.projection.values[i] for i in self.projection.order]
        gaps = (b - a for a, b in itertools.pairwise(ordered))
        return Dyadic.of(min(gaps, default=0), self.projection.exponent)

    @property
    def holds(self) -> bool:
        """Whether every comparison agreed."""
        return self.exact == self.decoded == len(self.labels) and self.direct == self.asked


def memorize(sample: Sample, classes: int, *, labels: str = "run", seed: int = 0) -> Memorized:
    """Build the witness for a sample and compare it, in exact arithmetic, with every label.

    `labels`: `run` for the sample's own, `random` for uniform ones of `seed`, which also draws the direction.

    Raises `DataError` when equal inputs carry different labels: no function has two values at one input.
    """
    if labels not in ("run", "random"):
        raise DataError(f"labels {labels!r} are unknown; give `run` or `random`.")
    drawn = np.random.Generator(np.random.Philox(key=[0x1A, seed])).integers(0, classes, len(sample))
    targets = 1 + (sample.labels if labels == "run" else drawn)
    projection = project(sample, seed)
    conflicts = [i for i, j in enumerate(projection.same_as) if targets[i] != targets[j]]
    if conflicts:
        i, j = conflicts[0], projection.same_as[conflicts[0]]
        raise DataError(
            f"examples {j} and {i} (counted from 0) have equal inputs and the labels {targets[j] - 1} and "
            f"{targets[i] - 1}; conflicts in all: {len(conflicts)}. No function has two values at one input; "
            f"{'give labels that agree' if labels == 'run' else 'give another --seed, or --labels run'}."
        )
    order = projection.order
    witness = interpolate(
        projection.direction,
        [projection.values[i] for i in order],
        projection.exponent,
        [int(targets[i]) for i in order],
    )
    return compare(witness, projection, sample, targets, classes, seed)


def compare(
    witness: Witness,
    projection: Projection,
    sample: Sample,
    targets: Int[np.ndarray, " n"],
    classes: int,
    seed: int = 0,
) -> Memorized:
    """Evaluate a witness at every example, knowing nothing of how it was made."""
    by_value = sorted(range(len(targets)), key=projection.values.__getitem__)
    values = [projection.values[i] for i in by_value]
    exact = decoded = direct = 0
    for i, s in zip(by_value, witness.along(values, projection.exponent), strict=True):
        exact += s == int(targets[i])
        decoded += decodes(s, int(targets[i]), classes)
    generator = np.random.Generator(np.random.Philox(key=[0xD1, seed]))
    asked = generator.choice(len(targets), min(DIRECT, len(targets)), replace=False).tolist()
    for i in asked:
        x = [Fraction(v) for v in np.asarray(sample.inputs(i, i + 1)).reshape(-1).tolist()]
        direct += witness.at(x) == int(targets[i])
    return Memorized(
        witness=witness,
        projection=projection,
        labels=targets,
        classes=classes,
        exact=exact,
        decoded=decoded,
        direct=direct,
        asked=len(asked),
    )


def decodes(s: Fraction, label: int, classes: int) -> bool:
    """Whether the logits f_c = 2 c s - c^2 have their largest at the label, and all others lie lower by 1 or more."""
    logits = [2 * c * s - c * c for c in range(1, classes + 1)]
    best = logits[label - 1]
    return all(best - f >= 1 for c, f in enumerate(logits, 1) if c != label)
