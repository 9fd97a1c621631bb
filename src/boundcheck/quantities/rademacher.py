"""The Rademacher complexity of the loss class, from below, by training on random signs.

For signs sigma the target of example i stays y_i where sigma_i = -1 and becomes another label where sigma_i = +1; a
trained network that misses a fraction e of these targets shows that the class correlates with sigma. Over m draws
fixed in advance, with probability at least 1 - delta' over the draws (McDiarmid, differences 1/(nm)),

    Rad_S(G) >= 1/2 - mean_j e_j - sqrt(ln(1/delta') / (2 n m)).

Source: docs/theory/rademacher.md. However badly the trainings go this stays true: it can certify that a bound is
vacuous, never the opposite.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Bool, Int

from .. import storage
from ..data import load_dataset
from ..errors import NetworkError, RunError
from ..experiment import RunSpec
from ..interval import Interval
from ..models import build, split
from ..network import trace
from ..run import Sample
from ..training import DivergedError, Trained, fit
from .margins import BATCH
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study, margins_of

_STREAM = 0x5164
"""Keeps the sign draws apart from every other use of the run's seed."""


def signs_and_targets(
    labels: Int[np.ndarray, " n"], classes: int, seed: int, draw: int
) -> tuple[Bool[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """(sigma_i = +1, targets) of one draw: where sigma_i = +1 the target is uniform among the other labels."""
    generator = np.random.Generator(np.random.Philox(key=[seed, (_STREAM << 32) + draw]))
    plus = generator.integers(0, 2, len(labels)).astype(bool)
    shift = generator.integers(1, classes, len(labels))
    return plus, np.where(plus, (labels + shift) % classes, labels)


def lower_end(missed: list[Fraction], n: int, delta: Fraction) -> Interval:
    """1/2 - mean e_j - sqrt(ln(1/delta)/(2 n m)), at least 0."""
    m = len(missed)
    deviation = ((1 / Interval(delta)).log() / (2 * n * m)).sqrt()
    return (Interval(Fraction(1, 2) - sum(missed, Fraction(0)) / m) - deviation).maximum(0)


@measurement("empirical Rademacher complexity of the 0-1 loss class", at_most=0.5)
def rademacher_complexity(study: Study) -> Quantity:
    """Rad_S(G) in [lower end by training, 1/2]; the lower end fails with probability delta/2 over the draws."""
    n, failure = study.run.sizes["train"], study.delta / 2
    missed = missed_targets(study)
    low = lower_end([Fraction(count, n) for count in missed], n, failure)
    shown = ", ".join(str(count) for count in missed)
    return Quantity(
        value=Interval.hull(low.minimum(Fraction(1, 2)), Fraction(1, 2)),
        evidence=Evidence.SAMPLED,
        method=f"{len(missed)} random sign draws fixed in advance, retrained by the run's recipe; of {n} targets missed: {shown}",
        failure=failure,
    )


def missed_targets(study: Study) -> list[int]:
    """The number of missed targets of every draw, each kept on disk as soon as it is known.

    Raises `UnavailableError` for a run without recipe or without a number of draws fixed in advance.
    """
    spec = study.run.spec
    if spec is None:
        raise UnavailableError("retraining on random signs needs the recipe; a run from arrays records none.")
    if spec.rademacher is None:
        raise UnavailableError(
            "the number of random sign draws must be fixed before the first one; add `rademacher = { draws = 2, epochs = 100 }` "
            "to the run in its experiment file."
        )
    return [_draw(study, spec, j, spec.rademacher.epochs) for j in range(spec.rademacher.draws)]


def _draw(study: Study, spec: RunSpec, draw: int, epochs: int) -> int:
    folder = study.cache(f"rademacher/{draw}")
    # What a retraining depends on: not the run's name, nor what is asserted of it.
    recipe = spec.model_dump_json(include={"model", "recipe", "seed"})
    key = study.key("rademacher", recipe, str(epochs), study.run.digests["train"], str(draw))
    stored = None if folder is None else _stored(folder / "missed.json", key)
    if stored is not None:
        return stored
    task = f"random signs {draw + 1} of {spec.rademacher.draws if spec.rademacher else 0}"
    sample, dataset = study.run.sample("train"), load_dataset(spec.dataset)
    plus, targets = signs_and_targets(sample.labels, study.run.classes, spec.seed, draw)
    try:
        trained = fit(
            model_spec=spec.model,
            recipe=spec.recipe.model_copy(update={"epochs": epochs}),
            images=dataset.train_images,
            labels=targets,
            classes=study.run.classes,
            preparation=spec.prepared,
            seed=spec.seed * 1009 + 1 + draw,
            checkpoint=None if folder is None else folder / "checkpoint",
            on_epoch=lambda record: study.progress(task, record.epoch, epochs),
        )
    except DivergedError:
        # A draw whose training fails stays a draw: nothing was fitted.
        missed = len(sample)
    else:
        missed = _missed(study, spec, sample, trained, plus)
    study.progress(task, epochs, epochs)
    if folder is not None:
        storage.write_json(folder / "missed.json", {"key": key, "missed": missed})
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    return missed


def _missed(
    study: Study, spec: RunSpec, sample: Sample, trained: Trained, plus: Bool[np.ndarray, " n"]
) -> int:
    """How many targets a retrained network is not certain to hit."""
    predict, _ = split(build(spec.model, study.run.example.shape, study.run.classes, jax.random.key(0)))
    try:
        network = trace(predict, trained.params, study.run.example)
    except NetworkError as error:
        network = error
    batches: Iterator[tuple[np.ndarray, np.ndarray]] = sample.batches(BATCH)
    margins = margins_of(network, predict, trained.params, batches)
    # Where sigma = +1 any wrong label is a success. An example that rounding leaves undecided counts as missed.
    return int(np.count_nonzero(np.where(plus, ~(margins.upper < 0), ~(margins.lower > 0))))


def _stored(path: Path, key: str) -> int | None:
    try:
        record = storage.read_json(path, "the outcome of a random sign draw")
        return int(record["missed"]) if record["key"] == key else None
    except (RunError, KeyError, TypeError, ValueError):
        return None
