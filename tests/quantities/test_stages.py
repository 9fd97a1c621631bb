"""Stages, patches and recentring: what the path-norm theorems ask of a network, against brute force."""

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from independent import normal
from jax import lax

from boundcheck import Interval, Run, evaluate
from boundcheck.network import trace
from boundcheck.network.recentring import geometric_median, mean, median, recentred, recentred_network
from boundcheck.quantities.inputs import Patches, measure_coordinates
from boundcheck.quantities.stages import stage_factors_of


def conv(x, w, stride=1, padding="SAME", groups=1):
    dims = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        x[None], w, (stride, stride), padding, dimension_numbers=dims, feature_group_count=groups
    )[0]


def pool(x, size, stride):
    return lax.reduce_window(x, -jnp.inf, lax.max, (size, size, 1), (stride, stride, 1), "VALID")


def network_of(f, *shapes, at=(8, 8, 2)):
    params = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    return trace(f, params, jnp.ones(at, jnp.float32))


def test_a_stage_of_relu_costs_two_and_skips_cost_nothing():
    def f(p, x):
        h = jax.nn.relu(p[0] @ x)
        h = jax.nn.relu(p[1] @ h + h)
        return p[2] @ jnp.concatenate([h, x])

    assert stage_factors_of(network_of(f, (6, 4), (6, 6), (3, 10), at=(4,))) == (2, 2)


@pytest.mark.parametrize(("size", "factor"), [(2, 8), (3, 16)])
def test_relu_then_max_pool_is_one_stage(size, factor):
    """2x2: 2^ceil(log2 5) = 8; 3x3: 2^ceil(log2 10) = 16."""

    def f(p, x):
        h = pool(jax.nn.relu(conv(x, p[0])), size, 2)
        return p[1] @ h.reshape(-1)

    out = (8 - size) // 2 + 1
    assert stage_factors_of(network_of(f, (3, 3, 2, 4), (3, out * out * 4))) == (factor,)


def test_max_pool_before_relu_is_two_stages():
    def f(p, x):
        return p[1] @ jax.nn.relu(pool(conv(x, p[0]), 2, 2)).reshape(-1)

    assert stage_factors_of(network_of(f, (3, 3, 2, 4), (3, 64))) == (4, 2)


def test_a_convolution_beside_a_pool_of_the_same_value_is_one_stage():
    def f(p, x):
        h = jnp.concatenate([jax.nn.relu(conv(x, p[0], 2, "VALID")), pool(x, 3, 2)], axis=2)
        return p[1] @ h.reshape(-1)

    assert stage_factors_of(network_of(f, (3, 3, 2, 4), (3, 54))) == (16,)


def test_other_activations_cost_two_more_each():
    def f(p, x):
        h = p[0] @ x
        return p[1] @ jnp.concatenate([jnp.abs(h), jax.nn.relu(h), jax.nn.leaky_relu(h, -0.5)])

    assert stage_factors_of(network_of(f, (5, 4), (2, 15), at=(4,))) == (2 + 2 * 2,)


def test_leaky_relu_costs_no_more_than_relu():
    def f(p, x):
        return p[1] @ jax.nn.leaky_relu(p[0] @ x, 0.1)

    assert stage_factors_of(network_of(f, (5, 4), (2, 5), at=(4,))) == (2,)


def test_a_linear_network_has_no_stage_and_a_value():
    assert stage_factors_of(network_of(lambda p, x: p[0] @ x, (2, 4), at=(4,))) == ()
    x = normal(30, 4, seed=3)
    run = Run.from_arrays(
        lambda p, x: p @ x,
        normal(2, 4, seed=0),
        train=(x[:20], np.arange(20) % 2),
        test=(x[20:], np.arange(10) % 2),
        assume=("iid", "fixed-in-advance"),
    )
    ids = ["gonon2024-path-norm", "gonon2024-path-norm-hybrid", "galanti2023-convolutional"]
    evaluation = evaluate(run, bounds=ids)
    assert all(o.value is not None and o.value.is_finite for o in evaluation.outcomes)
    # One layer: both start and end there.
    values = {o.id: o.value for o in evaluation.outcomes}
    assert values[ids[1]].intersects(values[ids[2]])
    shown = evaluation.to_json()["bounds"]
    assert all(bound["symbols"]["A"]["hi"] == 1 for bound in shown)


# Patches ------------------------------------------------------------------------------------------------------------


def patches_by_hand(network, squares):
    """Each row of the unrolled first layers as a set of coordinates; the distinct ones that are not empty."""
    sets, direct = set(), False
    for node in network.nodes[1:]:
        if 0 not in node.inputs:
            continue
        piece = node.operation
        if getattr(piece, "learned", False):
            sets |= {tuple(np.flatnonzero(row)) for row in piece.matrix}
        else:
            direct = True
    sets.discard(())
    if direct:
        read = set().union(*map(set, sets))
        sets |= {(c,) for c in range(len(squares)) if c not in read}
    return sets


@pytest.mark.parametrize(
    ("stride", "padding", "groups", "skip"),
    [(1, "SAME", 1, False), (2, "VALID", 1, True), (3, "VALID", 2, True), (2, "SAME", 2, False)],
)
def test_patches_against_unrolled_rows(stride, padding, groups, skip):
    def f(p, x):
        # So large that the convolution stays one.
        h = jax.nn.relu(conv(x, p[0], stride, padding, groups)).mean((0, 1))
        extra = jax.nn.relu(x).sum() if skip else 0.0
        return p[1] @ h + extra

    network = network_of(f, (2, 2, 4 // groups, 6), (3, 6), at=(21, 20, 4))
    squares = np.random.default_rng(0).random(21 * 20 * 4)
    found, sets = Patches(network), patches_by_hand(network, squares)
    largest = max(squares[list(s)].sum() for s in sets)
    assert found.largest(squares) == pytest.approx(largest, rel=1e-12)
    # Zero padding may leave two positions with one set; counting both only raises the bound.
    assert len(sets) <= found.count <= len(sets) + 21 + 20
    if padding == "VALID":
        assert found.count == len(sets)


def test_one_patch_for_a_dense_layer():
    network = network_of(lambda p, x: p[1] @ jax.nn.relu(p[0] @ x), (6, 5), (3, 6), at=(5,))
    assert Patches(network).count == 1
    assert Patches(network).largest(np.arange(5.0)) == 10.0


def test_mean_squares_against_fractions():
    rng = np.random.default_rng(4)
    x = (rng.normal(size=(50, 3)) * np.array([1e-3, 1.0, 1e6])).astype(np.float32)
    found = measure_coordinates(iter([x[:20], x[20:]]))
    for c in range(3):
        exact = sum(Fraction(float(v)) ** 2 for v in x[:, c]) / 50
        assert Fraction(float(found.lower[c])) <= exact <= Fraction(float(found.upper[c]))
        assert found.upper[c] <= found.lower[c] * (1 + 1e-13)
    assert found.largest == np.abs(x).max()


def test_mean_squares_that_overflow_or_vanish_stay_true():
    found = measure_coordinates(iter([np.array([[1e200, 1e-200, 0.0], [1e200, 1e-200, 0.0]])]))
    assert np.array_equal(found.upper, [np.inf, found.upper[1], found.upper[2]])
    assert found.lower[0] == 0
    assert found.upper[1] >= 0
    assert found.lower[1] == 0


# Recentring ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 5))
def test_centres_make_their_norms_no_larger(seed, k, columns):
    rows = np.random.default_rng(seed).normal(size=(k, columns)) + 3.0
    for centre, norm in (
        (median, lambda a: np.abs(a).sum()),
        (mean, lambda a: (a**2).sum()),
        (geometric_median, lambda a: np.linalg.norm(a, axis=1).sum()),
    ):
        assert norm(rows - centre(rows)) <= norm(rows) * (1 + 1e-12)
    rng = np.random.default_rng(seed + 1)
    for _ in range(20):
        other = rng.normal(size=columns) + 3.0
        assert np.abs(rows - median(rows)).sum() <= np.abs(rows - other).sum() + 1e-12
        assert np.linalg.norm(rows - geometric_median(rows), axis=1).sum() <= np.linalg.norm(
            rows - other, axis=1
        ).sum() * (1 + 1e-3)


def test_recentring_changes_no_margin_and_lowers_the_path_norm():
    def f(p, x):
        return p[1] @ jax.nn.relu(p[0] @ x) + p[2]

    network = network_of(f, (9, 5), (4, 9), (4,), at=(5,))
    centred = recentred_network(network, median)
    x = np.random.default_rng(1).normal(size=(30, 5)).astype(np.float32)
    before, after = network.enclose(x)[0], centred.enclose(x)[0]
    assert not np.allclose(before, after)
    assert np.allclose(before - before[:, :1], after - after[:, :1], atol=1e-12)
    assert centred.path_norms().l1 < network.path_norms().l1
    assert centred.path_norms().hybrid < network.path_norms().hybrid


def test_the_difference_is_enclosed_and_only_dense_pieces_move():
    def f(p, x):
        return p[1] @ jax.nn.relu(p[0] @ x)

    piece = network_of(f, (9, 5), (4, 9), at=(5,)).affine[-1]
    moved = recentred(piece, mean)
    exact = [[Fraction(float(v)) for v in row] for row in piece.matrix]
    centre = [Fraction(float(v)) for v in mean(piece.matrix)]
    radius = np.zeros_like(piece.matrix) if moved.radius is None else moved.radius
    for i, j in itertools.product(range(4), range(9)):
        error = abs(exact[i][j] - centre[j] - Fraction(float(moved.matrix[i, j])))
        assert error <= Fraction(float(radius[i, j]))
    network = network_of(lambda p, x: jax.nn.relu(p[0] @ x), (3, 5), at=(5,))
    assert recentred_network(network, mean) is network


# The constants, exactly on four examples --------------------------------------------------------------------------


@pytest.mark.parametrize("biases", [False, True])
def test_constant_against_the_exact_complexity_of_two_layers(biases):
    """k = 2 logits of a hidden layer in the plane: the supremum is attained at one unit, found on a fine grid."""
    rng = np.random.default_rng(6)
    n, k = 4, 2
    angles = np.linspace(0, 2 * np.pi, 721)
    for _ in range(5):
        x = rng.normal(size=(n, 2)) * rng.choice([0.3, 3.0])
        units = np.maximum(x @ np.stack([np.cos(angles), np.sin(angles)]), 0)
        if biases:
            shares = np.linspace(0, 1, 21)
            lines = x @ np.stack([np.cos(angles), np.sin(angles)])
            units = np.concatenate(
                [np.maximum((1 - s) * lines + sign * s, 0) for s in shares for sign in (1, -1)]
                + [np.ones((n, 1))],
                axis=1,
            )
        total = 0.0
        for signs in itertools.product((-1, 1), repeat=n * k):
            eps = np.array(signs).reshape(k, n)
            total += np.abs(eps @ units).max()
        rvec = total / 2 ** (n * k) / n
        energy = np.sqrt((x**2).sum())
        X = max(energy, np.sqrt(n)) if biases else energy
        c = X / n * (1 + np.sqrt(2 * np.log(k * (1 + biases) * 2)))
        assert 0.1 * c < rvec <= c


def test_path_norms_do_not_change_when_a_unit_is_rescaled():
    def f(p, x):
        return p[1] @ jax.nn.relu(p[0] @ x)

    params = [normal(7, 5, seed=0), normal(3, 7, seed=1)]
    scales = 2.0 ** np.arange(-3, 4)
    moved = [params[0] * scales[:, None].astype(np.float32), params[1] / scales.astype(np.float32)]
    a, b = (trace(f, p, jnp.ones(5, jnp.float32)).path_norms() for p in (params, moved))
    for one, other in ((a.l1, b.l1), (a.l2, b.l2), (a.hybrid, b.hybrid)):
        assert float(one.lo) == pytest.approx(float(other.lo), rel=1e-14)
        assert Interval(one.lo) <= Interval(other.hi)
