"""Inner products with whole numbers are exact, and equal inputs are found without mistaking others for them."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundcheck import projection
from boundcheck.errors import DataError
from boundcheck.projection import inner_products, project
from boundcheck.run import Sample


def sample(x, labels=None):
    x = np.asarray(x)
    labels = np.zeros(len(x), np.int64) if labels is None else np.asarray(labels, np.int64)
    return Sample(labels=labels, clean=labels, inputs=lambda start, stop: x[start:stop])


def exact(x, a):
    return [sum((Fraction(v) * w for v, w in zip(row, a, strict=True)), Fraction(0)) for row in x]


def scaled(values, exponent):
    return [v * Fraction(2) ** exponent for v in values]


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(finite, min_size=3, max_size=3), min_size=1, max_size=6))
def test_any_floats_are_projected_exactly(rows):
    a = np.array([2**15 - 1, -(2**15) + 1, 12_345])
    values, exponent = inner_products(sample(np.array(rows)), a)
    assert scaled(values, exponent) == exact(rows, a.tolist())


@pytest.mark.parametrize("d", [1, 784, 40_000])
def test_long_inputs_with_the_largest_entries_are_exact(d):
    """A sum of d products at its largest: more columns leave fewer bits for a slice."""
    rng = np.random.default_rng(d)
    x = rng.normal(size=(3, d)).astype(np.float32)
    x[0] = np.float32(2 - 2**-23)
    a = np.full(d, 2**15 - 1)
    values, exponent = inner_products(sample(x), a)
    assert scaled(values, exponent) == exact(x.tolist(), a.tolist())


def test_equal_inputs_are_merged_whatever_the_sign_of_zero():
    x = np.array([[0.0, 1.0], [2.0, -0.0], [-0.0, 1.0], [2.0, 0.0], [5.0, 5.0], [0.0, 1.0]], np.float32)
    found = project(sample(x))
    assert found.merged == 3
    assert found.same_as == (0, 1, 0, 1, 4, 0)
    assert sorted(found.order) == [0, 1, 4]
    ordered = [found.values[i] for i in found.order]
    assert ordered == sorted(set(ordered))


@pytest.mark.parametrize("seed", range(8))
def test_different_inputs_that_coincide_on_a_line_get_a_finer_one(seed, monkeypatch):
    monkeypatch.setattr(projection, "LIMB", 2)
    grid = np.stack(np.meshgrid(np.arange(12), np.arange(12)), axis=-1).reshape(-1, 2).astype(np.uint8)
    x = np.concatenate([grid, grid[:5]])
    found = project(sample(x), seed)
    assert max(map(abs, found.direction)) > 3
    assert len(found.order) == 144
    assert found.same_as[144:] == (0, 1, 2, 3, 4)
    assert scaled(found.values, found.exponent) == exact(x.tolist(), found.direction)


def test_one_direction_for_one_seed():
    x = np.random.default_rng(1).normal(size=(10, 4))
    assert project(sample(x), 3) == project(sample(x), 3)
    assert project(sample(x), 3).direction != project(sample(x), 4).direction


def test_all_zero_and_single_inputs():
    assert project(sample(np.zeros((3, 2)))).order == (0,)
    assert project(sample(np.ones((1, 1)))).merged == 0


def test_integers_beyond_float64_are_refused():
    with pytest.raises(DataError, match="int64"):
        project(sample(np.array([[2**53 + 1], [0]])))


def test_a_direction_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="less than"):
        inner_products(sample(np.ones((1, 2))), np.array([2**15, 0]))
