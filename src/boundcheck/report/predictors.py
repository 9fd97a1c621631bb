"""`Predictor`: a linear or kernel predictor of a report, read from its directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..solving.solution import Solution
from .setting import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """`record`: what `run.json` holds. `evaluation`: None where the run is not evaluated."""

    record: Mapping[str, Any]
    solution: Solution
    evaluation: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        return self.setting.name

    @property
    def setting(self) -> Setting:
        return Setting(self.record["spec"])

    @property
    def dataset(self) -> str:
        return self.setting.dataset

    def size(self, split: str) -> int:
        return int(self.record["sizes"][split])

    def error(self, which: str) -> float:
        """Of `train`, `test` or `clean_test`."""
        return self.record["missed"][which] / self.size("train" if which == "train" else "test")

    @property
    def norm(self) -> float:
        """Of the predictor as stored, its outputs centred."""
        return float(self.solution.stored_norm_squared.sqrt().midpoint())

    def bound(self, identifier: str) -> Mapping[str, Any] | None:
        """The stored outcome of a bound; None where it was not evaluated."""
        found = () if self.evaluation is None else self.evaluation["bounds"]
        return next((b for b in found if b["id"] == identifier), None)


def read_predictor(
    directory: Path, record: Mapping[str, Any], evaluation: Mapping[str, Any] | None
) -> Predictor:
    """The predictor that a directory holds. Raises `RunError` for a damaged record."""
    try:
        names = (
            record["spec"]["name"],
            record["spec"]["dataset"],
            record["missed"]["test"],
            record["sizes"]["train"],
        )
    except (KeyError, TypeError) as error:
        raise RunError(
            f"{directory / 'run.json'} is not the record of a predictor ({error}); solve the run again."
        ) from None
    del names
    return Predictor(
        record=record, solution=Solution.load(directory / "solution.safetensors"), evaluation=evaluation
    )
