"""Runs on disk: a directory each, written file by file in one step, and read with every digest compared.

`run.json` (schema, the experiment's entry, data set and digests, seeds, versions, device), `weights.safetensors`,
`init.safetensors`, `history.csv`.
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
from .data import DATASETS, Dataset, draw_labels, load_dataset, prepare
from .errors import BoundcheckError, RunError
from .experiment import RunSpec
from .models import build, split
from .run import SPLITS, Run, Sample
from .storage import digest
from .training import Trained

SCHEMA = 1


def write_run(
    directory: Path, spec: RunSpec, trained: Trained, dataset: Dataset, experiment: str = ""
) -> Run:
    """Store a training as a run directory and load it. Each file is replaced in one step, `run.json` last."""
    labels = dict(zip(SPLITS, labels_of(spec, dataset), strict=True))
    weights.save(directory / "weights.safetensors", trained.params)
    weights.save(directory / "init.safetensors", trained.initial)
    storage.write(directory / "history.csv", _history_csv(trained.history))
    device = jax.devices()[0]
    storage.write_json(
        directory / "run.json",
        {
            "schema": SCHEMA,
            "experiment": experiment,
            "spec": spec.model_dump(mode="json"),
            "classes": dataset.classes,
            "sizes": {"train": len(dataset.train_labels), "test": len(dataset.test_labels)},
            "epochs": trained.epochs,
            "interpolated": trained.interpolated,
            "data": {"name": dataset.name, "source": dataset.source, "digest": dataset.digest},
            "digests": {
                "weights": file_digest(directory / "weights.safetensors"),
                "init": file_digest(directory / "init.safetensors"),
                **{split: digest(labels[split]) for split in SPLITS},
            },
            "versions": {
                "boundcheck": _version("boundcheck"),
                "python": platform.python_version(),
                "jax": jax.__version__,
                "numpy": np.__version__,
            },
            "device": f"{device.platform} ({device.device_kind})",
        },
    )
    return load(directory)


def labels_of(spec: RunSpec, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The training and test labels of a run, int64: those of the data set, randomized by the run's law."""
    return draw_labels(dataset, law=spec.labels, corruption=spec.corruption, seed=spec.seed)


def load(directory: str | Path) -> Run:
    """The run stored in a directory.

    Raises `RunError` when a file is missing, truncated, altered or of another schema, saying which. The data set is
    loaded, and its digest compared, when something first asks for examples.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise RunError(f"{directory} is not a directory; a run is a directory such as runs/digits_true.")
    record = storage.read_json(directory / "run.json", "the record of the run")
    try:
        if record["schema"] != SCHEMA:
            raise RunError(
                f"{directory / 'run.json'} has schema {record['schema']}; this version reads schema {SCHEMA}. Train the run again."
            )
        spec = RunSpec.model_validate(record["spec"])
        classes = int(record["classes"])
        sizes = {split: int(record["sizes"][split]) for split in SPLITS}
        digests = {key: str(record["digests"][key]) for key in ("weights", "init", *SPLITS)}
        digests["data"] = str(record["data"]["digest"])
    except RunError:
        raise
    except (KeyError, TypeError, ValueError, BoundcheckError) as error:
        detail = str(error).splitlines()[0]
        raise RunError(
            f"{directory / 'run.json'} is not the record of a run ({type(error).__name__}: {detail}); train the run again."
        ) from None
    for key in ("weights", "init"):
        path = directory / f"{key}.safetensors"
        found = file_digest(path)
        if found != digests[key]:
            raise RunError(
                f"{path} has digest {found[:12]}..., and run.json records {digests[key][:12]}...: the file was altered or "
                "truncated. Restore it or train the run again."
            )
    dataset: dict[str, Dataset] = {}

    def data() -> Dataset:
        if "it" not in dataset:
            loaded = load_dataset(spec.dataset)
            if loaded.digest != digests["data"]:
                raise RunError(
                    f"the data set {spec.dataset} at hand has digest {loaded.digest[:12]}..., and {directory / 'run.json'} records "
                    f"{digests['data'][:12]}...: the run was trained on other files. Supply those, or train again."
                )
            dataset["it"] = loaded
        return dataset["it"]

    def sample(split: str) -> Sample:
        source = data()
        images, clean = (
            (source.train_images, source.train_labels)
            if split == "train"
            else (source.test_images, source.test_labels)
        )
        labels: dict[str, np.ndarray] = dict(zip(SPLITS, labels_of(spec, source), strict=True))
        if digest(labels[split]) != digests[split]:
            raise RunError(
                f"the {split} labels drawn for {directory} differ from those recorded; the run was made by another "
                "version. Train it again."
            )
        return Sample(
            labels=labels[split],
            clean=clean,
            inputs=lambda start, stop: np.asarray(prepare(spec.prepared, images[start:stop], np)),
        )

    shape = input_shape(spec)
    skeleton = build(spec.model, shape, classes, jax.random.key(0))
    predict, like = split(skeleton)
    return Run(
        name=spec.name,
        classes=classes,
        sizes=sizes,
        predict=predict,
        params=weights.load(directory / "weights.safetensors", like),
        init_params=weights.load(directory / "init.safetensors", like),
        samples=sample,
        example=np.zeros(shape, np.float32),
        assume=spec.assume,
        digests=digests,
        record=record,
        spec=spec,
        directory=directory,
        history=read_history(directory / "history.csv"),
    )


def input_shape(spec: RunSpec) -> tuple[int, ...]:
    """The shape of one prepared input."""
    images = np.zeros((1, *DATASETS[spec.dataset].shape), np.uint8)
    return tuple(prepare(spec.prepared, images, np).shape[1:])


def file_digest(path: Path) -> str:
    """sha256 of a file, hex. Raises `RunError` when it is missing."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise RunError(f"{path} is missing; restore it or train the run again.") from None


def _version(package: str) -> str:
    return metadata.version(package)


def _history_csv(history: Sequence[Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("epoch", "loss", "running_error", "train_error"))
    for row in history:
        writer.writerow((row.epoch, row.loss, row.running_error, row.train_error))
    return text.getvalue()


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of `history.csv`. Raises `RunError` when it is missing or is not one."""
    try:
        with path.open(newline="") as file:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise RunError(f"{path} is missing; restore it or train the run again.") from None
    except (ValueError, TypeError, AttributeError):
        raise RunError(
            f"{path} is not the history of a run (columns of numbers); train the run again."
        ) from None
