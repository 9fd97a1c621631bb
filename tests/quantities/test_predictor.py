"""Quantities of exact solutions, on three points whose numbers are rational, and what they refuse."""

import dataclasses
import math
from fractions import Fraction

import jax
import numpy as np
import pytest

import boundcheck as bc
from boundcheck import Interval, Run
from boundcheck import quantities as q
from boundcheck.predictors import kernel_run
from boundcheck.quantities.predictor import stored_distance
from boundcheck.quantities.quantity import UnavailableError
from boundcheck.quantities.study import Study
from boundcheck.solving.kernels import Gaussian
from boundcheck.solving.solution import Solution

GRAM = np.array([[1, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 1]])
FEATURES = np.linalg.cholesky(GRAM)
LABELS = np.array([0, 1, 0])

SOLUTION = Solution(
    method="hand",
    size=3,
    shift=Interval(0),
    ridge=Interval(0),
    residual=Interval(0),
    eigenvalue=Interval(Fraction(2, 5)),
    diagonal=Interval(1),
    kernel_bound=Interval(4),
    stored_norm_squared=Interval(Fraction(34, 9)),
    features_fixed=True,
    norm_squared=Interval(Fraction(34, 9)),
    inverse_trace=Interval(Fraction(13, 3)),
    alignment=Interval(Fraction(5, 9)),
    square_trace=Interval(Fraction(33, 8) / 9),
    largest_eigenvalue=Interval(Fraction(1, 2), Fraction(3, 5)),
    mistakes=Interval(3),
    late_mistakes=Interval(2),
    loo_errors=Interval(2, 3),
    loo_ramp=Interval(Fraction(1, 2)),
    observed_removal=Interval(Fraction(1, 4)),
    spectrum=(Interval(Fraction(1, 2)), Interval(Fraction(1, 4)), Interval(Fraction(1, 4))),
)
"""Of the interpolant of three classes, the last of which does not occur; kappa is 2 to set it off from the diagonal."""


def study(**changes):
    V = np.eye(3)[LABELS] - 1 / 3
    weight = np.linalg.solve(FEATURES, V).T
    data = (FEATURES.astype(np.float32), LABELS)
    run = Run.from_arrays(
        lambda p, x: p @ x,
        weight.astype(np.float32),
        train=data,
        test=data,
        assume=("iid", "fixed-in-advance", "fresh-test-set"),
    )
    run.solution = dataclasses.replace(SOLUTION, **changes)
    return Study(run, Fraction(1, 20))


def value(measurement, **changes):
    return study(**changes).measure(measurement).value


@pytest.mark.parametrize(
    ("measurement", "expected"),
    [
        (q.interpolation_norm_squared, Fraction(34, 27)),
        (q.kernel_diagonal, 1),
        (q.kernel_bound, 2),
        (q.diagonal_shift, 0),
        (q.inverse_trace, Fraction(13, 9)),
        (q.label_alignment, Fraction(5, 9)),
        (q.progressive_error, 1),
        (q.late_progressive_error, 1),
        (q.late_size, 2),
        (q.leave_one_out_error, Fraction(5, 6)),
        (q.effective_rank_squares, Fraction(72, 33)),
        (q.effective_rank, Fraction(11, 6)),
    ],
)
def test_each_is_told_an_example(measurement, expected):
    assert value(measurement).contains(Fraction(expected))


def test_norms_are_roots_of_squares():
    assert (value(q.rkhs_norm) ** 2).contains(Fraction(34, 9))
    assert (value(q.margin_function_norm) ** 2).contains(Fraction(68, 9))


def test_a_bound_on_the_kernel_lies_above_what_was_seen():
    loose = Interval(0, 16)
    assert value(q.kernel_bound, kernel_bound=loose).lo == 1
    assert value(q.kernel_bound, kernel_bound=loose).hi == 4
    assert value(q.kernel_unit, kernel_bound=loose).lo == 4
    assert value(q.kernel_unit, kernel_bound=loose).hi == 4


def test_margins_at_least_one_have_no_ramp_loss():
    risk = value(q.unit_ramp_risk)
    assert risk >= 0
    assert risk < 1e-5


def test_what_the_stored_predictor_may_lose_is_added_once_and_twice():
    """|V|_F = sqrt(3 * 2/3); kappa = 2: outputs are off by at most 2 * 0.01 * sqrt(2 / 0.4), and the ramp by sqrt(2) of that."""
    residual = Interval(Fraction(1, 100))
    off = math.sqrt(2) * 2 * 0.01 * math.sqrt(2 / 0.4)
    left_out = value(q.leave_one_out_ramp, residual=residual)
    assert float(left_out.lo) == 0.5
    assert float(left_out.hi) == pytest.approx(0.5 + off, rel=1e-9)
    risk = value(q.unit_ramp_risk, residual=residual)
    assert risk.lo == 0
    assert float(risk.hi) == pytest.approx(2 * off, abs=1e-6)
    with pytest.raises(UnavailableError, match="exact solution is not known"):
        value(q.unit_ramp_risk, eigenvalue=None)


def test_a_rough_solution_is_no_further_than_its_residual_says():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = rng.integers(0, 3, 60)
    run = kernel_run(train=(x, y), test=(x, y), classes=3, bandwidth=0.8, ridge=0.001)
    exact, rough = run.params["alpha"], run.params["alpha"] + 0.1 * rng.normal(size=(60, 3))
    with jax.enable_x64(True):
        gram = Gaussian(x, 0.8)
        whole = np.asarray(gram.block(slice(0, 60), slice(0, 60))) + 0.06 * np.eye(60)
        many = np.asarray(
            gram.between(gram.represent(rng.normal(size=(500, 3)).astype(np.float32)), gram.rows)
        )
    targets = np.eye(3)[y] - 1 / 3
    residual = np.linalg.norm(targets - whole @ rough) / np.linalg.norm(targets)
    run.solution = dataclasses.replace(run.solution, residual=Interval(0, residual))
    bound = float(stored_distance(Study(run, Fraction(1, 20))).hi)
    seen = np.linalg.norm(many @ (rough - exact), axis=1).max()
    assert bound / 30 < seen <= bound


def test_the_variance_proxy_takes_the_first_rank_that_reaches():
    """r_0 = 2 is at least 3/10, so k* = 0 and R_0 = 1/(1/4 + 1/16 + 1/16) = 8/3."""
    assert value(q.variance_proxy).contains(Fraction(9, 8))
    with pytest.raises(UnavailableError, match="spectrum"):
        value(q.variance_proxy, spectrum=None)
    with pytest.raises(UnavailableError, match="no effective rank"):
        value(q.variance_proxy, spectrum=(Interval(1), *[Interval(0)] * 19))


def test_without_a_ridge_stability_is_known_from_below_alone():
    beta = value(q.removal_stability)
    assert beta.lo == 0.75
    assert beta.hi == 3
    assert value(q.removal_stability, kernel_bound=None, ridge=Interval(1)).hi == 3


def test_a_ridge_bounds_stability_from_above():
    """n beta = sqrt(2) kappa^2 Y (1 + kappa/sqrt(lambda)) / lambda with kappa = 2, lambda = 64, Y^2 = 2/3."""
    beta = value(q.removal_stability, ridge=Interval(64), observed_removal=None)
    assert beta.lo == 0
    expected = math.sqrt(2) * 4 * math.sqrt(2 / 3) * (1 + 2 / 8) / 64
    assert float(beta.hi) == pytest.approx(expected, rel=1e-12)
    gamma = value(q.replacement_stability, ridge=Interval(64), observed_removal=None)
    assert float(gamma.hi) == pytest.approx(2 * expected, rel=1e-12)
    assert gamma.lo == 0


def test_stability_is_at_most_the_range_of_the_loss_for_each_of_three_examples():
    assert value(q.removal_stability, ridge=Interval(Fraction(1, 1000))).hi == 3
    assert value(q.replacement_stability, ridge=Interval(Fraction(1, 1000))).hi == 3


ALL = (
    q.interpolation_norm_squared,
    q.rkhs_norm,
    q.margin_function_norm,
    q.kernel_diagonal,
    q.kernel_bound,
    q.kernel_unit,
    q.diagonal_shift,
    q.ridge,
    q.inverse_trace,
    q.label_alignment,
    q.progressive_error,
    q.late_progressive_error,
    q.late_size,
    q.leave_one_out_error,
    q.leave_one_out_ramp,
    q.removal_stability,
    q.replacement_stability,
    q.effective_rank,
    q.effective_rank_squares,
    q.variance_proxy,
)


@pytest.mark.parametrize("measurement", ALL, ids=lambda m: m.name)
def test_a_trained_network_has_none_of_them(measurement, small_run):
    with pytest.raises(UnavailableError, match="linear or kernel problem"):
        Study(small_run, Fraction(1, 20)).measure(measurement)


@pytest.mark.parametrize(
    ("field", "measurement"),
    [
        ("norm_squared", q.interpolation_norm_squared),
        ("kernel_bound", q.kernel_bound),
        ("inverse_trace", q.inverse_trace),
        ("alignment", q.label_alignment),
        ("mistakes", q.progressive_error),
        ("late_mistakes", q.late_progressive_error),
        ("loo_errors", q.leave_one_out_error),
        ("loo_ramp", q.leave_one_out_ramp),
        ("largest_eigenvalue", q.effective_rank),
        ("square_trace", q.effective_rank_squares),
    ],
)
def test_what_a_way_of_solving_does_not_tell_is_refused(field, measurement):
    with pytest.raises(UnavailableError, match="by hand"):
        value(measurement, **{field: None})


def outcome(identifier, **changes):
    (found,) = bc.evaluate(study(**changes).run, bounds=[identifier]).outcomes
    return found


def test_a_bound_is_evaluated_from_the_solution():
    found = outcome("belkin2018-margin-floor")
    expected = 4 * 2 / math.sqrt(3) * math.sqrt(9 / 5) + 3 * math.sqrt(math.log(40) / 6)
    assert float(found.value.midpoint()) == pytest.approx(expected, rel=1e-12)
    assert found.verdict == "vacuous"


def test_features_from_the_training_inputs_are_refused():
    found = outcome("maurer2016-kernel-stratified", features_fixed=False)
    assert found.verdict == "not-applicable"
    assert "transductive features" in found.reasons[0]


def test_a_kernel_without_a_bound_needs_the_finer_grid():
    assert outcome("maurer2016-kernel-stratified", kernel_bound=None).verdict == "not-applicable"
    assert outcome("maurer2016-kernel-fine", kernel_bound=None).value is not None


def test_two_classes_are_counted():
    assert "there are 3 classes" in outcome("koltchinskii2002-kernel-stratified").reasons[0]


def test_the_error_of_prefix_predictors_is_their_own():
    """A hundred test examples; half of the prefix predictors err on each."""
    found = outcome("cesabianchi2004-progressive", prefix_errors=np.full(100, 0.5))
    assert found.observed.contains(0.5)
    assert found.observed.lo > 0.3
    other = outcome("cesabianchi2004-progressive-late", late_prefix_errors=np.zeros(100))
    assert other.observed.lo == 0
    assert float(other.observed.hi) == pytest.approx(1 - 0.025 ** (1 / 100), rel=1e-6)
    assert outcome("cesabianchi2004-progressive").verdict == "not-applicable"
