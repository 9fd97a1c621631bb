"""Training again on other targets, by the run's own recipe: what lower ends of capacity by experiment rest on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Bool, Int

from .. import storage
from ..errors import NetworkError, RunError
from ..experiment import RunSpec
from ..models import build, split
from ..network import trace
from ..run import Sample
from ..training import DivergedError, Trained, fit
from .margins import BATCH
from .quantity import UnavailableError
from .study import Study, margins_of

Aim = Callable[[Int[np.ndarray, " n"]], tuple[Bool[np.ndarray, " n"], Int[np.ndarray, " n"]]]
"""(where any label but the run's own is a success, and elsewhere only the run's own; the labels to train on)."""


def recipe_of(study: Study) -> RunSpec:
    """The run's entry with its budget for retraining. Raises `UnavailableError` when there is none."""
    spec = study.run.spec
    if spec is None:
        raise UnavailableError("retraining needs the recipe; a run from arrays records none.")
    if spec.rademacher is None:
        raise UnavailableError(
            "how often and how long to retrain must be fixed before the first time; add "
            "`rademacher = { draws = 2, epochs = 100 }` to the run in its experiment file."
        )
    return spec


def missed(
    study: Study,
    name: str,
    task: str,
    *,
    aim: Aim,
    seed: int,
) -> int:
    """How many targets a network of this architecture misses after training on them, kept on disk once known.

    **Arguments.** `name`: the folder for the outcome. `task`: what is shown meanwhile. `aim`: makes the targets of the labels
    of the run; asked only where the outcome is not known yet. `seed`: of the training.

    An example that rounding leaves undecided counts as missed, and so does everything where the training diverged.
    """
    spec = recipe_of(study)
    assert spec.rademacher is not None
    epochs, folder = spec.rademacher.epochs, study.cache(name)
    # What a retraining depends on: not the run's name, nor what is asserted of it.
    recipe = spec.model_dump_json(include={"model", "recipe", "seed"})
    kind, _, index = name.partition("/")
    key = study.key(kind, recipe, str(epochs), study.run.digests["train"], index)
    stored = None if folder is None else _stored(folder / "missed.json", key)
    if stored is not None:
        return stored
    sample = study.run.sample("train")
    assert sample.images is not None
    wrong, targets = aim(sample.labels)
    try:
        trained = fit(
            architecture=spec.model,
            recipe=spec.recipe.model_copy(update={"epochs": epochs}),
            images=sample.images,
            labels=targets,
            classes=study.run.classes,
            preparation=spec.prepared,
            seed=seed,
            checkpoint=None if folder is None else folder / "checkpoint",
            on_epoch=lambda record: study.progress(task, record.epoch, epochs),
        )
    except DivergedError:
        count = len(sample)
    else:
        count = _missed(study, spec, sample, trained, wrong)
    study.progress(task, epochs, epochs)
    if folder is not None:
        storage.write_json(folder / "missed.json", {"key": key, "missed": count})
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return count


def _missed(
    study: Study, spec: RunSpec, sample: Sample, trained: Trained, wrong: Bool[np.ndarray, " n"]
) -> int:
    predict, _ = split(build(spec.model, study.run.example.shape, study.run.classes, jax.random.key(0)))
    try:
        network = trace(predict, trained.params, study.run.example)
    except NetworkError as error:
        network = error
    batches: Iterator[tuple[np.ndarray, np.ndarray]] = sample.batches(BATCH)
    margins = margins_of(network, predict, trained.params, batches)
    return int(np.count_nonzero(np.where(wrong, ~(margins.upper < 0), ~(margins.lower > 0))))


def _stored(path: Path, key: str) -> int | None:
    try:
        record = storage.read_json(path, "the outcome of a retraining")
        return int(record["missed"]) if record["key"] == key else None
    except (RunError, KeyError, TypeError, ValueError):
        return None
