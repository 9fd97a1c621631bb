"""Which works an evaluation rests on: read from what is stored, so that it holds whatever is installed today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import RunError, UnknownNameError
from .registry import Registry
from .report.report import evaluated
from .theorem import Citation, Reference


def used_in(directories: Sequence[Path], registry: Registry) -> dict[str, Citation]:
    """The citation of every bound and measure that has a value in some of the stored evaluations, by id.

    Raises `RunError` for a run that is not evaluated yet, and for an evaluation that names a work without describing it.
    """
    used: dict[str, Citation] = {}
    for directory in directories:
        stored = evaluated(directory).evaluation
        for row in (*stored["bounds"], *stored.get("measures", ())):
            if row["value"] is not None and row["citation"] is not None:
                used[row["id"]] = _citation(row, directory, registry)
    return used


def installed_ones(registry: Registry) -> dict[str, Citation]:
    """The citation of every bound and measure that is installed, by id."""
    return {entry.id: entry.citation for entry in registry.entries}


def _citation(row: Mapping[str, Any], directory: Path, registry: Registry) -> Citation:
    stored = row["citation"]
    if "work" not in stored:
        # Stored before works were: what is installed under the id has the same source.
        try:
            return registry.find(row["id"]).citation
        except UnknownNameError:
            raise RunError(
                f"{directory}/evaluation.json does not describe the work behind {row['id']}, which is not installed; run "
                f"`boundcheck evaluate --run {directory}` again, with its plugin."
            ) from None
    return Citation(
        Reference(**stored["work"]),
        theorem=stored["theorem"],
        derivation=stored["derivation"],
        changes=stored["changes"],
        verified=stored["verified"],
    )
