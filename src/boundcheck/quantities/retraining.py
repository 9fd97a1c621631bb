"""Training again on other targets, by the run's own recipe: what lower ends of capacity by experiment rest on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Int

from .. import storage
from ..errors import NetworkError, RunError
from ..models import build, split
from ..network import trace
from ..spec import RunSpec
from ..training import Ball, DivergedError, EpochRecord, Member, Recipe, Trained, fit_all, suitable
from .margins import BATCH, Margins
from .quantity import UnavailableError
from .study import Study, margins_of

Aim = Callable[[Int[np.ndarray, " n"]], tuple[Bool[np.ndarray, " n"], Int[np.ndarray, " n"]]]
"""(where any label but the run's own is a success, and elsewhere only the run's own; the labels to train on)."""

Outcome = dict[str, int | float]
"""What is kept of a retraining, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One retraining.

    `name`: the folder for its outcome. `task`: what is shown meanwhile. `aim`: makes the targets of the labels of the run;
    asked only where the outcome is not known yet. `seed`: of the training. `ball`: the norms within which it stays.
    """

    name: str
    task: str
    aim: Aim
    seed: int
    ball: Ball | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrained:
    """A network that was trained again: where any label but the run's own is a success, bool [n], its weights, and its
    margins with respect to the run's own labels."""

    attempt: Attempt
    wrong: Bool[np.ndarray, " n"]
    params: Any
    margins: Margins


def described(study: Study) -> RunSpec:
    """The run's entry. Raises `UnavailableError` when there is none."""
    if study.run.spec is None:
        raise UnavailableError("retraining needs the recipe; a run from arrays records none.")
    if not isinstance(study.run.spec, RunSpec):
        raise UnavailableError("retraining is for trained networks; this predictor was solved for.")
    return study.run.spec


def recipe_of(study: Study) -> RunSpec:
    """The run's entry with its budget for retraining. Raises `UnavailableError` when there is none."""
    spec = described(study)
    if spec.rademacher is None:
        raise UnavailableError(
            "how often and how long to retrain must be fixed before the first time; add "
            "`rademacher = { draws = 2, epochs = 100 }` to the run in its experiment file."
        )
    return spec


def missed(study: Study, attempts: Sequence[Attempt]) -> list[int]:
    """How many targets networks of this architecture miss after training on them, one number an attempt.

    An example that rounding leaves undecided counts as missed, and so does everything where the training diverged.
    """
    spec, n = recipe_of(study), study.run.sizes["train"]
    assert spec.rademacher is not None

    def judge(found: Retrained) -> Outcome:
        certain = np.where(found.wrong, found.margins.upper < 0, found.margins.lower > 0)
        return {"missed": int(np.count_nonzero(~certain))}

    recipe = spec.recipe.model_copy(update={"epochs": spec.rademacher.epochs})
    outcomes = retrain(study, attempts, recipe=recipe, judge=judge, nothing={"missed": n})
    return [int(outcome["missed"]) for outcome in outcomes]


def retrain(
    study: Study,
    attempts: Sequence[Attempt],
    *,
    recipe: Recipe,
    judge: Callable[[Retrained], Outcome],
    nothing: Outcome,
) -> list[Outcome]:
    """The outcome of every attempt, each kept on disk as soon as it is known; those that are not known train together.

    **Arguments.** `recipe`: how each is trained, and for how long. `judge`: what is kept of a trained network. `nothing`: what is kept, under
    the same names, of a training that diverged. Interrupted trainings go on from their checkpoints.
    """
    spec = described(study)
    # What a retraining depends on: not the run's name, nor what is asserted of it.
    entry = f'{{"model":{spec.model.model_dump_json()},"recipe":{spec.recipe.model_dump_json()},"seed":{spec.seed}}}'
    keys = [_key(study, entry, recipe, attempt) for attempt in attempts]
    folders = [study.cache(attempt.name) for attempt in attempts]
    known = [_stored(folder, key, nothing) for folder, key in zip(folders, keys, strict=True)]
    missing = [place for place, outcome in enumerate(known) if outcome is None]
    if missing:
        sample = study.run.sample("train")
        assert sample.images is not None
        aims = [attempts[place].aim(sample.labels) for place in missing]
        trainings = fit_all(
            [
                _member(study, attempts[place], targets, folders[place], recipe.epochs)
                for place, (_, targets) in zip(missing, aims, strict=True)
            ],
            architecture=spec.model,
            recipe=recipe,
            images=sample.images,
            classes=study.run.classes,
            preparation=spec.prepared,
            together=suitable(spec.model),
        )
        for which, trained in trainings:
            place = missing[which]
            outcome, folder = nothing, folders[place]
            if not isinstance(trained, DivergedError):
                margins = _margins(study, spec, trained)
                outcome = judge(
                    Retrained(
                        attempt=attempts[place], wrong=aims[which][0], params=trained.params, margins=margins
                    )
                )
            study.progress(attempts[place].task, recipe.epochs, recipe.epochs)
            known[place] = outcome
            if folder is not None:
                storage.write_json(folder / "missed.json", {"key": keys[place], **outcome})
                shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return [outcome for outcome in known if outcome is not None]


def _key(study: Study, entry: str, recipe: Recipe, attempt: Attempt) -> str:
    kind, _, index = attempt.name.partition("/")
    # Outside balls the recipe is the run's, but for the epochs.
    ball = () if attempt.ball is None else (str(attempt.ball.identity()), recipe.model_dump_json())
    return study.key(kind, entry, str(recipe.epochs), study.run.digests["train"], index, *ball)


def _member(
    study: Study, attempt: Attempt, targets: Int[np.ndarray, " n"], folder: Path | None, epochs: int
) -> Member:
    def told(record: EpochRecord) -> None:
        study.progress(attempt.task, record.epoch, epochs)

    return Member(
        labels=targets,
        seed=attempt.seed,
        checkpoint=None if folder is None else folder / "checkpoint",
        on_epoch=told,
        ball=attempt.ball,
    )


def _margins(study: Study, spec: RunSpec, trained: Trained) -> Margins:
    """Of a network of the run's architecture with other weights, with respect to the run's labels."""
    predict, _ = split(build(spec.model, study.run.example.shape, study.run.classes, jax.random.key(0)))
    try:
        network = trace(predict, trained.params, study.run.example)
    except NetworkError as error:
        network = error
    return margins_of(network, predict, trained.params, study.run.sample("train").batches(BATCH))


def _stored(folder: Path | None, key: str, like: Outcome) -> Outcome | None:
    """What was kept under this key, with the names and types of `like`; None where there is no such thing."""
    if folder is None or not (folder / "missed.json").exists():
        return None
    try:
        record = storage.read_json(folder / "missed.json", "the outcome of a retraining")
        return {name: type(v)(record[name]) for name, v in like.items()} if record["key"] == key else None
    except (RunError, KeyError, TypeError, ValueError):
        return None
