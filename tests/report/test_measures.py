"""The measures of a report: ranked from three runs on, compared for two, never judged."""

import copy
import json

import pytest
from three_layers import network, run_of

import boundcheck as bc
from boundcheck.registry import installed
from boundcheck.report import markdown, measures, plots
from boundcheck.report.report import Judged, Report

CLOSED = [m for m in installed().measures if not m.startswith(("jiang2020-flatness", "jiang2020-sharpness"))]
NORM = "jiang2020-parameter-norm"


@pytest.fixture(scope="module")
def three():
    runs = []
    for index in range(3):
        evaluation = bc.evaluate(run_of(*network(seed=index), seed=index), bounds=CLOSED).to_json()
        evaluation["run"] = f"run{index}"
        runs.append(Judged(evaluation=json.loads(json.dumps(evaluation))))
    return Report(runs=tuple(runs))


def report_of(three, *points):
    """Runs on which one measure has the value, and the test error the interval, that are given."""
    runs = []
    for index, (value, (low, high)) in enumerate(points):
        e = copy.deepcopy(three.runs[0].evaluation)
        e["run"] = f"run_{index}"
        e["observed"] |= {"train_error": 0.0, "test_error_interval": [low, high]}
        e["observed"]["undecided_by_rounding"] = {"train": 0, "test": 0}
        (m,) = (m for m in e["measures"] if m["id"] == NORM)
        m["value"] = value
        e["measures"] = [m]
        runs.append(Judged(evaluation=e))
    return Report(runs=tuple(runs))


def stored(low, high=None, log10=0.0):
    return {"lo": low, "hi": low if high is None else high, "log10_lo": log10, "log10_hi": log10}


def ends(tau):
    return pytest.approx((float(tau.lo), float(tau.hi)))


def test_tau_is_that_of_the_stored_values(three):
    report = report_of(
        three,
        *((stored(x), (g, g)) for x, g in ((1.0, 0.1), (2.0, 0.3), (3.0, 0.2), (4.0, 0.4))),
    )
    assert ends(measures.correlation(report, NORM)) == (2 / 3, 2 / 3)
    assert "| 0.67 |" in "\n".join(measures.section(report))


def test_equal_counts_are_ties_and_overlapping_errors_are_undecided(three):
    report = report_of(
        three, (stored(5.0), (0.1, 0.2)), (stored(5.0), (0.7, 0.8)), (stored(6.0), (0.75, 0.9))
    )
    # A tie, one pair in the right order, one whose test errors overlap.
    assert ends(measures.correlation(report, NORM)) == (0, 2 / 3)


def test_numbers_beyond_a_double_are_compared_by_their_logarithms(three):
    huge = {"lo": None, "hi": None, "log10_lo": 400.0, "log10_hi": 400.0}
    report = report_of(
        three, (huge, (0.5, 0.5)), (stored(1.0), (0.2, 0.2)), (stored(2.0, log10=0.3), (0.3, 0.3))
    )
    assert ends(measures.correlation(report, NORM)) == (1, 1)
    twins = report_of(three, (huge, (0.5, 0.5)), (huge, (0.2, 0.2)), (stored(1.0), (0.1, 0.1)))
    assert ends(measures.correlation(twins, NORM)) == (1 / 3, 1)


def test_a_run_without_a_value_leaves_no_rank(three):
    report = report_of(three, (stored(1.0), (0.1, 0.1)), (None, (0.2, 0.2)), (stored(3.0), (0.3, 0.3)))
    report.runs[1].evaluation["measures"][0]["reasons"] = ["no | reason"]
    assert measures.correlation(report, NORM) is None
    page = "\n".join(measures.section(report))
    assert rf"`{NORM}` on run\_1: no \| reason" in page


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        (stored(2.0), stored(1.0), r"run\_0"),
        (stored(1.0), stored(2.0), r"run\_1"),
        (stored(1.0), stored(1.0), "equal"),
        (stored(1.0, 2.0), stored(1.5, 3.0), "–"),
        (None, stored(1.0), "–"),
    ],
)
def test_of_two_runs_the_larger_is_named_and_no_rank_is_printed(three, first, second, word):
    report = report_of(three, (first, (0.1, 0.1)), (second, (0.2, 0.2)))
    page = "\n".join(measures.section(report))
    (row,) = (line for line in page.splitlines() if f"(`{NORM}`)" in line and line.startswith("|"))
    assert row.endswith(f"| {word} |")
    assert "τ" not in page


def test_undecided_training_examples_widen_the_gap(three):
    run = three.runs[0]
    e = copy.deepcopy(run.evaluation)
    e["observed"]["undecided_by_rounding"]["train"] = 15
    assert float(run.gap.hi) + 15 / 150 == pytest.approx(float(Judged(evaluation=e).gap.hi))


def test_the_section_and_its_figure_show_every_measure_and_no_verdict(three):
    page = "\n".join(measures.section(three))
    assert "over 3 pairs" in page
    assert "vacuous" not in page
    for identifier in CLOSED:
        assert f"(`{identifier}`)" in page
    figure = plots.measures(three)
    read = [m for m in three.measures if (three.runs[0].measure(m) or {})["value"] is not None]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [*reversed(read)]
    assert NORM in read
    assert markdown.render(three, title="t") == markdown.render(three, title="t")


def test_no_run_hides_another_in_the_figure(three):
    twice = Report(runs=(three.runs[0], three.runs[0]))
    marks = [
        tuple(map(float, line.get_xydata()[0]))
        for line in plots.measures(twice).axes[0].lines
        if len(line.get_xydata()) == 1
    ]
    read = [m for m in CLOSED if (three.runs[0].measure(m) or {})["value"] is not None]
    assert len(read) >= 15
    assert len(set(marks)) == len(marks) == 2 * len(read) + 2


def test_evaluations_without_measures_still_render(three):
    old = copy.deepcopy(three.runs[0].evaluation)
    del old["measures"]
    report = Report(runs=(Judged(evaluation=old),))
    assert report.measures == ()
    assert "## Measures" not in markdown.render(report, title="t")
