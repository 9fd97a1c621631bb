"""The part on trainings: every number as stored, old and diverged runs, and nothing claimed that the numbers do not say."""

import csv
import io
import json

import pytest
from scipy.stats import beta

import boundcheck as bc
from boundcheck.cli import main
from boundcheck.errors import RunError
from boundcheck.interval import Interval
from boundcheck.report import markdown, trainings
from boundcheck.report.report import evaluated, read
from boundcheck.report.training import Training

BOUNDS = ["clopper1934-test-set", "golowich2018-frobenius"]
INCEPTION = {"name": "inception", "batch_norm": True}


def rows_of(report):
    """The cells of the table by run, by the name of the column."""
    lines = [line for line in "\n".join(trainings.section(report)).splitlines() if line.startswith("| ")]
    header, _, *rows = [line[2:-2].split(" | ") for line in lines]
    split = [dict(zip(header, row, strict=True)) for row in rows]
    return {row["run"].replace("\\", ""): row for row in split}


def numbers_of(report):
    """The rows of trainings.csv by run."""
    return {row["run"]: row for row in csv.DictReader(io.StringIO(trainings.table_csv(report)))}


def page_of(report):
    return markdown.render(report, title="t")


def clopper_pearson(k, n):
    return (
        0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1)),
        1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k)),
    )


def files_below(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def several(store):
    monitored = [0.7, 0.55, 0.5, 0.5, *[0.6] * 6]
    return [
        store("true", fitted=10, missed=(0, 240, 240), test_errors=monitored),
        store("noise", fitted=25, missed=(0, 450, 452), labels="random"),
        store("half", missed=(7, 351, 260), corruption=0.5),
        store("decay", missed=(0, 230, 230), recipe={"weight_decay": 0.0005}),
        store("crops", missed=(1, 0, 0), recipe={"random_crops": True, "dropout": 0.5}, model=INCEPTION),
    ]


def test_every_number_of_the_table_is_that_of_the_record(several):
    report = read(several)
    table, numbers = rows_of(report), numbers_of(report)
    assert table.keys() == numbers.keys() == {path.name for path in several}
    for path in several:
        record = json.loads((path / "run.json").read_text())
        cells, row, missed = table[path.name], numbers[path.name], record["missed"]
        n, m = record["sizes"]["train"], record["sizes"]["test"]
        assert cells["parameters"] == f"{record['parameters']:,}"
        assert cells["n"] == f"{n:,}" == "1,000"
        recipe = record["spec"]["recipe"]
        assert cells["random crops"] == ("yes" if recipe["random_crops"] else "no")
        assert cells["weight decay"] == (f"{recipe['weight_decay']:g}" if recipe["weight_decay"] else "no")
        assert cells["dropout"] == (f"{recipe['dropout']:g}" if recipe["dropout"] else "no")
        low, high = clopper_pearson(missed["test"], m)
        shown = f"{100 * missed['test'] / m:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"
        assert cells["test error"] == shown
        assert cells["on clean test labels"] == f"{100 * missed['clean_test'] / m:.2f} %"
        assert cells["epochs"] == str(record["epochs"])
        assert float(row["test_error_lo"]) == pytest.approx(low, abs=1e-12)
        assert float(row["test_error_hi"]) == pytest.approx(high, abs=1e-12)
        for which, size in (("train", n), ("test", m), ("clean_test", m)):
            assert int(row[f"missed_{which}"]) == missed[which]
            assert float(row[f"{which}_error"]) == missed[which] / size
        assert row["interpolated"] == str(record["interpolated"])
    assert table["true"]["training error"] == "**0**, interpolates"
    # Nothing is misclassified, and yet some example is fitted too barely for the training to have ended.
    assert table["decay"]["training error"] == "0"
    assert table["half"]["training error"] == "0.70 %"
    assert table["half"]["labels, pixels"] == "labels corrupted with probability 0.5"


def test_the_smallest_monitored_error_is_the_first_and_said_to_be_chosen(several):
    table, page = rows_of(read(several)), page_of(read(several))
    assert table["true"][r"smallest monitored test error\*"] == "50.00 %, epoch 3"
    assert table["noise"][r"smallest monitored test error\*"] == "–"
    assert "the epoch is chosen on the test set itself (the first 200 examples)" in page
    assert "early stopping would have given 50.00 % at epoch 3 in place of 60.00 %" in page


def test_the_paper_stands_beside_its_settings_alone_and_every_departure_is_named(several):
    table, page = rows_of(read(several)), page_of(read(several))
    paper = "Zhang et al.: training, test error"
    assert table["true"][paper] == "0.0 %, 47.61 %"
    assert table["noise"][paper] == "0.0 %, 89.52 %"
    assert table["decay"][paper] == "0.0 %, 46.65 %"
    assert table["half"][paper] == table["crops"][paper] == ""
    (line,) = (line for line in page.splitlines() if line.startswith("- decay: "))
    assert "1,000 training examples, not 50,000; 500 test examples, not 10,000." in line
    assert "coefficient of the weight decay 0.0005" in line
    assert "batch 100, for 40 of at most 40 epochs" in line


def test_without_a_match_the_paper_is_not_mentioned(store):
    page = page_of(read([store("a", fitted=3, missed=(0, 1, 1), dataset="fashion-mnist")]))
    assert "Zhang" not in page


def test_a_report_of_runs_that_are_not_evaluated_tells_of_trainings_alone(several, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["report", *map(str, several), "-o", str(tmp_path / "out"), "--title", "t"])
    assert not exit.value.code
    page = (tmp_path / "out" / "report.md").read_text()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["## Optimization and generalization", "## How to reproduce this"]
    names = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert names == {"trainings.csv"} | {
        f"{figure}.{kind}"
        for figure in ("optimization", "slowdown", "generalization", "training")
        for kind in ("png", "svg")
    }
    for name in ("optimization", "slowdown", "generalization", "training"):
        assert f"](figures/{name}.png)" in page


def test_two_renderings_differ_in_no_byte(several, tmp_path):
    for output in ("one", "two"):
        markdown.write(read(several), tmp_path / output, title="t")
    first, second = (files_below(tmp_path / output) for output in ("one", "two"))
    assert first == second
    assert len(first) == 10


def test_an_old_run_shows_what_it_has_and_no_more(store):
    report = read([store("old", old=True, fitted=5), store("late", old=True)])
    table = rows_of(report)
    assert table["old"]["training error"] == "**0**, interpolates"
    assert table["old"]["parameters"] == table["old"]["test error"] == "–"
    # The last training error of the history, 0.9 (1 - 40/80)^2 + 0.001.
    assert table["late"]["training error"] == "22.60 %"
    assert r"smallest monitored test error\*" not in table["old"]
    assert "an example that is barely fitted counts as missed" in page_of(report)
    assert numbers_of(report)["old"]["missed_test"] == ""
    assert "generalization" not in trainings.pictures(report)


@pytest.fixture
def judge(small_run):
    """Evaluates a stored run: the evaluation is that of another network, with these counts."""
    stored = json.loads(json.dumps(bc.evaluate(small_run, bounds=BOUNDS).to_json()))

    def write(directory, train, test, clean, undecided=0):
        record = json.loads((directory / "run.json").read_text())
        n, m = record["sizes"]["train"], record["sizes"]["test"]
        evaluation = {**stored, "run": directory.name, "training": record, "n": n, "test_size": m}
        evaluation["parameters"] = 97
        low, high = clopper_pearson(test, m)
        evaluation["observed"] = {
            "train_error": train / n,
            "test_error": test / m,
            "test_error_interval": [low, high],
            "clean_test_error": clean / m,
            "undecided_by_rounding": {"train": 0, "test": undecided},
        }
        (directory / "evaluation.json").write_text(json.dumps(evaluation))
        return directory

    return write


def test_an_old_run_that_is_evaluated_has_the_counts_of_its_evaluation(store, judge):
    report = read([judge(store("old", old=True, fitted=5), 0, 123, 124)])
    cells = rows_of(report)["old"]
    low, high = clopper_pearson(123, 500)
    assert cells["test error"] == f"24.60 % [{100 * low:.2f}, {100 * high:.2f}]"
    assert cells["on clean test labels"] == "24.80 %"
    assert cells["parameters"] == "97"
    assert numbers_of(report)["old"]["missed_test"] == "123"


def test_undecided_examples_widen_the_interval_downwards(store, judge):
    report = read([judge(store("old", old=True, fitted=5), 0, 123, 123, undecided=20)])
    row = numbers_of(report)["old"]
    assert float(row["test_error_lo"]) == pytest.approx(clopper_pearson(103, 500)[0], abs=1e-12)
    assert float(row["test_error_hi"]) == pytest.approx(clopper_pearson(123, 500)[1], abs=1e-12)
    (training,) = report.trainings
    assert str(training.missed("test")) == str(Interval(103, 123))


def test_the_count_of_the_record_goes_before_that_of_the_evaluation(store, judge):
    report = read([judge(store("new", fitted=5, missed=(0, 200, 201)), 0, 123, 124)])
    assert numbers_of(report)["new"]["missed_test"] == "200"


def test_judged_and_unjudged_runs_share_a_report(store, judge):
    report = read([judge(store("judged", fitted=5), 0, 123, 124), store("bare", fitted=6)])
    page = page_of(report)
    assert [run.name for run in report.runs] == ["judged"]
    assert "bare: value" not in page
    assert "## Verdicts" in page
    assert rows_of(report).keys() == {"judged", "bare"}
    assert "boundcheck evaluate --run runs/judged" in page
    assert "evaluate --run runs/bare" not in page


def test_a_diverged_training_is_in_the_table_with_its_reason_and_in_no_comparison_of_ends(store):
    reason = "the loss is not finite | in epoch 4"
    report = read(
        [
            store("gone", epochs=3, diverged=reason, labels="random"),
            store("early", epochs=3, fitted=None, diverged=reason, corruption=0.3),
            store("kept", fitted=5, missed=(0, 100, 100)),
            store("half", fitted=9, missed=(0, 300, 200), corruption=0.5),
        ]
    )
    cells, page = rows_of(report)["gone"], page_of(report)
    assert cells["test error"] == "diverged"
    assert cells["training error"] == cells["on clean test labels"] == "–"
    assert r"**gone diverged**: the loss is not finite \| in epoch 4" in page
    assert "random labels: diverged" in page
    assert numbers_of(report)["gone"]["diverged"] == reason
    assert "slowdown" not in trainings.pictures(report)
    assert "generalization" not in trainings.pictures(report)


def test_a_training_that_diverged_at_once_has_no_curve(store, tmp_path):
    directory = store("gone", epochs=1, diverged="at once")
    (directory / "history.csv").write_text("epoch,loss,running_error,train_error,test_error\n")
    markdown.write(read([directory]), tmp_path / "out", title="t")
    assert {path.name for path in (tmp_path / "out").rglob("*.*")} == {"report.md", "trainings.csv"}


def test_names_and_reasons_are_escaped(store, tmp_path):
    hostile = "a|b<script>*x*_y_`z`$q$"
    runs = [store("plain", fitted=3, missed=(0, 1, 1)), store("gone", epochs=2, diverged="<img src=x> |")]
    runs.append(store("other", fitted=4, labels="random", model={"name": hostile}))
    for path, name in ((runs[0], hostile), (runs[2], f"2{hostile}")):
        record = json.loads((path / "run.json").read_text())
        record["spec"]["name"] = name
        record["spec"]["dataset"] = hostile
        record["spec"]["model"] = {"name": hostile}
        (path / "run.json").write_text(json.dumps(record))
    report = read(runs)
    markdown.write(report, tmp_path / "out", title="t")
    page = (tmp_path / "out" / "report.md").read_text()
    assert "<script>" not in page.replace("‹script>", "")
    assert "<img" not in page
    table = [line for line in page.splitlines() if line.startswith("| ") and "interpolates" in line]
    assert len(table) == 2
    header = next(line for line in page.splitlines() if line.startswith("| data set"))
    for line in table:
        assert line.replace(r"\|", "").count("|") == header.count("|")
    assert hostile in numbers_of(report)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", None, "has no run.json"),
        ("run.json", "{}", "is not the record of a run"),
        ("run.json", "[]", "is not the record of a run"),
        ("run.json", "{", "is not JSON"),
        ("history.csv", "epoch\nx\n", "is not the history of a run"),
        ("steps.safetensors", "no", "is not a whole safetensors file"),
    ],
)
def test_a_damaged_run_is_named(store, file, content, message):
    directory = store("a", fitted=3)
    (directory / file).unlink() if content is None else (directory / file).write_text(content)
    with pytest.raises(RunError, match=message) as caught:
        read([directory])
    assert str(directory) in str(caught.value)


def test_an_unfinished_training_says_how_to_go_on(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(RunError, match="its training has not ended"):
        read([tmp_path])


def test_a_run_given_twice_is_refused(store):
    directory = store("a", fitted=3)
    with pytest.raises(RunError, match="two of the runs are named a"):
        read([directory, directory])


def test_an_evaluation_of_other_weights_is_refused(store, judge):
    directory = judge(store("a", fitted=3), 0, 1, 1)
    record = json.loads((directory / "run.json").read_text())
    record["digests"]["weights"] = "other"
    (directory / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"is of other weights than run\.json records"):
        read([directory])


def test_a_run_that_must_be_evaluated_says_so(store):
    with pytest.raises(RunError, match=r"has no evaluation\.json; run `boundcheck evaluate"):
        evaluated(store("a", fitted=3))


def test_an_evaluation_of_arrays_has_no_training(small_run, tmp_path):
    (tmp_path / "evaluation.json").write_text(json.dumps(bc.evaluate(small_run, bounds=BOUNDS).to_json()))
    report = read([tmp_path])
    assert report.trainings == ()
    assert "## Optimization" not in page_of(report)


def test_steps_per_epoch_are_those_recorded(store):
    (kept, old) = read([store("kept", fitted=3), store("old", old=True, fitted=3)]).trainings
    assert kept.steps_per_epoch == old.steps_per_epoch == 10
    assert kept.losses is not None
    assert len(kept.losses) == 30
    shorter = Training(record=kept.record, history=kept.history, losses=kept.losses[:27])
    assert shorter.steps_per_epoch == 9
    broken_off = Training(record=kept.record, history=kept.history, losses=kept.losses[:28])
    assert broken_off.steps_per_epoch == 10
