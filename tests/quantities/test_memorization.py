"""What the architecture memorizes on actual inputs: heads, duplicates, directions, features, ranks, and the complexity."""

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from check_values import agrees
from hypothesis import given
from hypothesis import strategies as st

from boundcheck import Interval, Run, trace
from boundcheck.quantities import (
    graph_dimension,
    memorization_complexity,
    memorized_points,
    natarajan_dimension,
)
from boundcheck.quantities.capacity import shattered
from boundcheck.quantities.heads import heads_of, labelled_in_every_way
from boundcheck.quantities.memorization import Groups, complexity_of, groups_of, mean_absolute_sum
from boundcheck.quantities.study import Study

RNG = np.random.default_rng(0)


def dense(*sizes, bias=True, seed=0):
    rng = np.random.default_rng(seed)
    layers = [
        {"w": rng.normal(size=(b, a)).astype(np.float32)}
        | ({"b": rng.normal(size=b).astype(np.float32)} if bias else {})
        for a, b in itertools.pairwise(sizes)
    ]
    return {str(i): layer for i, layer in enumerate(layers)}


def mlp(params, x):
    h = x.reshape(-1)
    for i in range(len(params)):
        layer = params[str(i)]
        h = layer["w"] @ (jax.nn.relu(h) if i else h)
        h = h + layer["b"] if "b" in layer else h
    return h


def conv_front(params, x):
    """A convolution with ReLU and a pool, then dense layers."""
    h = jax.lax.conv_general_dilated(
        x[None], params["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    h = jax.lax.reduce_window(jax.nn.relu(h), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return mlp(params["head"], jax.nn.relu(h))


def study(f, params, x, y=None, k=None, **more):
    x = np.asarray(x, np.float32)
    k = k or int(jax.eval_shape(f, params, x[0]).shape[0])
    y = np.arange(len(x)) % k if y is None else np.asarray(y)
    return Study(Run.from_arrays(f, params, train=(x, y), test=(x[:1], y[:1]), **more), Fraction(1, 20))


def count(s):
    return int(float(s.measure(memorized_points).value.lo))


# The architecture -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "printed"),
    [
        ((512, 512), 65_536),
        ((120, 84), 2520),
        ((512,), 513),
        ((10, 7, 12, 9), 34),  # C2; C4 is 25
        ((9, 8, 3, 14, 11), 42),  # C3; C4 is 31
        ((512, 512, 512, 512), 2 * 254 * 255),
        ((), 0),
        ((3, 0), 0),
    ],
)
def test_check_values_of_the_count(widths, printed):
    assert labelled_in_every_way(widths) == printed


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 4))
def test_a_wider_layer_never_lowers_the_count_and_what_is_labelled_is_shattered(widths, at):
    wider = [w + (i == at % len(widths)) for i, w in enumerate(widths)]
    assert labelled_in_every_way(wider) >= labelled_in_every_way(widths)
    assert shattered(2, widths) >= labelled_in_every_way(widths)


def test_heads_are_found_behind_convolutions_and_only_of_free_layers():
    x = np.zeros((6, 6, 2), np.float32)
    params = {"kernel": np.ones((3, 3, 2, 3), np.float32), "head": dense(27, 20, 12, 4)}
    (with_, without) = heads_of(trace(conv_front, params, x))
    assert with_.hidden == (20, 12)
    assert with_.biased
    assert without.hidden == (19, 11)
    assert with_.reads == without.reads > 0
    mixed = dense(27, 20, 12, 4)
    del mixed["0"]["b"]
    (with_, without) = heads_of(trace(conv_front, params | {"head": mixed}, x))
    # The longest with biases starts one layer later.
    assert with_.hidden == (12,)
    assert without.hidden == (19, 11)


def test_tied_layers_skips_and_other_nonlinearities_end_a_head():
    x = np.ones(5, np.float32)
    p = dense(5, 5, 5, 3)

    def tied(p, x):
        return mlp({"0": p["0"], "1": p["0"], "2": p["2"]}, x)

    def skip(p, x):
        h = jax.nn.relu(p["0"]["w"] @ x + p["0"]["b"])
        return p["2"]["w"] @ jax.nn.relu(p["1"]["w"] @ h + p["1"]["b"]) + p["2"]["b"] + p["2"]["b"] * h[:3]

    def leaky(p, x):
        h = jax.nn.leaky_relu(p["0"]["w"] @ x + p["0"]["b"])
        return p["2"]["w"] @ jax.nn.relu(p["1"]["w"] @ h + p["1"]["b"]) + p["2"]["b"]

    def scaled(p, x):
        return 2 * mlp(p, x)

    assert [h.hidden for h in heads_of(trace(tied, p, x))] == [(), ()]
    assert heads_of(trace(skip, p, x)) == ()
    assert [h.hidden for h in heads_of(trace(leaky, p, x))] == [(5,), (4,)]
    assert heads_of(trace(scaled, p, x)) == ()


# The complexity -----------------------------------------------------------------------------------------------------------


def full_class(groups, labels, k):
    """n Rad_S exactly for the class that gives every group of equal inputs every label."""
    n, total = len(labels), Fraction(0)
    for signs in itertools.product((-1, 1), repeat=n):
        for group in groups:
            total += max(sum(signs[i] for i in group if labels[i] != c) for c in range(k))
    return total / 2**n


def test_mean_absolute_sum_against_all_signs():
    assert [mean_absolute_sum(s) for s in (1, 2, 3, 4)] == [1, 1, Fraction(3, 2), Fraction(3, 2)]
    for s in range(1, 11):
        exact = Fraction(sum(abs(sum(v)) for v in itertools.product((-1, 1), repeat=s)), 2**s)
        assert mean_absolute_sum(s) == exact


@pytest.mark.parametrize("seed", range(40))
def test_complexity_of_duplicates_against_all_sign_patterns(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 8)), int(rng.integers(2, 5))
    names = rng.integers(0, n, n)
    groups = [np.flatnonzero(names == g).tolist() for g in np.unique(names)]
    labels = rng.integers(0, k, n)
    if seed % 2:
        labels = names % k
    sizes = np.array([len(g) for g in groups])
    consistent = all(len({int(labels[i]) for i in g}) == 1 for g in groups)
    found = complexity_of(
        Groups(first=np.array([g[0] for g in groups]), sizes=sizes, consistent=consistent), len(groups)
    )
    true = full_class(groups, labels.tolist(), k) / n
    assert found.contains(Interval(true).midpoint())
    if consistent:
        assert found.intersects(Interval(true))
        assert float(found.hi - found.lo) < 1e-30


def test_check_values_of_the_complexity():
    ones = Groups(first=np.arange(60_000), sizes=np.ones(60_000, int), consistent=True)
    assert agrees(complexity_of(ones, 7680).lo, "0.06400000000")
    assert agrees(complexity_of(ones, 4097).lo, "0.03414166667")
    assert complexity_of(ones, 60_000) == Interval(Fraction(1, 2))
    few = Groups(first=np.arange(59_990), sizes=np.array([2] * 10 + [1] * 59_980), consistent=False)
    assert agrees(complexity_of(few, 59_990).lo, "0.4999166667")
    assert float(complexity_of(few, 59_990).hi) == 0.5


# On actual inputs ---------------------------------------------------------------------------------------------------------


def test_equal_inputs_are_grouped_and_zeros_have_no_sign():
    x = RNG.normal(size=(9, 4)).astype(np.float32)
    x[3], x[7] = x[1], x[1]
    x[2], x[5] = 0.0, -0.0
    s = study(mlp, dense(4, 6, 3), x, y=[0, 1, 2, 1, 0, 2, 0, 1, 1])
    found = groups_of(s)
    assert sorted(found.sizes.tolist()) == [1, 1, 1, 1, 2, 3]
    assert found.consistent
    assert count(s) == 6
    assert s.measure(memorized_points).value == Interval(6)
    whole = (4 + 1 + Fraction(3, 2)) / Fraction(18)
    assert s.measure(memorization_complexity).value.intersects(Interval(whole))
    other = study(mlp, dense(4, 6, 3), x, y=[0, 1, 2, 1, 0, 1, 0, 1, 1])
    assert not groups_of(other).consistent
    assert other.measure(memorization_complexity).value == Interval(Fraction(6, 18), Fraction(1, 2))


def test_fewer_units_than_points():
    x = RNG.normal(size=(40, 3))
    s = study(mlp, dense(3, 3, 2), x)
    # 3 units: C1 and C2 are 4, and no group of four units fits.
    assert s.measure(memorized_points).value == Interval(4, 40)
    assert s.measure(memorization_complexity).value == Interval(Fraction(4, 80), Fraction(1, 2))


def test_groups_on_hyperplanes_count_where_they_beat_the_widths():
    x = RNG.normal(size=(200, 12))
    s = study(mlp, dense(12, 16, 2), x)
    # Four groups of twelve points, against 17.
    assert count(s) == 48


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_without_biases_only_directions_count_and_only_on_one_side_of_a_hyperplane(shift):
    x = RNG.normal(size=(30, 4)).astype(np.float32)
    x[:, 2] = np.abs(x[:, 2]) + 0.5 if shift else x[:, 2]
    x[4] = 2 * x[3]
    x[5] = 0.25 * x[3]
    s = study(mlp, dense(4, 14, 14, 3, bias=False), x)
    # Two of three multiples of one input fall away.
    assert count(s) == (28 if shift else 0)
    biased = study(mlp, dense(4, 14, 14, 3), x)
    assert count(biased) == 30


def test_without_biases_a_network_cannot_tell_multiples_apart():
    """What the count must respect: on x and 2x every network of the class predicts the same."""
    x = np.abs(RNG.normal(size=(6, 4))).astype(np.float32)
    x[3:] = 2 * x[:3]
    s = study(mlp, dense(4, 40, 40, 2, bias=False), x)
    assert count(s) == 3
    assert float(s.measure(memorization_complexity).value.hi) == 0.5


@pytest.mark.parametrize("bias", [True, False])
def test_without_hidden_layer_the_rank_counts(bias):
    low = (RNG.integers(-4, 5, (50, 3)) @ RNG.integers(-4, 5, (3, 9))).astype(np.float32)
    s = study(mlp, dense(9, 3, bias=bias), low)
    columns = np.concatenate([low, np.ones((50, 1))], axis=1) if bias else low
    assert count(s) == np.linalg.matrix_rank(columns)
    assert count(study(mlp, dense(9, 3, bias=bias), RNG.normal(size=(50, 9)))) == 9 + bias


@pytest.mark.parametrize(
    ("hidden", "bias", "expected"), [((20, 12), True, 25), ((20, 12), False, 25), ((), True, 25)]
)
def test_features_of_a_convolution_are_told_apart(hidden, bias, expected):
    x = RNG.normal(size=(25, 6, 6, 2))
    params = {
        "kernel": RNG.normal(size=(3, 3, 2, 3)).astype(np.float32),
        "head": dense(27, *hidden, 3, bias=bias),
    }
    s = study(conv_front, params, x)
    assert count(s) == expected
    # What is labelled in every way is shattered, and gives both dimensions their lower end.
    for dimension in (graph_dimension, natarajan_dimension):
        assert float(s.measure(dimension).value.lo) == expected


def test_features_that_coincide_count_once():
    x = RNG.normal(size=(12, 6, 6, 2))
    x[6:] = x[:6] - 100  # under the ReLU of a kernel of ones all of these features are 0
    x[6:, 0, 0, 0] += np.arange(6)
    params = {"kernel": np.ones((3, 3, 2, 3), np.float32), "head": dense(27, 20, 3)}
    s = study(conv_front, params, x)
    assert count(s) == 7
    assert s.measure(memorized_points).value == Interval(7, 12)
    better = {"kernel": -np.ones((3, 3, 2, 3), np.float32), "head": dense(27, 20, 3)}
    assert count(study(conv_front, params, x, init_params=better)) >= 7


def test_a_first_layer_that_does_not_read_every_coordinate_sees_what_it_reads():
    x = RNG.normal(size=(8, 6)).astype(np.float32)
    x[1, :3], x[2, :3] = x[0, :3], x[0, :3]

    def half(p, x):
        return mlp(p, x[:3])

    assert count(study(half, dense(3, 20, 2), x)) == 6


def test_a_network_that_cannot_be_told_gets_no_claim():
    def gated(p, x):
        return jnp.tanh(p["0"]["w"] @ x)

    s = study(gated, dense(4, 3), RNG.normal(size=(10, 4)))
    assert s.measure(memorized_points).value == Interval(0, 10)
    assert s.measure(memorization_complexity).value == Interval(0, Fraction(1, 2))
