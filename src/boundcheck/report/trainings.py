"""The report's part on trainings: what was trained, how it ended, and what the paper of Zhang et al. 2017 has beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from . import findings, text, zhang2017
from .comparison import by_law
from .findings import rate
from .pictures import Picture, pictured, timed
from .report import Report
from .setting import PIXELS
from .text import escape
from .training import Training

CSV: Final = "figures/trainings.csv"


def ordered(report: Report) -> tuple[Training, ...]:
    """The trainings by data set and architecture, each in the order in which they first come; regularized ones first."""
    datasets, architectures = (
        list(dict.fromkeys(getattr(t.setting, what) for t in report.trainings))
        for what in ("dataset", "architecture")
    )

    def place(training: Training) -> tuple[Any, ...]:
        s = training.setting
        law = (list(PIXELS).index(s.pixels) if s.pixels in PIXELS else len(PIXELS), s.corruption)
        regularized = (not s.random_crops, not s.weight_decay, not s.dropout)
        return (datasets.index(s.dataset), architectures.index(s.architecture), *law, *regularized)

    return tuple(sorted(report.trainings, key=place))


def section(report: Report) -> Iterator[str]:
    """The markdown of the part; nothing where no run records its training."""
    trainings = ordered(report)
    if not trainings:
        return
    yield "## Optimization and generalization"
    yield _table(trainings)
    yield from _legend(trainings)
    yield from _beside_the_paper(trainings)
    shown = pictured(trainings)
    for question, answer, name in (
        ("Is optimization easy on random data?", findings.optimization(by_law(trainings)), "optimization"),
        ("How does corruption slow it down?", findings.slowdown(timed(trainings)), "slowdown"),
        (
            "Do networks generalize without regularization?",
            findings.generalization(trainings),
            "generalization",
        ),
        ("", iter(()), "training"),
    ):
        lines = list(answer)
        if lines:
            yield " ".join([f"**{question}**", *(line for line in lines if not line.startswith("- "))])
            yield "\n".join(line for line in lines if line.startswith("- "))
        if name in shown:
            yield f"![{escape(shown[name].alternative)}](figures/{name}.png)"
            yield shown[name].caption


def pictures(report: Report) -> Mapping[str, Picture]:
    """The figures that the trainings span, by file name."""
    return pictured(ordered(report))


# The table ----------------------------------------------------------------------------------------------------------


def _table(trainings: Sequence[Training]) -> str:
    columns: list[tuple[str, str, Callable[[Training], str]]] = [
        ("run", "l", lambda t: escape(t.name)),
        ("parameters", "r", lambda t: "–" if t.parameters is None else f"{t.parameters:,}"),
        ("n", "r", lambda t: f"{t.size('train'):,}"),
        ("labels, pixels", "l", lambda t: escape(t.setting.law)),
        ("random crops", "c", lambda t: "yes" if t.setting.random_crops else "no"),
        ("weight decay", "r", lambda t: f"{t.setting.weight_decay:g}" if t.setting.weight_decay else "no"),
    ]
    if any(t.setting.dropout for t in trainings):
        columns.append(("dropout", "r", lambda t: f"{t.setting.dropout:g}" if t.setting.dropout else "no"))
    columns += [
        ("training error", "r", _train_cell),
        ("test error", "r", lambda t: "diverged" if t.diverged else rate(t)),
        ("on clean test labels", "r", _clean_cell),
        ("epochs", "r", lambda t: f"{t.epochs:,}"),
    ]
    if any(t.best for t in trainings):
        columns.append(("smallest monitored test error*", "r", _best_cell))
    if any(zhang2017.row_of(t.setting) for t in trainings):
        columns.append(("Zhang et al.: training, test error", "r", _paper_cell))
    rows, before = [], None
    for training in trainings:
        setting = training.setting
        group = (setting.dataset, setting.architecture)
        first = f"**{escape(': '.join(group))}**" if group != before else ""
        rows.append([first, *(cell(training) for _, _, cell in columns)])
        before = group
    header = ["data set: architecture", *(name.replace("*", r"\*") for name, _, _ in columns)]
    return text.table(header, rows, "l" + "".join(align for _, align, _ in columns))


def _train_cell(training: Training) -> str:
    error = training.final_train_error
    if training.diverged or error is None:
        return "–"
    shown = "0" if error == 0 else text.percent(error)
    if 0 < error < 5e-5:
        shown = f"{round(error * training.size('train'))} of {training.size('train'):,}"
    return f"**{shown}**, interpolates" if training.interpolated else shown


def _clean_cell(training: Training) -> str:
    error = training.error("clean_test")
    return "–" if error is None else text.percent(error)


def _best_cell(training: Training) -> str:
    return (
        "–" if training.best is None else f"{text.percent(training.best.error)}, epoch {training.best.epoch}"
    )


def _paper_cell(training: Training) -> str:
    row = zhang2017.row_of(training.setting)
    return "" if row is None else f"{row.train_error} %, {row.test_error} %"


def _legend(trainings: Sequence[Training]) -> Iterator[str]:
    said = [
        "Errors of the network at the end of training, in inference mode. In brackets the Clopper-Pearson interval of the test "
        "error in per cent, at confidence 95 %. The test labels follow the law of the training labels; beside them the labels of "
        f"the data set. Every number, and the recipes, are in [trainings.csv]({CSV})."
    ]
    if any(t.best for t in trainings):
        counts = {t.examples_monitored or 0 for t in trainings if t.best} - {0}
        on = f" (the first {' or '.join(f'{c:,}' for c in sorted(counts))} examples)" if counts else ""
        said.append(
            rf"\* What early stopping could have had at best: the epoch is chosen on the test set itself{on}, so this is no "
            "estimate of an error."
        )
    if any(t.missed("train") is None and not t.diverged and t.history for t in trainings):
        said.append(
            "Where a record counts no errors, the training error is the last of the history, in which an example that is barely "
            "fitted counts as missed."
        )
    yield " ".join(said)
    for training in trainings:
        if training.diverged:
            yield f"**{escape(training.name)} diverged**: {escape(training.diverged)}"


def _beside_the_paper(trainings: Sequence[Training]) -> Iterator[str]:
    """How each run departs from the row of the paper that stands beside it; runs that depart alike share a line."""
    lines: dict[str, list[str]] = {}
    for training in trainings:
        row = zhang2017.row_of(training.setting)
        if row is not None:
            departs = "; ".join(zhang2017.differences(training, row)) or "nothing that the paper states"
            chosen = ", ".join(zhang2017.unstated(training))
            lines.setdefault(f"{escape(departs)}. Not stated there, here: {escape(chosen)}.", []).append(
                escape(training.name)
            )
    if lines:
        yield (
            "Beside runs in a setting of table 1 of Zhang et al. (2017) stand the errors printed there (100 % less the accuracies). "
            "What differs from the paper:"
        )
        yield "\n".join(f"- {', '.join(names)}: {said}" for said, names in lines.items())
        yield zhang2017.REFERENCE


def table_csv(report: Report) -> str:
    """Every number of the table and of the recipes, one row a run; empty where a run does not say."""
    stream = io.StringIO()
    rows = [_numbers(training) for training in ordered(report)]
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _numbers(training: Training) -> dict[str, Any]:
    setting, recipe = training.setting, training.setting.recipe
    row = zhang2017.row_of(setting)
    low, high = training.confidence("test") or (None, None)
    counts = {
        f"missed_{which}": None if missed is None else int(missed.integers()[1])
        for which in ("train", "test", "clean_test")
        for missed in [training.missed(which)]
    }
    return {
        "run": training.name,
        "dataset": setting.dataset,
        "architecture": setting.architecture,
        "parameters": training.parameters,
        "n": training.size("train"),
        "test_examples": training.size("test"),
        "pixels": setting.pixels,
        "corruption": setting.corruption,
        "random_crops": setting.random_crops,
        "weight_decay": setting.weight_decay,
        "dropout": setting.dropout,
        "preparation": setting.preparation,
        **{key: recipe.get(key) for key in ("optimizer", "learning_rate", "momentum", "decay", "batch")},
        "precision": setting.precision,
        "seed": setting.spec.get("seed"),
        "budget": recipe.get("epochs"),
        "epochs": training.epochs,
        "interpolated": training.interpolated,
        "interpolation_epoch": training.interpolation_epoch,
        **counts,
        "train_error": training.final_train_error,
        "test_error": training.error("test"),
        "test_error_lo": low,
        "test_error_hi": high,
        "clean_test_error": training.error("clean_test"),
        "best_monitored_error": None if training.best is None else training.best.error,
        "best_monitored_epoch": None if training.best is None else training.best.epoch,
        "last_monitored_error": training.monitored[-1].error if training.monitored else None,
        "zhang2017_train_error": None if row is None else row.train_error / 100,
        "zhang2017_test_error": None if row is None else row.test_error / 100,
        "diverged": training.diverged,
    }
