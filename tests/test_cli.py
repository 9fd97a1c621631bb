"""The command line from end to end: what it prints, what it writes, and how it refuses."""

import csv
import json
import math
from fractions import Fraction

import pytest

from boundcheck import load
from boundcheck.cli import main

TINY = """# Does a small network memorize?
[defaults]
dataset = "digits"
model = {{ name = "mlp", hidden = [24], bias = false }}
recipe = {{ optimizer = "sgd", learning_rate = 0.1, momentum = 0.9, epochs = 4 }}
rademacher = {{ draws = 1, epochs = 2 }}
assume = ["iid", "fixed-in-advance", "fresh-test-set"]
[[run]]
name = "a{0}"
[[run]]
name = "b{0}"
labels = "random"
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    (folder / "tiny.toml").write_text(TINY.format(""))
    assert run("train", str(folder / "tiny.toml"), "--runs", str(folder / "runs")) == 0
    for name in "ab":
        assert run("evaluate", "--run", str(folder / "runs" / name)) == 0
    return folder / "runs"


def run(*arguments):
    try:
        main(arguments)
    except SystemExit as exit:
        return exit.code or 0
    return 0


def test_evaluate_prints_one_json_object(runs, capsys):
    capsys.readouterr()
    assert run("evaluate", "--run", str(runs / "a"), "--json") == 0
    stored = json.loads(capsys.readouterr().out)
    assert stored["run"] == "a"
    assert stored["n"] == 1437
    assert stored["parameters"] == 64 * 24 + 24 * 10
    assert stored == json.loads((runs / "a" / "evaluation.json").read_text())


def test_a_subset_is_printed_and_does_not_replace_what_is_stored(runs, capsys):
    before = (runs / "a" / "evaluation.json").read_bytes()
    capsys.readouterr()
    assert (
        run("evaluate", "--run", str(runs / "a"), "--bounds", "golowich-fro,clopper1934-test-set", "--json")
        == 0
    )
    assert {b["id"] for b in json.loads(capsys.readouterr().out)["bounds"]} == {
        "golowich2018-frobenius",
        "clopper1934-test-set",
    }
    assert (runs / "a" / "evaluation.json").read_bytes() == before


def test_two_renderings_of_stored_runs_differ_in_no_byte(runs, tmp_path):
    for output in ("one", "two"):
        assert (
            run("report", str(runs / "a"), str(runs / "b"), "-o", str(tmp_path / output), "--title", "t") == 0
        )
    first = {
        p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*") if p.is_file()
    }
    second = {
        p.relative_to(tmp_path / "two"): p.read_bytes() for p in (tmp_path / "two").rglob("*") if p.is_file()
    }
    assert first.keys() == second.keys()
    # The page, the numbers of the trainings, and each of five figures in two formats.
    assert len(first) == 12
    for path, content in first.items():
        assert content.replace(b"/one", b"/two") == second[path], path


def test_a_second_evaluation_measures_nothing_again(runs, monkeypatch):
    from boundcheck.data import definitions

    def refuse(name):
        raise AssertionError("the data set was loaded although every quantity is cached")

    monkeypatch.setattr("boundcheck.archive.load_dataset", refuse)
    assert definitions is not None
    assert run("evaluate", "--run", str(runs / "b")) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "absent.toml"), "absent.toml"),
        (("evaluate", "--run", "absent"), "absent is not a directory"),
        (
            ("evaluate", "--run", "{a}", "--bounds", "golowich2018-frobenus"),
            "did you mean 'golowich2018-frobenius'",
        ),
        (("evaluate", "--run", "{a}", "--delta", "1.5"), "strictly between 0 and 1"),
        (("evaluate", "--run", "{a}", "--bounds", ","), "names no bound"),
        (("report", "{runs}", "-o", "{runs}/out"), "has no run.json"),
        (("bounds", "show", "vc-relativ"), "did you mean 'vc-relative'"),
        (("witness", "--run", "absent"), "absent is not a directory"),
        (("witness", "--run", "{a}", "--labels", "noise"), "give `run` or `random`"),
        (("ball", "--run", "absent"), "absent is not a directory"),
        (
            ("ball", "--run", "{a}", "--radii", "1,wide"),
            "--radii contains 'wide'; a number between 1e-6 and 1e6",
        ),
        (("ball", "--run", "{a}", "--radii", "1,-1"), "--radii contains '-1'"),
        (("ball", "--run", "{a}", "--radii", ","), "at least one radius"),
        (("ball", "--run", "{a}", "--quantile", "1.5"), "a quantile of at most 1"),
        (("ball", "--run", "{a}", "--delta", "0"), "strictly between 0 and 1"),
        (
            ("ball", "--run", "{a}", "--quantile", "0.001"),
            "a positive margin is needed; give a larger `quantile`",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_two(runs, capsys, arguments, message):
    filled = [a.format(a=runs / "a", runs=runs) for a in arguments]
    capsys.readouterr()
    assert run(*filled) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_a_witness_is_written_so_that_anyone_can_check_it(runs, tmp_path, capsys):
    capsys.readouterr()
    assert run("witness", "--run", str(runs / "b"), "-o", str(tmp_path), "--json") == 0
    stored = json.loads(capsys.readouterr().out)
    assert stored["exact"] == stored["decoded"] == stored["n"] == 1437
    assert stored["weights"] == 2 * stored["distinct"] + stored["dimension"] == 2 * 1437 + 64
    assert stored["files"] == [str(tmp_path / f"witness.{suffix}") for suffix in ("csv", "png", "svg")]
    with (tmp_path / "witness.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == stored["weights"]
    numbers = {which: [] for which in "abw"}
    for row in rows:
        mantissa, exponent = row["value"].split("*2^")
        numbers[row["which"]].append(int(mantissa) * Fraction(2) ** int(exponent))
    sample = load(runs / "b").sample("train")
    for i in range(0, 1437, 90):
        x = [Fraction(v) for v in sample.inputs(i, i + 1).ravel().tolist()]
        z = sum(a * v for a, v in zip(numbers["a"], x, strict=True))
        c = sum(w * max(z - b, 0) for b, w in zip(numbers["b"], numbers["w"], strict=True))
        assert c == sample.labels[i] + 1


def test_a_witness_in_words(runs, capsys):
    capsys.readouterr()
    assert run("witness", "--run", str(runs / "a"), "--labels", "random", "--seed", "4") == 0
    printed = capsys.readouterr().out
    assert "2 x 1,437 + 64 = 2,938 weights" in printed
    assert "uniformly random (seed 4)" in printed


def test_balls_are_trained_once_told_in_words_and_written(runs, tmp_path, capsys):
    arguments = ("ball", "--run", str(runs / "a"), "--radii", "2,1/4,0.5", "--draws", "2", "--epochs", "3")
    capsys.readouterr()
    assert run(*arguments, "-o", str(tmp_path), "--json") == 0
    stored = json.loads(capsys.readouterr().out)
    assert (stored["run"], stored["n"], stored["draws"], stored["epochs"]) == ("a", 1437, 2, 3)
    assert stored["files"] == [str(tmp_path / f"ball.{suffix}") for suffix in ("csv", "png", "svg")]
    assert [ball["radius"] for ball in stored["balls"]] == [2, 0.5, 0.25]
    for ball in stored["balls"]:
        deviation = (math.log(20) / (2 * 1437 * 2)) ** 0.5
        assert ball["complexity"] == pytest.approx(max(0, 0.5 - ball["soft_miss"] - deviation))
        assert len(ball["draws"]) == 2
    with (tmp_path / "ball.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(r["radius"]), r["draw"]) for r in rows] == [(c, d) for c in (2, 0.5, 0.25) for d in "12"]
    drawn = {(ball["radius"], str(i + 1)): d for ball in stored["balls"] for i, d in enumerate(ball["draws"])}
    for row in rows:
        draw = drawn[float(row["radius"]), row["draw"]]
        assert float(row["soft_miss"]) == draw["soft_miss"]
        assert float(row["fitted"]) == draw["fitted"]
        assert row["inside"] == "1"
    first = (tmp_path / "ball.png").read_bytes(), (tmp_path / "ball.svg").read_bytes()
    before = {path: path.stat().st_mtime_ns for path in (runs / "a").rglob("missed.json")}
    assert run(*arguments, "-o", str(tmp_path)) == 0
    assert first == ((tmp_path / "ball.png").read_bytes(), (tmp_path / "ball.svg").read_bytes())
    assert before == {path: path.stat().st_mtime_ns for path in (runs / "a").rglob("missed.json")}
    printed = capsys.readouterr().out
    assert "1,437 examples, 2 draw(s) of random signs, at most 3 epochs; margins in units of" in printed
    assert [line.split()[0] for line in printed.splitlines() if " x " in line] == ["2", "0.5", "0.25"]


def test_unknown_keys_in_an_experiment_name_the_nearest(tmp_path, capsys):
    path = tmp_path / "wrong.toml"
    path.write_text(TINY.format("x").replace("assume", "asume"))
    assert run("train", str(path), "--runs", str(tmp_path / "runs")) == 2
    error = capsys.readouterr().err
    assert "asume" in error
    assert "assume" in error
    assert not (tmp_path / "runs").exists()


def test_a_violated_or_failed_bound_is_exit_status_one(runs, monkeypatch, capsys):
    from boundcheck import registry
    from boundcheck.registry import Failure, Registry

    good = registry.installed()
    broken = Failure(name="broken", plugin="p 1", reason="ImportError: no", traceback="Traceback ...")
    monkeypatch.setattr(
        "boundcheck.evaluation.installed", lambda: Registry(good.bounds, good.plugins, (broken,))
    )
    assert run("evaluate", "--run", str(runs / "b"), "--json") == 1
    stored = json.loads(capsys.readouterr().out)
    assert [b["verdict"] for b in stored["bounds"] if b["id"] == "broken"] == ["failed"]
    assert len(stored["bounds"]) == len(good.bounds) + 1
    (runs / "b" / "evaluation.json").write_text(json.dumps(stored_before(runs)))


def stored_before(runs):
    """What the run's evaluation was, without the broken plugin."""
    stored = json.loads((runs / "b" / "evaluation.json").read_text())
    stored["bounds"] = [b for b in stored["bounds"] if b["id"] != "broken"]
    return stored


@pytest.mark.parametrize("command", ["bounds", "models", "datasets"])
def test_lists_are_json_too(command, capsys):
    assert run(command, "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert len(entries) >= 3
    if command == "bounds":
        assert set(entries[0]) == {
            "id",
            "aliases",
            "kind",
            "family",
            "title",
            "guarantee",
            "object",
            "citation",
            "plugin",
        }
    else:
        assert all("name" in entry for entry in entries)
    assert run(command) == 0


def test_show_prints_statement_assumptions_and_source(capsys):
    assert run("bounds", "show", "golowich-fro") == 0
    text = capsys.readouterr().out
    for part in (
        "error <=",
        "assumptions:",
        "Golowich",
        "Theorem 1",
        "docs/theory/golowich.md",
        "608.9080205",
    ):
        assert part in text


def test_doctor_runs(capsys):
    assert run("doctor") == 0
    text = capsys.readouterr().out
    assert "devices:" in text
    assert "data set digits: 1,437" in text


@pytest.mark.parametrize(
    "command",
    [
        "",
        "demo",
        "train",
        "evaluate",
        "report",
        "witness",
        "ball",
        "bounds",
        "bounds show",
        "models",
        "datasets",
        "doctor",
    ],
)
def test_every_command_has_help(command, capsys):
    assert run(*command.split(), "--help") == 0
    assert "Usage" in capsys.readouterr().out


def test_an_interrupted_training_says_so_and_is_no_run(tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    (tmp_path / "tiny.toml").write_text(TINY.format("z"))
    monkeypatch.setattr("boundcheck.workflow.fit_all", interrupted)
    assert run("train", str(tmp_path / "tiny.toml"), "--runs", str(tmp_path / "runs")) == 130
    assert "interrupted; the same command continues" in capsys.readouterr().err
    assert not list(tmp_path.rglob("run.json"))
