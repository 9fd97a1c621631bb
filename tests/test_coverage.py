"""The bounds hold as often as they promise, in small worlds whose true errors are known; wrong ones are found out.

The whole table is that of benchmarks/coverage.py.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from boundcheck.registry import installed

_FILE = Path(__file__).parents[1] / "benchmarks" / "coverage.py"
DELTA = Fraction(1, 5)


@pytest.fixture(scope="module")
def coverage():
    spec = importlib.util.spec_from_file_location("coverage_benchmark", _FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["coverage_benchmark"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["coverage_benchmark"]


def of_family(coverage, family):
    return [b for b in installed().bounds.values() if coverage.is_eligible(b, family)]


@pytest.mark.parametrize(
    ("family", "world"),
    [
        ("test-set", "one_classifier"),
        ("counting", "one_classifier"),
        ("vc", "thresholds"),
        ("vc", "half_planes"),
        ("rademacher", "thresholds"),
    ],
)
def test_no_bound_fails_more_often_than_delta(coverage, family, world):
    rows = list(coverage.counted(getattr(coverage, world)(), of_family(coverage, family), DELTA, 2000, 1))
    assert len(rows) >= 2
    assert [r for r in rows if r.surprising] == []


def test_capacities_computed_exactly(coverage):
    rows = list(coverage.by_capacity(coverage.thresholds(8), DELTA, 300, 1))
    assert {r.bound for r in rows} == {"mohri2018-rademacher", "bartlett2002-discrepancy"}
    assert [r for r in rows if r.surprising] == []


def test_margin_bounds_on_tiny_networks(coverage):
    rows = list(coverage.by_margins(4_000_000, DELTA, 200, 1, biases=True))
    assert {"gonon2024-path-norm", "bartlett2017-spectral"} <= {r.bound for r in rows}
    assert all(r.failures == 0 for r in rows)
    assert min(r.nearest for r in rows) < 0.5


def test_the_tightest_bound_fails_nearly_as_often_as_it_may(coverage):
    """Otherwise nothing would have been tested."""
    (row,) = coverage.counted(
        coverage.one_classifier(), [installed().bounds["clopper1934-test-set"]], DELTA, 20_000, 2
    )
    assert 0.75 * row.delta < row.failures / row.draws < row.delta


def wrong(identifier, change):
    right = installed().bounds[identifier]
    return dataclasses.replace(
        right, theorem=dataclasses.replace(right.theorem, value=change(right.theorem.value))
    )


def test_delta_spent_twice_is_found_out(coverage):
    def twice(value):
        (delta,) = (s for s in value.free_symbols if s.name == "delta")
        return value.subs(delta, 2 * delta)

    (row,) = coverage.counted(
        coverage.one_classifier(), [wrong("clopper1934-test-set", twice)], DELTA, 2000, 1
    )
    assert row.surprising


def test_a_choice_among_classifiers_without_its_price_is_found_out(coverage):
    """The test-set bound is for one classifier; the best of 64 on the same sample fails it."""
    (row,) = coverage.counted(
        coverage.finite_class(6, 1), [installed().bounds["clopper1934-test-set"]], DELTA, 2000, 1
    )
    assert row.surprising


def test_half_planes_are_all_of_them(coverage):
    """Cover's count: 2 (1 + (N - 1) + C(N - 1, 2)) dichotomies of N points in general position by lines."""
    losses = coverage.half_planes().losses
    assert len(np.unique(losses, axis=0)) == len(losses) == 2 * (1 + 17 + 17 * 16 // 2)
