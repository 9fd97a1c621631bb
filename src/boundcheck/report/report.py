"""`Report`: what several stored runs say, read from their directories. Nothing is measured or trained here.

A run that is not evaluated yet has a training to tell of, and no bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import record, storage
from ..errors import RunError
from ..interval import Interval
from .predictors import Predictor, read_predictor
from .setting import Setting
from .training import Training, read_training


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run with its stored evaluation: the object of `evaluate --json`."""

    evaluation: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.evaluation["run"])

    @property
    def labels(self) -> str:
        """The law of the labels, in words."""
        return self.setting.labels

    @property
    def setting(self) -> Setting:
        """What the run was told to do; empty for a run from arrays."""
        return Setting(self.evaluation["training"].get("spec", {}))

    def measure(self, identifier: str) -> Mapping[str, Any] | None:
        """What one measure read; None too where it read nothing."""
        readings = self.evaluation.get("measures", ())
        return next((m for m in readings if m["id"] == identifier), None)

    @property
    def gap(self) -> Interval:
        """The test error's confidence interval less the training error, in which undecided examples go either way."""
        o = self.evaluation["observed"]
        undecided = o.get("undecided_by_rounding", {}).get("train", 0) / self.evaluation["n"]
        low, high = o["test_error_interval"]
        return Interval(low, high) - Interval(o["train_error"] - undecided, o["train_error"])

    def bound(self, identifier: str) -> Mapping[str, Any] | None:
        """The stored outcome of one bound."""
        return next((b for b in self.evaluation["bounds"] if b["id"] == identifier), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Runs side by side. `runs`: those that are evaluated; `trainings`: all that record how they were trained;
    `predictors`: linear and kernel predictors, evaluated or not.

    `bounds`: the ids, sorted by the largest value that any run gives, valueless ones last.
    """

    runs: tuple[Judged, ...]
    trainings: tuple[Training, ...] = ()
    predictors: tuple[Predictor, ...] = ()

    @property
    def bounds(self) -> tuple[str, ...]:
        ids = {b["id"] for run in self.runs for b in run.evaluation["bounds"]}
        return tuple(sorted(ids, key=self._rank))

    @property
    def valued(self) -> tuple[str, ...]:
        """Those that have a value on some run, in the order of `bounds`."""
        return tuple(i for i in self.bounds if any(b["value"] is not None for _, b in self.outcomes(i)))

    @property
    def leaders(self) -> tuple[str, ...]:
        """Of each family the certified bound with the smallest value, in the order of `bounds`.

        One that has a value on every run comes before one that has not; a family without any value has none.
        """
        best: dict[str, tuple[int, int, str]] = {}
        for place, identifier in enumerate(self.valued):
            tried = [b for _, b in self.outcomes(identifier)]
            if any(b["guarantee"] != "HP" for b in tried):
                continue
            lacking = len(self.runs) - sum(b["value"] is not None for b in tried)
            family = tried[0]["family"]
            best[family] = min(best.get(family, (lacking, place, identifier)), (lacking, place, identifier))
        chosen = {identifier for _, _, identifier in best.values()}
        return tuple(identifier for identifier in self.bounds if identifier in chosen)

    def _rank(self, identifier: str) -> tuple[int, float, float, str]:
        ranks = [(1, 0.0, 0.0)]
        for run in self.runs:
            b = run.bound(identifier)
            if b is not None and b["value"] is not None:
                below = b["value"]["log10_below_one"]
                height = round(b["value"]["log10_hi"] or 0.0, 9)
                ranks.append((0, height, -below if below is not None else 1e9))
        with_value = [r for r in ranks if r[0] == 0]
        return (*(max(with_value) if with_value else ranks[0]), identifier)

    @property
    def measures(self) -> tuple[str, ...]:
        """The ids of the measures, in alphabetical order."""
        return tuple(sorted({m["id"] for run in self.runs for m in run.evaluation.get("measures", ())}))

    def outcomes(self, identifier: str) -> Iterator[tuple[Judged, Mapping[str, Any]]]:
        """The runs that this bound was tried on, with what it said."""
        for run in self.runs:
            b = run.bound(identifier)
            if b is not None:
                yield run, b


def read(directories: Sequence[Path]) -> Report:
    """The report of stored runs, evaluated or not.

    Raises `RunError`, naming the directory, for one that holds no run or a damaged one, and for a run given twice.
    """
    runs, trainings, predictors, names = [], [], [], []
    for directory in directories:
        stored = _evaluation(directory)
        record = _record(directory)
        if "solved" in record:
            predictors.append(read_predictor(directory, record, stored))
            names.append(predictors[-1].name)
            if stored is not None:
                runs.append(Judged(evaluation=stored))
            continue
        training = read_training(directory, stored)
        if stored is not None:
            runs.append(Judged(evaluation=stored))
        if training is not None:
            trainings.append(training)
        if stored is None and training is None:
            raise RunError(f"{directory} has no run.json; {_remedy(directory)}")
        names.append(runs[-1].name if training is None else training.name)
    for name in names:
        if names.count(name) > 1:
            raise RunError(f"two of the runs are named {name}; give each run once.")
    return Report(runs=tuple(runs), trainings=tuple(trainings), predictors=tuple(predictors))


def _record(directory: Path) -> Mapping[str, Any]:
    """What `run.json` holds; nothing where there is none."""
    path = directory / "run.json"
    found = storage.read_json(path, "the record of the run") if path.exists() else {}
    return found if isinstance(found, dict) else {}


def _remedy(directory: Path) -> str:
    if (directory / "checkpoint").is_dir():
        return "its training has not ended. Run the same `boundcheck train` again: it continues where it stopped."
    return "a run directory such as runs/digits_true is needed, as `boundcheck train` writes it."


def evaluated(directory: Path) -> Judged:
    """A stored run with its evaluation. Raises `RunError` for one that is not evaluated yet."""
    stored = _evaluation(directory)
    if stored is None:
        raise RunError(
            f"{directory} has no evaluation.json; run `boundcheck evaluate --run {directory}` first."
        )
    return Judged(evaluation=stored)


def _evaluation(directory: Path) -> Mapping[str, Any] | None:
    path = directory / "evaluation.json"
    if not path.exists():
        return None
    stored = storage.read_json(path, "the evaluation of the run")
    if not isinstance(stored, dict) or stored.get("schema") != record.SCHEMA:
        raise RunError(
            f"{path} is not an evaluation of schema {record.SCHEMA}; run `boundcheck evaluate --run {directory}` again."
        )
    return stored
