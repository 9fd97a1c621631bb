"""Shattered points: the counts of the theory, and the construction of Zhang et al. carried out exactly."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from boundcheck.quantities.capacity import shattered


@pytest.mark.parametrize(
    ("d", "hidden", "count"),
    [
        (784, (512, 512), 266_560),  # C6 = 2 * 784 * 170
        (256, (120, 84), 20_480),  # C6 = 2 * 256 * 40
        (1, (512, 512), 131_072),  # C5 = 2 * 256 * 256
        (1, (5,), 6),  # C1
        (1, (2, 3), 5),  # C2: 2 + 3
        (1, (3, 2, 2), 5),  # C2: 7 - 2
    ],
)
def test_check_values(d, hidden, count):
    expected = max(count, 1 + max(hidden))
    assert shattered(d, hidden) >= expected
    if d > 1 or hidden == (512, 512):
        assert shattered(d, hidden) == count


def test_nothing_is_claimed_without_hidden_units():
    assert shattered(5, ()) == 0
    assert shattered(0, (3,)) == 0
    assert shattered(5, (3, 0)) == 0


def test_more_width_or_dimension_never_lowers_the_count():
    rng = np.random.default_rng(1)
    for _ in range(200):
        d, hidden = int(rng.integers(1, 9)), [int(h) for h in rng.integers(1, 12, rng.integers(1, 4))]
        base = shattered(d, hidden)
        assert shattered(d + 1, hidden) >= base
        for layer in range(len(hidden)):
            wider = [h + (i == layer) for i, h in enumerate(hidden)]
            assert shattered(d, wider) >= base


def test_one_more_point_than_units_is_shattered_on_a_line():
    """C1 for width 3, by interpolation in exact arithmetic: all 2^4 labellings of 4 points."""
    points = [Fraction(k) for k in (1, 2, 4, 7)]
    for signs in itertools.product((-1, 1), repeat=4):
        # f(t) = s_1 + slope_1 (t - t_1)^+ + changes of slope at t_2 and t_3: three units and an output bias.
        slopes = [Fraction(signs[i + 1] - signs[i]) / (points[i + 1] - points[i]) for i in range(3)]
        weights = [slopes[0], slopes[1] - slopes[0], slopes[2] - slopes[1]]

        def f(t, weights=weights, signs=signs):
            return signs[0] + sum(w * max(Fraction(0), t - p) for w, p in zip(weights, points, strict=False))

        assert [f(t) for t in points] == list(signs)
    assert shattered(1, (3,)) >= 4
