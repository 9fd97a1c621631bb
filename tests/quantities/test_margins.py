"""Margins and ramp risk: enclosures that contain exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boundcheck import Interval
from boundcheck.quantities.margins import Margins, margin_ends, program_margins
from boundcheck.quantities.study import Study


def ramp(margins, gamma):
    """The ramp risk in exact arithmetic."""
    losses = [min(Fraction(1), max(Fraction(0), 1 - Fraction(m) / gamma)) for m in margins]
    return sum(losses, Fraction(0)) / len(losses)


@given(
    st.lists(st.floats(-8, 8, allow_nan=False, allow_subnormal=False), min_size=1, max_size=30),
    st.floats(0.001, 20, allow_nan=False),
)
def test_ramp_risk_contains_the_exact_mean(values, gamma):
    margins = np.array(values)
    at = Margins(lower=margins, upper=margins, traced=True).at(Interval(gamma))
    assert at.contains(ramp(values, Fraction(gamma)))
    assert at.hi - at.lo < 1e-12


@given(
    st.lists(st.floats(-8, 8, allow_nan=False, allow_subnormal=False), min_size=1, max_size=20),
    st.floats(0.001, 10),
    st.floats(0, 5),
    st.floats(0, 1),
)
def test_an_interval_of_margins_or_gammas_contains_every_choice(values, gamma, wider, radius):
    margins = np.array(values)
    wide = Margins(lower=margins - radius, upper=margins + radius, traced=True).at(
        Interval(gamma, gamma + wider)
    )
    for shift in (-radius, 0.0, radius):
        for g in (gamma, gamma + wider):
            moved = [Fraction(float(v)) for v in np.clip(margins + shift, margins - radius, margins + radius)]
            assert wide.contains(ramp(moved, Fraction(g)))


def test_the_limits_of_the_ramp_risk():
    margins = np.array([-1.0, 0.0, 2.0, 3.0])
    at = Margins(lower=margins, upper=margins, traced=True).at
    assert at(Interval(0)).contains(Fraction(1, 2))
    assert at(Interval(float("inf"))).contains(1)
    assert at(Interval(0, float("inf"))).contains(Interval(Fraction(1, 2), 1))


def test_an_example_that_rounding_leaves_open_counts_either_way():
    margins = Margins(lower=np.array([-1e-9, 1.0, -2.0]), upper=np.array([1e-9, 1.1, -1.9]), traced=True)
    assert margins.errors == Interval(1, 2)
    assert (margins.correct, margins.wrong) == (1, 1)


def test_margin_ends_are_outward_and_keep_their_sign():
    logits = np.array([[1.0, 3.0, 2.0], [0.1, 0.2, 0.3]])
    lower, upper = margin_ends(logits.copy(), np.full_like(logits, 1e-3), np.array([1, 0]))
    assert lower[0] <= 1 - 2e-3 < 1 + 2e-3 <= upper[0]
    assert lower[1] <= -0.2 - 2e-3 < -0.2 + 2e-3 <= upper[1]


def test_ties_of_a_program_go_to_the_lower_index():
    logits = np.array([[1.0, 1.0], [1.0, 1.0]])
    margins = program_margins(lambda x: logits, iter([(None, np.array([0, 1]))]))
    assert margins.errors == Interval(1)


def test_traced_margins_contain_exact_rational_margins(small_run):
    """Every margin of the small network, recomputed with Fractions."""
    margins = Study(small_run, Fraction(1, 20)).margins("train")
    sample = small_run.sample("train")
    W1, W2 = (
        [[Fraction(float(v)) for v in row] for row in small_run.params[key]] for key in ("first", "second")
    )
    for index in range(0, 300, 60):
        x = [Fraction(float(v)) for v in sample.inputs(index, index + 1)[0]]
        hidden = [max(Fraction(0), sum(w * v for w, v in zip(row, x, strict=True))) for row in W1]
        logits = [sum(w * v for w, v in zip(row, hidden, strict=True)) for row in W2]
        y = int(sample.labels[index])
        exact = logits[y] - max(value for j, value in enumerate(logits) if j != y)
        assert Fraction(float(margins.lower[index])) <= exact <= Fraction(float(margins.upper[index]))
        assert margins.upper[index] - margins.lower[index] < 1e-12


def test_root_mean_square_norm_against_exact_sums(small_run):
    from boundcheck.quantities import rms_input_norm

    value = rms_input_norm.measure(Study(small_run, Fraction(1, 20))).value
    inputs = small_run.sample("train").inputs(0, 300)
    exact = sum(Fraction(float(v)) ** 2 for v in inputs.ravel()) / 300
    assert (value**2).contains(exact)
    assert value.hi - value.lo < 1e-10


@pytest.mark.parametrize(("name", "key"), [("frobenius_norms", "first"), ("covering_masses", "second")])
def test_layer_norms_are_those_of_the_matrices(small_run, name, key):
    from boundcheck import quantities

    layer = {"first": 0, "second": 1}[key]
    value = getattr(quantities, name).measure(Study(small_run, Fraction(1, 20))).value[layer]
    matrix = small_run.params[key].astype(float)
    expected = np.linalg.norm(matrix) if name == "frobenius_norms" else np.linalg.norm(matrix, axis=1).sum()
    assert float(value.lo) <= expected * (1 + 1e-14)
    assert float(value.hi) >= expected * (1 - 1e-14)
    assert float(value.hi - value.lo) < 1e-12 * expected


@pytest.mark.parametrize("scale", [1e-170, 1e-310, 1.0, 1e160, 1e300])
def test_root_mean_square_norm_at_every_scale(scale):
    from boundcheck import Run
    from boundcheck.quantities import rms_input_norm

    x = np.array([[3.0, 4.0], [0.0, 1.0]]) * scale
    run = Run.from_arrays(
        lambda p, v: p @ v, np.eye(2), train=(x, np.array([0, 1])), test=(x, np.array([0, 1]))
    )
    value = rms_input_norm.measure(Study(run, Fraction(1, 20))).value
    exact = sum(Fraction(float(v)) ** 2 for v in x.ravel()) / 2
    assert (value**2).contains(exact)
    assert float(((value.hi - value.lo) / value.hi).mid()) < 1e-12


def test_margins_beyond_float64_widen_the_ramp_risk():
    margins = Margins(lower=np.array([-np.inf, 1.0]), upper=np.array([np.inf, 2.0]), traced=True)
    at = margins.at(Interval(1, float("inf")))
    assert at.contains(Interval(0, 1))
