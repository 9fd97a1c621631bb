"""The network with 2n + d weights: exact on every example, of short numbers, and its check catches what is wrong."""

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundcheck.errors import DataError
from boundcheck.report.interpolant import interpolant
from boundcheck.report.plots import save
from boundcheck.run import Sample
from boundcheck.witness import Dyadic, compare, decodes, dyadic, interpolate, memorize, scaled


def sample(x, labels):
    x, labels = np.asarray(x), np.asarray(labels, np.int64)
    return Sample(labels=labels, clean=labels, inputs=lambda start, stop: x[start:stop])


def plain(witness, x):
    """c(x) in fractions, from the formula alone."""
    z = sum((Fraction(v) * a for v, a in zip(x, witness.direction, strict=True)), Fraction(0))
    pairs = zip(witness.weights, witness.kinks, strict=True)
    return sum((printed(w) * max(z - printed(b), Fraction(0)) for w, b in pairs), Fraction(0))


def printed(number):
    """The value of the printed form p*2^e."""
    mantissa, exponent = str(number).split("*2^")
    return int(mantissa) * Fraction(2) ** int(exponent)


@pytest.mark.parametrize(("n", "d", "k"), [(1, 1, 2), (2, 3, 2), (40, 5, 10), (150, 2, 3)])
def test_every_label_is_attained_by_2n_plus_d_numbers(n, d, k):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, d)).astype(np.float32)
    labels = rng.integers(0, k, n)
    found = memorize(sample(x, labels), k)
    assert found.holds
    assert found.witness.size == 2 * n + d == len(list(found.witness.rows()))
    assert [plain(found.witness, row) for row in x.tolist()] == (labels + 1).tolist()


@given(
    st.sets(st.integers(-(2**40), 2**40), min_size=1, max_size=40),
    st.integers(-60, 30),
    st.integers(2, 10),
    st.integers(0, 10**6),
)
def test_numbers_stay_short(places, exponent, k, seed):
    values = sorted(places)
    labels = np.random.default_rng(seed).integers(1, k + 1, len(values)).tolist()
    found = interpolate((1,), values, exponent, labels)
    assert list(found.along(values, exponent)) == labels
    # What docs/theory/memorization.md promises: slopes and weights are whole multiples of 2^-grain and not steep.
    gaps = [scaled(b - a, exponent) for a, b in itertools.pairwise(values)]
    least = Fraction(1, 2 ** max((values[-1] - values[0]).bit_length() + exponent, exponent, 0))
    steepest = 1 + sum((2 * (k - 1) / gap + least for gap in gaps), Fraction(0))
    farthest = scaled(max(map(abs, values)), exponent) + k
    for w, b in zip(found.weights, found.kinks, strict=True):
        assert w.mantissa in (-1, 0, 1)
        assert w.mantissa == 0 or least <= scaled(1, w.exponent) <= 4 * steepest
        assert scaled(abs(b.mantissa), b.exponent) <= farthest
        assert b.mantissa == 0 or scaled(1, b.exponent) >= scaled(1, exponent) * least / (4 * steepest)
    places = [scaled(v, exponent) for v in values]
    kinks = [scaled(b.mantissa, b.exponent) for b in found.kinks]
    assert kinks[0] < places[0]
    assert all(a < b < c for a, b, c in zip(places, kinks[1:], places[1:], strict=False))


def test_a_straight_run_of_labels_takes_weights_of_zero():
    found = interpolate((1,), list(range(6)), 0, [1, 2, 3, 4, 5, 6])
    assert [str(w) for w in found.weights] == ["1*2^0", *["0*2^0"] * 5]


@pytest.mark.parametrize("part", ["weights", "kinks", "direction"])
@pytest.mark.parametrize("at", [0, 7, -1])
def test_a_wrong_number_is_noticed(part, at):
    rng = np.random.default_rng(5)
    data = sample(rng.normal(size=(30, 4)), rng.integers(0, 3, 30))
    found = memorize(data, 3)
    numbers = list(getattr(found.witness, part))
    at = at % len(numbers)
    numbers[at] = (
        numbers[at] + 1
        if part == "direction"
        else Dyadic.of(2 * numbers[at].mantissa + 1, numbers[at].exponent - 1)
    )
    wrong = dataclasses.replace(found.witness, **{part: tuple(numbers)})
    assert compare(found.witness, found.projection, data, found.labels, 3).holds
    assert not compare(wrong, found.projection, data, found.labels, 3).holds


def test_a_wrong_projection_is_noticed_by_the_sum_from_the_inputs():
    rng = np.random.default_rng(6)
    data = sample(rng.normal(size=(30, 4)), rng.integers(0, 3, 30))
    found = memorize(data, 3)
    moved = tuple(v + 1 for v in found.projection.values)
    projection = dataclasses.replace(found.projection, values=moved)
    witness = interpolate(
        projection.direction,
        [projection.values[i] for i in projection.order],
        projection.exponent,
        [int(found.labels[i]) for i in projection.order],
    )
    checked = compare(witness, projection, data, found.labels, 3)
    assert checked.exact == 30
    assert checked.direct < checked.asked
    assert not checked.holds


def test_the_decoding_needs_a_value_near_a_label():
    for k, label in [(2, 1), (2, 2), (10, 1), (10, 7), (10, 10)]:
        assert decodes(Fraction(label), label, k)
        assert not decodes(Fraction(label) + (1 if label < k else -1), label, k)
        inner = Fraction(1, 4) * (1 if label < k else -1)
        # Still the largest, but by less than 1.
        assert not decodes(Fraction(label) + inner, label, k)


def test_equal_inputs_count_once_and_may_not_contradict_each_other():
    x = [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    found = memorize(sample(x, [1, 0, 1]), 2)
    assert found.holds
    assert found.projection.merged == 1
    assert found.witness.size == 2 * 2 + 2
    with pytest.raises(DataError, match=r"examples 0 and 2 .* equal inputs and the labels 1 and 0"):
        memorize(sample(x, [1, 0, 0]), 2)


def test_random_labels_depend_on_the_seed_alone():
    x = np.random.default_rng(7).normal(size=(50, 3))
    one, other = (memorize(sample(x, [c] * 50), 4, labels="random", seed=3) for c in (0, 1))
    assert np.array_equal(one.labels, other.labels)
    assert not np.array_equal(one.labels, memorize(sample(x, [0] * 50), 4, labels="random", seed=4).labels)
    assert one.holds
    with pytest.raises(DataError, match="give `run` or `random`"):
        memorize(sample(x, [0] * 50), 4, labels="noise")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_dyadic_is_the_float_it_was_made_of(x):
    number = dyadic(Fraction(x))
    assert float(number) == x
    assert printed(number) == Fraction(x)
    assert number.mantissa % 2 or number == Dyadic(0, 0)
    with pytest.raises(ValueError, match="whole multiple"):
        Dyadic.of(3, -2).over(-1)


def test_two_drawings_of_one_witness_differ_in_no_byte(tmp_path):
    rng = np.random.default_rng(8)
    data = sample(rng.normal(size=(130, 4)), rng.integers(0, 12, 130))
    for name in ("one", "two"):
        save(interpolant(memorize(data, 12)), tmp_path / name)
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


@pytest.mark.parametrize("n", [1, 2, 11, 99])
def test_small_samples_can_be_drawn(n, tmp_path):
    rng = np.random.default_rng(9)
    save(interpolant(memorize(sample(rng.normal(size=(n, 4)), rng.integers(0, 2, n)), 2)), tmp_path / "w")
    assert (tmp_path / "w.png").stat().st_size > 1000
