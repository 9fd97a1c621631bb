"""Kernels, factors, passes and iterative solvers, each against another way to the same numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flint import arb, ctx
from problems import Exactly, gaussian

from boundcheck.errors import RunError
from boundcheck.solving.cholesky import factorize
from boundcheck.solving.conjugate import conjugate_gradient
from boundcheck.solving.descent import descend
from boundcheck.solving.exact import solve as solved
from boundcheck.solving.kernels import Gaussian, Inner, duplicates
from boundcheck.solving.least_squares import least_squares
from boundcheck.solving.memory import check_fits
from boundcheck.solving.passes import multiply
from boundcheck.solving.predictor import KernelPredictor


def solve(problem) -> Any:
    """The solutions, whose fields are all there."""
    return solved(problem)


@pytest.fixture(autouse=True)
def wide():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_gaussian_entries_are_within_their_bound(scale):
    rng = np.random.default_rng(0)
    x = (scale * rng.normal(size=(12, 300))).astype(np.float32)
    gram = Gaussian(x, scale * 20.0)
    computed = np.asarray(gram.block(slice(0, 12), slice(0, 12)))
    ctx.prec = 200
    errors = np.zeros((12, 12))
    for i in range(12):
        for j in range(12):
            squares = sum(
                ((arb(float(a)) - arb(float(b))) ** 2 for a, b in zip(x[i], x[j], strict=True)), arb(0)
            )
            truth = (-squares / (2 * arb(scale * 20.0) ** 2)).exp()
            errors[i, j] = float(abs(arb(float(computed[i, j])) - truth).upper())
    assert errors.max() <= gram.entry_error < 1e-11
    assert np.square(errors).sum() <= gram.error_squares(slice(0, 12), slice(0, 12), jnp.asarray(computed))
    tests = gram.represent(x[:4] + np.float32(1))
    assert gram.error_at(tests).shape == (4,)


def test_the_exponential_function_is_as_accurate_as_assumed():
    ctx.prec = 120
    at = np.concatenate([-np.geomspace(1e-12, 700, 4000), -np.linspace(0, 50, 4000)])
    values = np.asarray(jax.jit(jnp.exp)(jnp.asarray(at)))
    worst = max(
        float(abs(arb(float(v)) / arb(float(x)).exp() - 1).upper()) for x, v in zip(at, values, strict=True)
    )
    assert worst <= 4 * 2.0**-53


def test_inner_products_are_within_their_bound():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(9, 400))
    gram = Inner(jnp.asarray(rows), lambda x: jnp.asarray(x))
    computed = np.asarray(gram.block(slice(0, 9), slice(0, 9)))
    ctx.prec = 200
    for i in range(9):
        for j in range(9):
            truth = sum(
                (arb(float(a)) * arb(float(b)) for a, b in zip(rows[i], rows[j], strict=True)), arb(0)
            )
            assert abs(arb(float(computed[i, j])) - truth) <= gram.entry_error
    assert gram.entry_error < 1e-10


@pytest.mark.parametrize(("n", "tile"), [(1, 4), (7, 4), (8, 4), (30, 7)])
def test_factor_solves_and_inverse(n, tile):
    rng = np.random.default_rng(n)
    b = rng.normal(size=(n, n + 3))
    a = b @ b.T
    factor = factorize(lambda i, j: jnp.asarray(a[i, j]), n, 0.5, diagonal=jnp.asarray(np.diag(a)), tile=tile)
    whole = a + 0.5 * np.eye(n)
    lower = np.linalg.cholesky(whole)
    right = rng.normal(size=(n, 3))
    np.testing.assert_allclose(factor.diagonal(), np.diag(lower), rtol=1e-12)
    np.testing.assert_allclose(
        factor.forward(jnp.asarray(right)), np.linalg.solve(lower, right), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(
        factor.backward(jnp.asarray(right)), np.linalg.solve(lower.T, right), rtol=1e-9, atol=1e-12
    )
    inverse = np.zeros((n, n))
    for i, j, part in factor.inverse():
        inverse[factor.cuts[i], factor.cuts[j]] = part
    np.testing.assert_allclose(inverse, np.linalg.inv(lower), rtol=1e-8, atol=1e-11)


def test_a_pass_is_the_product_with_the_whole_matrix():
    problem, _ = gaussian(np.random.default_rng(2), n=23)
    everything = slice(0, 23)
    whole = np.asarray(problem.gram.block(everything, everything))
    right = np.random.default_rng(3).normal(size=(23, 4))
    cuts = tuple(slice(s, min(s + 5, 23)) for s in range(0, 23, 5))
    found = multiply(problem.gram, jnp.asarray(right), cuts)
    np.testing.assert_allclose(found.product, whole @ right, rtol=1e-12, atol=1e-13)
    assert found.squares == pytest.approx(np.square(whole).sum())


def test_conjugate_gradients_reach_the_exact_solution():
    problem, _ = gaussian(np.random.default_rng(4), n=120, shift=0.01)
    (found,) = solve(problem)
    iterated = conjugate_gradient(problem.gram, problem.shift, problem.targets(), rank=20)
    assert iterated.converged
    np.testing.assert_allclose(iterated.alpha, found.alpha, rtol=1e-6, atol=1e-7)
    short = conjugate_gradient(problem.gram, problem.shift, problem.targets(), rank=0, iterations=2)
    assert not short.converged
    assert len(iterated.residuals) < len(
        conjugate_gradient(problem.gram, problem.shift, problem.targets(), rank=0).residuals
    )


def test_least_squares_has_the_least_norm_of_all_minimizers():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(40, 6)) @ rng.normal(size=(6, 9))
    targets = rng.normal(size=(40, 3))
    found = least_squares(jnp.asarray(rows), jnp.asarray(targets))
    assert found.rank == 6
    assert found.dropped < found.cutoff < found.kept
    np.testing.assert_allclose(
        found.weight.T, np.linalg.pinv(rows, rcond=1e-10) @ targets, rtol=1e-9, atol=1e-10
    )
    assert found.gradient < 1e-13


def test_gradient_descent_reaches_the_closed_form():
    problem, _ = gaussian(np.random.default_rng(6), n=20, d=6)
    (found,) = solve(problem)
    common = {
        "tests": problem.gram.represent(problem.tests),
        "labels": problem.test_labels[0],
        "steps": 20_000,
    }
    path = descend(problem.gram, 0.0, problem.targets(), jnp.asarray(found.alpha), **common)
    assert path.distance[-1] < 1e-8
    assert path.residual[-1] < 1e-8
    # Towards a solution of a quadratic problem, every look is nearer than the one before.
    assert (np.diff(path.distance) <= 1e-12).all()


def test_gradient_descent_keeps_what_no_example_sees():
    """In feature space, from a start with a part that is orthogonal to all examples, another interpolant is reached."""
    rng = np.random.default_rng(7)
    rows, targets = rng.normal(size=(5, 9)), rng.normal(size=(5, 2))
    outside = np.linalg.svd(rows)[2][7]
    closed = np.linalg.pinv(rows) @ targets
    for start, far in ((np.zeros((9, 2)), 0.0), (np.outer(outside, [3.0, 0.0]), 3.0)):
        w = start
        for _ in range(20_000):
            w = w - rows.T @ (rows @ w - targets) / np.square(rows).sum()
        assert np.abs(rows @ w - targets).max() < 1e-8
        assert np.linalg.norm(w - closed) == pytest.approx(far, abs=1e-6)
    gram = Inner(jnp.asarray(rows), lambda x: jnp.asarray(x))
    dual = np.linalg.solve(rows @ rows.T, targets)
    path = descend(
        gram,
        0.0,
        jnp.asarray(targets),
        jnp.asarray(dual),
        tests=jnp.asarray(rows),
        labels=np.zeros(5, int),
        steps=20_000,
    )
    assert path.distance[-1] < 1e-6


def test_gradient_descent_on_too_many_examples_is_refused():
    gram = Inner(jnp.zeros((5001, 1)), lambda x: jnp.asarray(x))
    empty = jnp.zeros((5001, 2))
    with pytest.raises(RunError, match="at most 5,000"):
        descend(gram, 0.0, empty, empty, tests=jnp.zeros((1, 1)), labels=np.zeros(1, int), steps=5)


def test_outputs_of_a_kernel_predictor_are_enclosed():
    problem, x = gaussian(np.random.default_rng(8))
    (found,) = solve(problem)
    values, radius = KernelPredictor(problem.gram, found.alpha).enclose(problem.tests)
    truth = Exactly(problem, 0, x, 0.7)
    for point, value, error in zip(problem.tests, values, radius, strict=True):
        row = [truth.entry(point, other) for other in x]
        for c in range(problem.classes):
            exact = sum((arb(float(a)) * k for a, k in zip(found.alpha[:, c], row, strict=True)), arb(0))
            assert abs(exact - arb(float(value[c]))) <= float(error[c])
    assert radius.max() < 1e-8


def test_duplicates_are_found_with_their_first():
    assert duplicates(np.array([[1, 2], [3, 4], [1, 2], [1, 2]], np.float32)) == [(0, 2), (0, 3)]


def test_what_does_not_fit_names_what_would(monkeypatch):
    monkeypatch.setattr("boundcheck.solving.memory.available", lambda: 2**30)
    check_fits(1000, 10, 20)
    with pytest.raises(
        RunError, match=r"needs 13\.\d GiB, and 1\.0 GiB are free. About 1\d,\d{3} examples fit"
    ):
        check_fits(60_000, 10, 20)
