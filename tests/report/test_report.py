"""Reports: numbers as readers see them, hostile names, and figures that show every bound."""

import copy
import json

import pytest

import boundcheck as bc
from boundcheck.report import markdown, plots, text
from boundcheck.report.report import Judged, Report


@pytest.fixture
def judged(small_run):
    return Judged(evaluation=json.loads(json.dumps(bc.evaluate(small_run).to_json())))


def value(lo, hi=None, log10=None, below=None):
    return {
        "lo": lo,
        "hi": lo if hi is None else hi,
        "log10_lo": log10,
        "log10_hi": log10,
        "log10_below_one": below,
    }


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (value(0.1484), "0.148"),
        (value(0.0), "0"),
        (value(1.0, log10=0.0), "1"),
        (value(1.02, 1.07), "1.02 to 1.07"),
        (value(1304.2), "1304"),
        (value(123456.0, log10=5.0915), "1.2·10⁵"),
        (value(None, log10=5000.3), "2.0·10⁵⁰⁰⁰"),
        (value(None, log10=None), "∞"),
        (value(1.0, below=-566.2), "1 − 10⁻⁵⁶⁶"),
        (value(0.99999, below=-5.0), "1 − 10⁻⁵"),
        (None, "–"),
    ],
)
def test_values_as_they_are_shown(stored, shown):
    assert text.value(stored) == shown


def test_every_bound_has_its_row_its_card_and_its_verdict(judged):
    page = markdown.render(Report(runs=(judged,)), title="t")
    for b in judged.evaluation["bounds"]:
        assert f"[`{b['id']}`](#{b['id']})" in page
        assert f'<a id="{b["id"]}"></a>' in page
        assert b["verdict"] in page
    for part in ("## Confidence", "## References", "Golowich", "Clopper-Pearson"):
        assert part in page


def test_reasons_of_inapplicable_bounds_are_printed(judged):
    page = markdown.render(Report(runs=(judged,)), title="t")
    assert "a run from arrays records no recipe" in page


def test_names_and_messages_are_escaped(judged):
    hostile = copy.deepcopy(judged.evaluation)
    hostile["run"] = "a|b<script>*x*_y_`z`"
    hostile["bounds"][0]["verdict"] = "failed"
    hostile["bounds"][0]["value"] = None
    hostile["bounds"][0]["reasons"] = ["| <img src=x> [click](http://example.org) $x$"]
    hostile["bounds"][0]["traceback"] = "Traceback\n```\n<b>"
    page = markdown.render(Report(runs=(Judged(evaluation=hostile),)), title="# not a | heading")
    assert "<script>" not in page
    assert "<img" not in page
    assert r"\[click\]" in page
    assert "\n```\n<b>" not in page
    rows = [line for line in page.splitlines() if line.startswith("| **a")]
    assert all(line.replace(r"\|", "").count("|") == 9 for line in rows)


def test_the_ladder_shows_every_bound_that_has_a_value_once_a_run(judged):
    second = copy.deepcopy(judged.evaluation)
    second["run"] = "other"
    lost = next(b for b in second["bounds"] if b["value"] is not None)
    lost.update(value=None, verdict="not-applicable")
    report = Report(runs=(judged, Judged(evaluation=second)))
    figure = plots.ladder(report)
    assert len(figure.axes) == 2
    rows = [b["id"] for b in judged.evaluation["bounds"] if b["value"] is not None]
    for ax in figure.axes:
        labels = [t.get_text() for t in ax.texts]
        for identifier in rows:
            b = judged.bound(identifier)
            gone = identifier == lost["id"] and ax is figure.axes[1]
            assert ("not-applicable" if gone else text.value(b["value"])) in labels
    assert {t.get_text() for t in figure.axes[0].get_yticklabels()} == set(rows)


def test_the_summary_has_the_smallest_certified_bound_of_each_family(judged):
    report = Report(runs=(judged,))
    by_id = {b["id"]: b for b in judged.evaluation["bounds"]}
    families = {b["family"] for b in by_id.values() if b["guarantee"] == "HP" and b["value"]}
    leaders = [by_id[i] for i in report.leaders]
    assert {b["family"] for b in leaders} == families
    assert len(leaders) == len(families)
    for b in leaders:
        assert b["guarantee"] == "HP"
        rivals = [
            r for r in by_id.values() if r["family"] == b["family"] and r["value"] and r["guarantee"] == "HP"
        ]
        assert b["value"]["log10_hi"] <= min(r["value"]["log10_hi"] for r in rivals) + 1e-9
    figure = plots.ladder(report, report.leaders)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [*reversed(report.leaders)]


def test_labels_of_the_ladder_stay_inside_their_panel(judged):
    """Nothing is cut off at the right edge: every label ends inside the axes."""
    figure = plots.ladder(Report(runs=(judged,)))
    figure.draw_without_rendering()
    (ax,) = figure.axes
    right = ax.get_window_extent().x1
    for label in ax.texts:
        assert label.get_window_extent().x1 <= right + 1


def test_families_have_distinct_colours():
    assert len(set(plots.COLOURS.values())) == len(plots.COLOURS)
    assert plots.colour("something-new") == plots.OTHER
