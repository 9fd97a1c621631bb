"""The demonstration, and the README that shows it."""

import importlib.util
import json
from pathlib import Path

import pytest

from boundcheck.cli import main
from boundcheck.report.report import read
from boundcheck.report.text import value
from boundcheck.verdict import Verdict

ROOT = Path(__file__).parents[1]
VERDICTS = {verdict.value for verdict in Verdict}


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


readme = _load(ROOT / "docs" / "readme.py")
TEXT = readme.README.read_text()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    arguments = ("demo", "--runs", str(folder / "runs"), "--output", str(folder / "report"))
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 0
    return folder


def stored(folder, name):
    return json.loads((folder / "runs" / name / "evaluation.json").read_text())


def test_both_networks_reach_training_error_zero(demo):
    for name in ("digits_true", "digits_random"):
        evaluation = stored(demo, name)
        assert evaluation["observed"]["train_error"] == 0
        assert evaluation["training"]["interpolated"]
    assert stored(demo, "digits_true")["observed"]["test_error"] < 0.1
    assert 0.8 < stored(demo, "digits_random")["observed"]["test_error"] < 1
    assert 0.8 < stored(demo, "digits_random")["observed"]["clean_test_error"] < 1


def test_on_random_labels_every_training_set_bound_says_nothing(demo):
    certified = [
        b
        for b in stored(demo, "digits_random")["bounds"]
        if b["family"] != "test-set" and b["guarantee"] == "HP"
    ]
    # Some speak of the exact solution of a linear or kernel problem, and of no network.
    others = [
        b
        for b in certified
        if b["object"].startswith("online")
        or ("solved", "refuted") in ((a["name"], a["status"]) for a in b["assumptions"])
    ]
    assert {b["verdict"] for b in others} == {"not-applicable"}
    verdicts = {b["id"]: b["verdict"] for b in certified if b not in others}
    assert len(verdicts) >= 25
    assert set(verdicts.values()) <= {"vacuous", "uninformative"}


def test_the_report_has_its_figures(demo):
    report = (demo / "report" / "report.md").read_text()
    assert "digits\\_random: vacuous" in report
    for name in ("summary.png", "ladder.png", "ladder.svg", "measures.png", "training.png"):
        assert (demo / "report" / "figures" / name).stat().st_size > 10_000


def test_the_readme_shows_what_the_demo_prints(demo):
    """Verdicts and bounds by name; the numbers of a training may differ in their last digits between machines."""
    shown = [line.split() for line in readme.section(TEXT, "demo").splitlines()]
    leaders = read([demo / "runs" / name for name in ("digits_true", "digits_random")]).leaders
    for name, column in (("digits_true", 0), ("digits_random", 1)):
        for b in (b for b in stored(demo, name)["bounds"] if b["id"] in leaders):
            (line,) = [words for words in shown if words and words[0] == b["id"]]
            verdicts = [w for w in line if w in VERDICTS]
            assert verdicts[column] == b["verdict"], b["id"]
            if b["family"] in ("counting", "vc"):
                assert value(b["value"]) in " ".join(line)


def test_the_committed_report_is_of_the_same_bounds(demo):
    committed = (ROOT / "reports" / "quickstart" / "report.md").read_text()
    for b in stored(demo, "digits_true")["bounds"]:
        assert f'<a id="{b["id"]}"></a>' in committed


@pytest.mark.parametrize("example", ["flax", "python"])
def test_the_examples_print_what_the_readme_shows(example):
    assert readme.section(TEXT, example) == readme.python_output(TEXT, example)


def test_the_table_of_bounds_is_generated():
    assert readme.section(TEXT, "bounds") == readme.bounds_output()
