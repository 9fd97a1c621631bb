"""`Witness`: a two-layer network with 2n + d weights that represents any labels of n examples, built and checked exactly.

Zhang, Bengio, Hardt, Recht and Vinyals 2017, Theorem 1: with a direction a in R^d that tells the inputs apart, kinks
b_1 < z_1 < b_2 < ... < z_n between the projections z_i = <a, x_i>, and output weights w,

    c(x) = sum_j w_j max(<a, x> - b_j, 0).

The theorem solves a triangular system for w, whose exact solution has numbers of millions of digits. Here the kinks are
chosen together with the weights, so that every number stays dyadic and short: with s the slope so far and D what it misses
at the next point, at distance Delta, the weight is the least power of two above |D| / Delta, with the sign of D, and the kink
lies D / w before that point. Derivation: docs/theory/shattering.md.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from .errors import BoundcheckError
from .run import Run

BATCH: Final = 2048
_TRIES: Final = 10
_LARGEST: Final = 2**20
"""Entries of the direction, in units of a power of two."""

_LIMB: Final = 18
"""Bits of a piece of a mantissa: a sum of 2^14 products of one by an entry of the direction is exact in float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """The network, in units in which projections are whole numbers.

    - `direction`: whole numbers a [d]; the weights of every hidden unit are a times 2^`exponent`.
    - `points`: z, increasing; `labels`: what c is there, 1..k; `copies`: how many examples each stands for.
    - `kinks`, `weights`: b and w, dyadic.
    """

    direction: Int[np.ndarray, " d"]
    exponent: int
    points: tuple[int, ...]
    labels: tuple[int, ...]
    copies: tuple[int, ...]
    kinks: tuple[Fraction, ...]
    weights: tuple[Fraction, ...]

    @property
    def parameters(self) -> int:
        """2n + d: a direction, and a kink and a weight for each distinct input."""
        return len(self.direction) + len(self.kinks) + len(self.weights)

    @property
    def bits(self) -> int:
        """The longest numerator or denominator of a kink or a weight."""
        numbers = itertools.chain(self.kinks, self.weights)
        return max(max(x.numerator.bit_length(), x.denominator.bit_length()) for x in numbers)

    @property
    def smallest_gap(self) -> int:
        """The least distance of two projections."""
        return min((b - a for a, b in itertools.pairwise(self.points)), default=0)

    def at(self, z: int | Fraction) -> Fraction:
        """c at a projection, term by term."""
        pairs = zip(self.weights, self.kinks, strict=True)
        return sum((w * (z - b) for w, b in pairs if z > b), Fraction(0))

    def check(self, classes: int, seed: int = 0, direct: int = 20) -> None:
        """Evaluate the network at every point in exact arithmetic, independently of how it was built.

        By prefix sums over the sorted kinks at all points, and term by term at `direct` of them; then the k logits
        f_c = 2 c s - c^2 of the value s are largest at the label and nowhere else. Raises `BoundcheckError` where it is
        not what it claims.
        """
        order = sorted(range(len(self.kinks)), key=self.kinks.__getitem__)
        sorted_kinks = [self.kinks[j] for j in order]
        slopes = [Fraction(0), *itertools.accumulate(self.weights[j] for j in order)]
        offsets = [Fraction(0), *itertools.accumulate(self.weights[j] * self.kinks[j] for j in order)]
        chosen = set(
            np.random.Generator(np.random.Philox(key=[seed, 1])).permutation(len(self.points))[:direct].tolist()
        )
        for i, (z, label) in enumerate(zip(self.points, self.labels, strict=True)):
            active = bisect.bisect_left(sorted_kinks, z)
            value = slopes[active] * z - offsets[active]
            if i in chosen and self.at(z) != value:
                raise BoundcheckError(f"the two evaluations of the witness differ at projection {z}.")
            if value != label or predicted(value, classes) != label:
                raise BoundcheckError(
                    f"the witness is {float(value):g} at projection {z}, where the label is {label}."
                )


def predicted(s: Fraction, classes: int) -> int:
    """The class 1..k whose logit 2 c s - c^2 is largest; 0 for a tie."""
    logits = [2 * c * s - c * c for c in range(1, classes + 1)]
    top = max(logits)
    return logits.index(top) + 1 if logits.count(top) == 1 else 0


def memorize(points: Sequence[int], labels: Sequence[int]) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """Kinks and weights of the function that takes the labels (at least 1) at the increasing points."""
    kinks, weights = [Fraction(points[0] - labels[0])], [Fraction(1)]
    slope = Fraction(1)
    for (z, label), (after, wanted) in itertools.pairwise(zip(points, labels, strict=True)):
        distance = after - z
        missed = (wanted - label) - slope * distance
        if missed == 0:
            weight, kink = Fraction(0), Fraction(z + after, 2)
        else:
            weight = _power_above(abs(missed) / distance) * (1 if missed > 0 else -1)
            kink = after - missed / weight
        kinks.append(kink)
        weights.append(weight)
        slope += weight
    return tuple(kinks), tuple(weights)


def _power_above(x: Fraction) -> Fraction:
    """The least power of two greater than x > 0."""
    exponent = x.numerator.bit_length() - x.denominator.bit_length() - 1
    while Fraction(2) ** exponent <= x:
        exponent += 1
    return Fraction(2) ** exponent


def witness(run: Run, *, labels: Int[np.ndarray, " n"] | None = None, seed: int = 0) -> Witness:
    """The network for the training inputs of a run, for its labels or other ones (0..k-1).

    Equal inputs with equal labels count once. Raises `BoundcheckError` for equal inputs with different labels: no
    function represents them.
    """
    sample = run.sample("train")
    wanted = (sample.labels if labels is None else labels) + 1
    for attempt in range(_TRIES):
        generator = np.random.Generator(np.random.Philox(key=[seed, attempt]))
        direction = generator.integers(-_LARGEST, _LARGEST + 1, int(np.prod(run.example.shape)))
        projected, exponent = project(lambda: _rows(run), direction)
        order = sorted(range(len(projected)), key=projected.__getitem__)
        merged = _merged(run, projected, order, wanted)
        if merged is not None:
            points, names, copies = merged
            kinks, weights = memorize(points, names)
            return Witness(
                direction=direction,
                exponent=-exponent,
                points=points,
                labels=names,
                copies=copies,
                kinks=kinks,
                weights=weights,
            )
    raise BoundcheckError(
        f"no direction of {_TRIES} tells all inputs of {run.name} apart; give another --seed."
    )


def _rows(run: Run) -> Iterator[Float[np.ndarray, "b d"]]:
    for inputs, _ in run.sample("train").batches(BATCH):
        yield np.asarray(inputs, np.float64).reshape(len(inputs), -1)


def _merged(
    run: Run, projected: list[int], order: list[int], wanted: np.ndarray
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] | None:
    """Distinct projections in order with their labels and how many examples each; None if two inputs share one."""
    points: list[int] = []
    names: list[int] = []
    copies: list[int] = []
    leaders: list[int] = []
    for i in order:
        if points and projected[i] == points[-1]:
            if not np.array_equal(_input(run, i), _input(run, leaders[-1])):
                return None
            if wanted[i] != names[-1]:
                raise BoundcheckError(
                    f"examples {leaders[-1]} and {i} of {run.name} have equal inputs and the labels {names[-1] - 1} and {int(wanted[i]) - 1}; "
                    "no function represents both. Remove one of them."
                )
            copies[-1] += 1
            continue
        points.append(projected[i])
        names.append(int(wanted[i]))
        copies.append(1)
        leaders.append(i)
    return tuple(points), tuple(names), tuple(copies)


def _input(run: Run, i: int) -> np.ndarray:
    return np.asarray(run.sample("train").inputs(i, i + 1), np.float64) + 0.0


def project(rows: Callable[[], Iterator[Float[np.ndarray, "b d"]]], direction: Int[np.ndarray, " d"]) -> tuple[list[int], int]:
    """(<a, x_i> as whole numbers in units of 2^e, e), exactly, for float inputs in batches.

    Each float is a sum of three limbs of 18 bits times powers of two. Limbs of one power are multiplied and summed in
    float64, where that is exact; the powers are put together as Python integers.
    """
    sums: list[tuple[np.ndarray, int]] = []
    for x in rows():
        mantissa, exponent = np.frexp(x)
        whole = np.ldexp(mantissa, 3 * _LIMB).astype(np.int64)
        base = exponent - 3 * _LIMB
        low, high = (int(base[x != 0].min()), int(base[x != 0].max())) if x.any() else (0, 0)
        span = high - low + 2 * _LIMB + 1
        n, d = x.shape
        place = np.clip(base - low, 0, span - 1 - 2 * _LIMB) + span * np.arange(n)[:, None]
        total = np.zeros(n * span)
        sign, size = np.sign(whole), np.abs(whole)
        for limb in range(3):
            part = sign * ((size >> (_LIMB * limb)) & (2**_LIMB - 1))
            products = part.astype(np.float64) * direction
            total += np.bincount((place + _LIMB * limb).ravel(), products.ravel(), n * span)
        sums.append((total.reshape(n, span).astype(np.int64), low))
    least = min(low for _, low in sums)
    projected = []
    for table, low in sums:
        shifts = [1 << (low - least + k) for k in range(table.shape[1])]
        for row in table:
            used = np.flatnonzero(row)
            projected.append(sum(int(row[k]) * shifts[k] for k in used))
    return projected, least
