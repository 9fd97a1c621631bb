"""Runs on disk: a directory each, written file by file in one step, and read with every digest compared.

`run.json` (schema, the experiment's entry, data set and digests, seeds, versions, device), `weights.safetensors`,
`init.safetensors`, `history.csv` (a row an epoch), `steps.safetensors` (loss and error of each step's batch).

A training that diverged leaves `run.json`, with the reason, and `history.csv`: there is no network to judge.
"""

from __future__ import annotations

import csv
import hashlib
import io
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from . import storage, weights
from .data import DATASETS, PREPARATIONS, Dataset, Part, load_dataset, prepare
from .errors import BoundcheckError, RunError
from .models import build, count, split
from .predictors import predictor_run
from .run import SPLITS, Run, Sample
from .solved import Outcome
from .solving.solution import Solution
from .spec import RunSpec, SolvedSpec, Spec, kind_of
from .storage import digest
from .training import DivergedError, EpochRecord, Trained

SCHEMA = 1


def write_run(
    directory: Path,
    spec: RunSpec,
    outcome: Trained | DivergedError,
    dataset: Dataset,
    parts: tuple[Part, Part],
    experiment: str = "",
    devices: int = 1,
) -> None:
    """Store a training as a run directory. Each file is replaced in one step, `run.json` last.

    `parts`: the training and test examples it was given. `devices`: over how many a batch was shared out.
    """
    record = {**_record(spec, dataset, parts, experiment, devices), "epochs": len(outcome.history)}
    storage.write(directory / "history.csv", _history_csv(outcome.history))
    if isinstance(outcome, DivergedError):
        storage.write_json(directory / "run.json", {**record, "diverged": outcome.reason})
        return
    weights.save(directory / "weights.safetensors", outcome.params)
    weights.save(directory / "init.safetensors", outcome.initial)
    steps = {"loss": outcome.step_loss, "error": outcome.step_error}
    storage.write(directory / "steps.safetensors", weights.encode(steps))
    storage.write_json(
        directory / "run.json",
        {
            **record,
            "interpolated": outcome.interpolated,
            "parameters": count(outcome.params),
            **({} if outcome.missed is None else {"missed": outcome.missed._asdict()}),
            "digests": {
                "weights": file_digest(directory / "weights.safetensors"),
                "init": file_digest(directory / "init.safetensors"),
                **{split: _drawn_digest(spec, part) for split, part in zip(SPLITS, parts, strict=True)},
            },
        },
    )


def parts_of(spec: Spec, dataset: Dataset) -> tuple[Part, Part]:
    """The training and test examples of a run: those of the data set, changed by the run's law."""
    return spec.law.draw(dataset, spec.prepared)


def _drawn_digest(spec: Spec, part: Part) -> str:
    """Of what was drawn: the labels, and the images where they are not simply those of the data set."""
    arrays = (part.labels,) if spec.pixels == "true" else (part.labels, part.images)
    return digest(*arrays)


def write_solved(
    directory: Path,
    spec: SolvedSpec,
    outcome: Outcome,
    dataset: Dataset,
    parts: tuple[Part, Part],
    experiment: str = "",
) -> None:
    """Store a linear or kernel predictor as a run directory; `run.json` last."""
    weights.save(directory / "weights.safetensors", outcome.params)
    outcome.solution.save(directory / "solution.safetensors")
    solution = outcome.solution
    storage.write_json(
        directory / "run.json",
        {
            **_record(spec, dataset, parts, experiment),
            "parameters": sum(array.size for array in weights.flatten(outcome.params).values()),
            "missed": outcome.missed,
            "solved": {
                "method": solution.method,
                "diagonal": float(solution.shift.hi),
                "relative_residual": float(solution.residual.hi),
                "norm": float(solution.stored_norm_squared.sqrt().midpoint()),
            },
            "digests": {
                "weights": file_digest(directory / "weights.safetensors"),
                "solution": file_digest(directory / "solution.safetensors"),
                **{split: _drawn_digest(spec, part) for split, part in zip(SPLITS, parts, strict=True)},
            },
        },
    )


def _record(
    spec: Spec, dataset: Dataset, parts: tuple[Part, Part], experiment: str, devices: int = 1
) -> dict[str, Any]:
    """What is recorded of every run."""
    device = jax.devices()[0]
    return {
        "schema": SCHEMA,
        "experiment": experiment,
        "spec": spec.model_dump(mode="json"),
        "classes": dataset.classes,
        "sizes": {split: len(part) for split, part in zip(SPLITS, parts, strict=True)},
        "data": {"name": dataset.name, "source": dataset.source, "digest": dataset.digest},
        "versions": {
            "boundcheck": _version("boundcheck"),
            "python": platform.python_version(),
            "jax": jax.__version__,
            "numpy": np.__version__,
        },
        "device": f"{device.platform} ({device.device_kind})" + (f" x {devices}" if devices > 1 else ""),
    }


def load(directory: str | Path) -> Run:
    """The run stored in a directory.

    Raises `RunError` when a file is missing, truncated, altered or of another schema, saying which. The data set is
    loaded, and its digest compared, when something first asks for examples.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise RunError(f"{directory} is not a directory; a run is a directory such as runs/digits_true.")
    record, spec = read_record(directory)
    if "diverged" in record:
        raise RunError(
            f"{directory} holds a training that diverged after {record['epochs']} epochs: {record['diverged']}. There is no "
            "network to judge; lower `learning_rate` in its recipe, remove the directory and train again."
        )
    try:
        classes = int(record["classes"])
        sizes = {split: int(record["sizes"][split]) for split in SPLITS}
        stored = ("weights", "init") if isinstance(spec, RunSpec) else ("weights", "solution")
        digests = {key: str(record["digests"][key]) for key in (*stored, *SPLITS)}
        digests["data"] = str(record["data"]["digest"])
    except (KeyError, TypeError, ValueError) as error:
        raise _no_record(directory, error) from None
    for key in stored:
        path = directory / f"{key}.safetensors"
        found = file_digest(path)
        if found != digests[key]:
            raise RunError(
                f"{path} has digest {found[:12]}..., and run.json records {digests[key][:12]}...: the file was altered or "
                "truncated. Restore it or train the run again."
            )
    drawn: dict[str, Part] = {}

    def part(split: str) -> Part:
        if not drawn:
            loaded = load_dataset(spec.dataset)
            if loaded.digest != digests["data"]:
                raise RunError(
                    f"the data set {spec.dataset} at hand has digest {loaded.digest[:12]}..., and {directory / 'run.json'} records "
                    f"{digests['data'][:12]}...: the run was trained on other files. Supply those, or train again."
                )
            drawn.update(zip(SPLITS, parts_of(spec, loaded), strict=True))
        return drawn[split]

    def sample(split: str) -> Sample:
        found = part(split)
        if _drawn_digest(spec, found) != digests[split]:
            raise RunError(
                f"the {split} labels drawn for {directory} differ from those recorded; the run was made by another "
                "version. Train it again."
            )
        return Sample(
            labels=found.labels,
            clean=found.clean,
            images=found.images,
            inputs=lambda start, stop: np.asarray(prepare(spec.prepared, found.images[start:stop], np)),
        )

    shape = input_shape(spec)
    made = {
        "name": spec.name,
        "classes": classes,
        "sizes": sizes,
        "samples": sample,
        "example": np.zeros(shape, np.float32),
        "assume": spec.assume,
        "digests": digests,
        "record": record,
        "spec": spec,
        "directory": directory,
    }
    if isinstance(spec, SolvedSpec):
        path = directory / "weights.safetensors"
        return predictor_run(
            spec,
            read=lambda like: weights.load(path, like),
            solution=Solution.load(directory / "solution.safetensors"),
            size=sizes["train"],
            inputs=lambda: sample("train").inputs(0, sizes["train"]),
            made=made,
        )
    skeleton = build(spec.model, shape, classes, jax.random.key(0))
    predict, like = split(skeleton)
    return Run(
        **made,
        predict=predict,
        params=weights.load(directory / "weights.safetensors", like),
        init_params=weights.load(directory / "init.safetensors", like),
        history=read_history(directory / "history.csv"),
    )


def read_record(directory: Path) -> tuple[dict[str, Any], Spec]:
    """What `run.json` says, and the experiment's entry in it.

    Raises `RunError` when it is missing, of another schema or not the record of a run.
    """
    record = storage.read_json(directory / "run.json", "the record of the run")
    try:
        if record["schema"] != SCHEMA:
            raise RunError(
                f"{directory / 'run.json'} has schema {record['schema']}; this version reads schema {SCHEMA}. Train the run again."
            )
        return record, kind_of(record["spec"]).model_validate(record["spec"])
    except RunError:
        raise
    except (KeyError, TypeError, ValueError, BoundcheckError) as error:
        raise _no_record(directory, error) from None


def _no_record(directory: Path, error: Exception) -> RunError:
    detail = str(error).splitlines()[0]
    return RunError(
        f"{directory / 'run.json'} is not the record of a run ({type(error).__name__}: {detail}); train the run again."
    )


def input_shape(spec: Spec) -> tuple[int, ...]:
    """The shape of one prepared input."""
    images = np.zeros((1, *DATASETS[spec.dataset].shape), np.uint8)
    if spec.pixels != "true":
        images = PREPARATIONS[spec.prepared].read(images)
    return tuple(prepare(spec.prepared, images, np).shape[1:])


def file_digest(path: Path) -> str:
    """sha256 of a file, hex. Raises `RunError` when it is missing."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise RunError(f"{path} is missing; restore it or train the run again.") from None


def _version(package: str) -> str:
    return metadata.version(package)


def _history_csv(history: Sequence[EpochRecord]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(EpochRecord._fields)
    for row in history:
        writer.writerow("" if value is None else value for value in row)
    return text.getvalue()


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of `history.csv`, without the empty cells. Raises `RunError` when it is missing or is not one."""
    try:
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            return [{key: float(value) for key, value in row.items() if value != ""} for row in rows]
    except FileNotFoundError:
        raise RunError(f"{path} is missing; restore it or train the run again.") from None
    except (ValueError, TypeError, AttributeError):
        raise RunError(
            f"{path} is not the history of a run (columns of numbers); train the run again."
        ) from None
