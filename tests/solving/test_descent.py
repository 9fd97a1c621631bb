"""Gradient descent from zero reaches the closed form: against solves, against descent on the weights, and where it must not."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.errors import RunError
from boundcheck.solving.descent import LARGEST, descend
from boundcheck.solving.kernels import Gaussian, Inner

RNG = np.random.default_rng(1)
N, D, K = 12, 40, 3
FEATURES = RNG.normal(size=(N, D))
TARGETS = np.eye(K)[RNG.integers(0, K, N)] - 1 / K
TESTS = RNG.normal(size=(25, D))
LABELS = RNG.integers(0, K, 25)


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def linear() -> Inner:
    return Inner(jnp.asarray(FEATURES), jnp.asarray)


def closed(gram, shift: float) -> np.ndarray:
    whole = slice(0, len(gram))
    return np.linalg.solve(np.asarray(gram.block(whole, whole)) + shift * np.eye(len(gram)), TARGETS)


def descended(gram, shift: float, steps: int, **options):
    return descend(
        gram,
        shift,
        jnp.asarray(TARGETS),
        jnp.asarray(closed(gram, shift)),
        tests=gram.represent(TESTS),
        labels=LABELS,
        steps=steps,
        **options,
    )


def interpolant() -> np.ndarray:
    """The weights of least norm, [d, k], by a singular value decomposition."""
    return np.linalg.pinv(FEATURES) @ TARGETS


@pytest.mark.parametrize("batch", [None, 1, 4, N])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_it_reaches_the_closed_form(shift, batch):
    path = descended(linear(), shift, 20_000, batch=batch)
    assert path.distance[-1] < 1e-8
    np.testing.assert_allclose(path.alpha, closed(linear(), shift), rtol=0, atol=1e-9)
    if shift == 0:
        assert path.residual[-1] < 1e-8
        np.testing.assert_allclose(FEATURES.T @ path.alpha, interpolant(), rtol=0, atol=1e-8)
    else:
        assert path.residual[-1] > 1e-3


def test_it_reaches_the_closed_form_of_a_kernel():
    path = descended(Gaussian(FEATURES, 3.0), 0.0, 20_000)
    assert path.distance[-1] < 1e-8


def test_the_steps_are_those_of_descent_on_the_weights():
    """w <- w - a (Phi^T (Phi w - V) + mu w), written out in feature space; it stays in the span of the examples."""
    shift, steps = 0.3, 37
    path = descended(linear(), shift, steps)
    kernel = FEATURES @ FEATURES.T
    rate = 1 / (np.linalg.norm(kernel) * (1 + 2.0**-20) + shift)
    weights = np.zeros((D, K))
    for _ in range(steps):
        weights = weights - rate * (FEATURES.T @ (FEATURES @ weights - TARGETS) + shift * weights)
    np.testing.assert_allclose(FEATURES.T @ path.alpha, weights, rtol=0, atol=1e-13)
    best = FEATURES.T @ closed(linear(), shift)
    apart = np.linalg.norm(weights - best) / np.linalg.norm(best)
    assert path.distance[-1] == pytest.approx(apart, rel=1e-9)
    residual = np.linalg.norm(TARGETS - FEATURES @ weights) / np.linalg.norm(TARGETS)
    assert path.residual[-1] == pytest.approx(residual, rel=1e-9)
    assert path.error[-1] == np.mean((TESTS @ weights).argmax(axis=1) != LABELS)
    across = np.linalg.svd(FEATURES)[2][N:]
    assert np.abs(across @ weights).max() < 1e-13


def test_from_the_null_space_it_ends_elsewhere():
    """A start that the examples do not see stays: another interpolant, farther from 0 by its length."""
    unseen = np.linalg.svd(FEATURES)[2][N:].T @ RNG.normal(size=(D - N, K))
    rate = 1 / np.linalg.norm(FEATURES @ FEATURES.T)
    weights = unseen.copy()
    for _ in range(20_000):
        weights -= rate * (FEATURES.T @ (FEATURES @ weights - TARGETS))
    assert np.abs(FEATURES @ weights - TARGETS).max() < 1e-8
    assert np.linalg.norm(weights - interpolant()) == pytest.approx(np.linalg.norm(unseen), rel=1e-8)
    reached = FEATURES.T @ descended(linear(), 0.0, 20_000).alpha
    assert np.linalg.norm(weights - reached) == pytest.approx(np.linalg.norm(unseen), rel=1e-8)
    assert np.linalg.norm(reached) < np.linalg.norm(weights)


def test_a_start_in_the_span_is_forgotten_and_left_as_it_was():
    start = jnp.asarray(RNG.normal(size=(N, K)))
    kept = np.array(start)
    path = descended(linear(), 0.0, 20_000, start=start)
    assert path.distance[0] > 1
    assert path.distance[-1] < 1e-8
    np.testing.assert_array_equal(start, kept)


@pytest.mark.parametrize("batch", [None, 3])
def test_the_residual_of_a_whole_step_never_grows_and_the_distance_never_does(batch):
    path = descended(linear(), 0.0, 3000, batch=batch)
    assert np.all(np.diff(path.distance) <= 1e-12)
    if batch is None:
        assert np.all(np.diff(path.residual) <= 1e-12)
    assert path.distance[0] > 10 * path.distance[-1]


def test_the_looks_are_logarithmically_spaced_whole_numbers():
    path = descended(linear(), 0.0, 1000)
    assert path.steps[0] == 1
    assert path.steps[-1] == 1000
    assert np.all(np.diff(path.steps) >= 1)
    ratios = path.steps[-20:] / path.steps[-21:-1]
    np.testing.assert_allclose(ratios, 1000 ** (1 / 59), rtol=0.02)


def test_batches_are_those_of_their_seed_and_do_not_depend_on_the_looks():
    one, same = (descended(linear(), 0.0, 50, batch=2, seed=7).alpha for _ in range(2))
    other = descended(linear(), 0.0, 50, batch=2, seed=8).alpha
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-6
    key, rate = jax.random.key(7), 1 / (2 * np.square(FEATURES).sum(axis=1).max() * (1 + 2.0**-20))
    kernel, alpha = FEATURES @ FEATURES.T, np.zeros((N, K))
    assert 1 / rate < np.linalg.norm(kernel)
    for t in range(50):
        rows = np.asarray(jax.random.choice(jax.random.fold_in(key, t), N, (2,), replace=False))
        alpha[rows] -= rate * (kernel[rows] @ alpha - TARGETS[rows])
    np.testing.assert_allclose(one, alpha, rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch", [0, N + 1])
def test_an_impossible_batch_is_refused(batch):
    with pytest.raises(RunError, match=f"a batch of {batch} of {N}"):
        descended(linear(), 0.0, 10, batch=batch)


def test_too_many_examples_are_refused():
    gram = Inner(jnp.zeros((LARGEST + 1, 1)), jnp.asarray)
    targets = jnp.zeros((LARGEST + 1, 1))
    with pytest.raises(RunError, match=r"5,001 examples are too many; ask for at most 5,000"):
        descend(gram, 0.0, targets, targets, tests=jnp.zeros((1, 1)), labels=np.zeros(1, np.int64), steps=1)
