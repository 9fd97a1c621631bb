"""`Recorded`: what the record of every run says, trained or solved for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .setting import Setting

SPLITS: Final[Mapping[str, str]] = {"train": "train", "test": "test", "clean_test": "test"}
"""Which examples a count of misclassified ones is out of."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """`record`: the object in `run.json`. `evaluation`: the object in `evaluation.json`, None where the run is not evaluated."""

    record: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.setting.name

    @property
    def setting(self) -> Setting:
        return Setting(self.record["spec"])

    @property
    def classes(self) -> int:
        return int(self.record["classes"])

    @property
    def guessing(self) -> float:
        """The error of a guess, 1 - 1/k."""
        return 1 - 1 / self.classes

    def size(self, split: str) -> int:
        """The number of `train` or `test` examples."""
        return int(self.record["sizes"][split])
