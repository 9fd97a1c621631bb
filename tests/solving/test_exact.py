"""The exact solution and all that its factor tells, against solving every problem from the beginning at 300 bits."""

from typing import Any

import jax
import numpy as np
import pytest
from problems import FIRST, Exactly, errors, gaussian, given, wrong

from boundcheck import Interval
from boundcheck.solving import exact
from boundcheck.solving.accuracy import IllConditionedError
from boundcheck.solving.cholesky import NotPositiveError
from boundcheck.solving.exact import solve as solved


def solve(problem) -> Any:
    """The solutions, whose fields are all there."""
    return solved(problem)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Several tiles, the last one smaller."""
    from boundcheck.solving import cholesky

    original = cholesky.factorize
    monkeypatch.setattr(exact, "factorize", lambda *args, **kw: original(*args, **{**kw, "tile": 16}))


def near(interval, value, digits=10):
    return (
        abs(float(interval.midpoint()) - value) < 0.51 * 10 ** (-digits + len(str(int(value))))
        and float(interval.hi) - float(interval.lo) < 1e-11
    )


@pytest.mark.parametrize(
    ("shift", "loo", "online", "norm"),
    [
        (0.0, (1.5, -1.8, 1.5), (1.0, -1.5, 1.5), 7.0),
        (0.1, (1.416666667, -1.740740741, 1.416666667), (1.0, -1.454545455, 1.416666667), 5.634517766),
    ],
)
def test_check_values_of_two_classes(shift, loo, online, norm):
    # Labels +-1 are one output; of two centred outputs each is half of it.
    (found,) = solve(given(FIRST, [1, 0, 1], 2, shift))
    s = found.solution
    assert s.loo[:, 1] * 2 == pytest.approx(loo, abs=6e-10)
    assert s.progressive[:, 1] * 2 == pytest.approx(online, abs=6e-10)
    assert near(2 * s.norm_squared, norm)
    assert s.mistakes == Interval(3)
    # Liang and Recht: M_n <= (kappa^2 + mu) N.
    assert (1 + Interval(shift)) * 2 * s.norm_squared >= s.mistakes


def test_check_values_of_three_classes():
    (found,) = solve(given(FIRST, [0, 1, 0], 3))
    s = found.solution
    assert near(s.norm_squared, 3.777777778, 9)
    assert near(s.one_hot_norm_squared, 4.333333333, 9)
    assert near(s.inverse_trace, 4.333333333, 9)
    assert near(s.alignment * 3, 1.666666667, 9)


def test_expected_norm_over_all_random_labels():
    # 3 classes: E N = (1 - 1/k) tr K^-1, by all 27 labellings; and with labels redrawn with probability 1/2.
    norms = {}
    for code in range(27):
        labels = [code // 9, code // 3 % 3, code % 3]
        norms[tuple(labels)] = solve(given(FIRST, labels, 3))[0].solution.norm_squared
    mean = sum(norms.values(), Interval(0)) / 27
    assert near(mean, 2.888888889, 9)
    true, p = (0, 1, 0), Interval(1) / 2
    total = Interval(0)
    for labels, norm in norms.items():
        weight = Interval(1)
        for y, t in zip(labels, true, strict=True):
            weight *= (1 - p if y == t else Interval(0)) + p / 3
        total += weight * norm
    assert near(total, 3.111111111, 9)


@pytest.mark.parametrize("shift", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_everything_agrees_with_solving_each_problem_from_the_beginning(seed, shift):
    problem, x = gaussian(np.random.default_rng(seed), shift=shift, labellings=2)
    for which, found in enumerate(solve(problem)):
        s, truth = found.solution, Exactly(problem, which, x, 0.7)
        norm = truth.norm_squared()
        assert s.norm_squared.lo <= norm.upper()
        assert s.norm_squared.hi >= norm.lower()
        assert float(s.norm_squared.hi) / float(s.norm_squared.lo) < 1 + 1e-9
        left, online = truth.left_out(), truth.online()
        labels = problem.labels[which]
        targets = np.eye(problem.classes)[labels] - 1 / problem.classes
        assert targets - s.loo == pytest.approx(np.array([[float(o) for o in row] for row in left]), abs=1e-9)
        assert targets - s.progressive == pytest.approx(
            np.array([[float(o) for o in row] for row in online]), abs=1e-9
        )
        mistakes = errors(online, labels)
        assert s.mistakes == Interval(sum(mistakes))
        assert s.late_mistakes == Interval(sum(mistakes[problem.size // 2 :]))
        assert s.loo_errors == Interval(sum(errors(left, labels)))
        trace = float(truth.inverse_trace())
        assert float(s.inverse_trace.lo) <= trace <= float(s.inverse_trace.hi)
        assert float(s.inverse_trace.hi) / float(s.inverse_trace.lo) < 1 + 1e-6


def test_prefix_errors_are_those_of_all_prefix_predictors():
    problem, x = gaussian(np.random.default_rng(5), n=21)
    (found,) = solve(problem)
    truth = Exactly(problem, 0, x, 0.7)
    rows = [[truth.entry(point, other) for other in x] for point in problem.tests]
    errs = np.array(
        [
            [wrong(truth.outputs(list(range(t)), row), y) for t in range(21)]
            for row, y in zip(rows, problem.test_labels[0], strict=True)
        ]
    )
    assert found.solution.prefix_errors == pytest.approx(errs.mean(axis=1))
    assert found.solution.late_prefix_errors == pytest.approx(errs[:, 10:].mean(axis=1))


def test_the_change_by_removal_is_attained_and_close_to_the_largest():
    problem, x = gaussian(np.random.default_rng(6), n=15, shift=0.1)
    (found,) = solve(problem)
    truth = Exactly(problem, 0, x, 0.7)
    rows = [[truth.entry(point, other) for other in x] for point in problem.tests]

    def ramps(outputs):
        values = np.array([float(o) for o in outputs])
        return np.array([np.clip(1 - (v - np.delete(values, c).max()), 0, 1) for c, v in enumerate(values)])

    most = 0.0
    for row in rows:
        whole = ramps(truth.outputs(list(range(15)), row))
        for i in range(15):
            most = max(
                most, np.abs(ramps(truth.outputs([j for j in range(15) if j != i], row)) - whole).max()
            )
    assert most - 1e-8 < float(found.solution.observed_removal.lo) <= most


@pytest.mark.parametrize("bandwidth", [0.5, 1.0, 2.0, 3.0])
def test_bounds_on_the_error_hold_however_ill_conditioned(bandwidth):
    """Every stored number lies within its bound of the exact one; where nothing can be said, that is said."""
    problem, x = gaussian(np.random.default_rng(7), n=25, d=2, bandwidth=bandwidth)
    try:
        (found,) = solve(problem)
    except (NotPositiveError, IllConditionedError):
        assert bandwidth > 1
        return
    truth = Exactly(problem, 0, x, bandwidth)
    norm = truth.norm_squared()
    assert found.solution.norm_squared.lo <= norm.upper()
    assert found.solution.norm_squared.hi >= norm.lower()
    counts = errors(truth.left_out(), problem.labels[0])
    low, high = found.solution.loo_errors.integers()
    assert low <= sum(counts) <= high
    counts = errors(truth.online(), problem.labels[0])
    low, high = found.solution.mistakes.integers()
    assert low <= sum(counts) <= high


def test_a_singular_matrix_is_refused():
    with pytest.raises(NotPositiveError, match="rows 0 to 1"):
        solve(given([[1, 1], [1, 1]], [0, 1], 2))
    with pytest.raises(NotPositiveError):
        solve(given([[1, 2], [2, 1]], [0, 1], 2))


def test_a_matrix_that_rounding_hides_is_refused():
    problem, _ = gaussian(np.random.default_rng(8), n=40, d=1, bandwidth=0.35)
    with pytest.raises((NotPositiveError, IllConditionedError)):
        solve(problem)


def test_the_order_of_the_labellings_changes_nothing():
    problem, _ = gaussian(np.random.default_rng(9), labellings=2)
    both = solve(problem)
    swapped = solve(
        type(problem)(
            **{
                name: getattr(problem, name)
                for name in problem.__dataclass_fields__
                if name not in ("labels", "test_labels")
            },
            labels=problem.labels[::-1],
            test_labels=problem.test_labels[::-1],
        )
    )
    np.testing.assert_allclose(both[0].alpha, swapped[1].alpha, rtol=1e-9, atol=1e-12)
    assert both[0].solution.mistakes == swapped[1].solution.mistakes


def test_stored_and_read_back(tmp_path):
    problem, _ = gaussian(np.random.default_rng(10))
    (found,) = solve(problem)
    found.solution.save(tmp_path / "solution.safetensors")
    again = type(found.solution).load(tmp_path / "solution.safetensors")
    for name in found.solution.__dataclass_fields__:
        one, other = getattr(found.solution, name), getattr(again, name)
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


def test_sixty_four_bits_are_left_as_they_were():
    problem, _ = gaussian(np.random.default_rng(11), n=5)
    before = jax.config.jax_enable_x64
    solve(problem)
    assert jax.config.jax_enable_x64 == before
