"""`Report`: what several stored runs say, read from their directories. Nothing is measured or trained here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import record, storage
from ..archive import read_history
from ..errors import RunError
from ..interval import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run with its stored evaluation (the object of `evaluate --json`) and its history."""

    evaluation: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]

    @property
    def name(self) -> str:
        return str(self.evaluation["run"])

    @property
    def labels(self) -> str:
        """The law of the labels, in words."""
        spec = self.evaluation["training"].get("spec", {})
        if spec.get("labels") == "random":
            return "random labels"
        corruption = spec.get("corruption", 0)
        return f"labels corrupted with probability {corruption:g}" if corruption else "true labels"

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
    """Runs side by side. `bounds`: the ids, sorted by the largest value that any run gives, valueless ones last."""

    runs: tuple[Judged, ...]

    @property
    def bounds(self) -> tuple[str, ...]:
        ids = {b["id"] for run in self.runs for b in run.evaluation["bounds"]}
        return tuple(sorted(ids, key=self._rank))

    @property
    def leaders(self) -> tuple[str, ...]:
        """Of each family the certified bound with the smallest value, in the order of `bounds`.

        One that has a value on every run comes before one that has not.
        """
        best: dict[str, tuple[int, int, str]] = {}
        for place, identifier in enumerate(self.bounds):
            tried = [b for _, b in self.outcomes(identifier)]
            if any(b["guarantee"] in record.UNCERTIFIED for b in tried):
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
    """The report of stored runs. Raises `RunError` for one that is not evaluated yet, naming it."""
    runs = []
    for directory in directories:
        path = directory / "evaluation.json"
        if not path.exists():
            raise RunError(
                f"{directory} has no evaluation.json; run `boundcheck evaluate --run {directory}` first."
            )
        stored = storage.read_json(path, "the evaluation of the run")
        if not isinstance(stored, dict) or stored.get("schema") != record.SCHEMA:
            raise RunError(
                f"{path} is not an evaluation of schema {record.SCHEMA}; run `boundcheck evaluate --run {directory}` again."
            )
        runs.append(Judged(evaluation=stored, history=read_history(directory / "history.csv")))
    names = [run.name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise RunError(f"two of the runs are named {name}; give each run once.")
    return Report(runs=tuple(runs))
