"""`Predictor`: a linear or kernel predictor of a report, read from its directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..solving.solution import Solution
from .recorded import SPLITS, Recorded


@dataclass(frozen=True, kw_only=True)
class Predictor(Recorded):
    """With what is known of the exact solution."""

    solution: Solution

    @property
    def dataset(self) -> str:
        return self.setting.dataset

    def error(self, which: str) -> float:
        """Of `train`, `test` or `clean_test`."""
        return self.record["missed"][which] / self.size(SPLITS[which])

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
    found = Predictor(
        record=record, solution=Solution.load(directory / "solution.safetensors"), evaluation=evaluation
    )
    try:
        found.name, found.dataset, found.classes, found.error("train"), found.error("test")
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{directory / 'run.json'} is not the record of a predictor ({type(error).__name__}: {error}); solve the run again."
        ) from None
    return found
