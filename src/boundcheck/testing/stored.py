"""A verdict is reproducible and keeps: the same bytes twice, the run untouched, nothing lost on disk."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from .. import storage
from ..bound import Bound
from ..evaluation import Evaluation, evaluate
from ..registry import Registry
from ..report.report import evaluated
from ..run import Run, stored_arrays
from ..storage import digest
from ..verdict import Verdict
from .finding import PASSED, Finding, failed
from .networks import stock

DELTA = 0.05


def same_run_same_bytes(bound: Bound) -> Finding:
    """Two evaluations of one run differ in no byte, and neither fails."""
    first, second = (_evaluated(bound, stock()["dense"].run()) for _ in range(2))
    (outcome,) = first.outcomes
    if outcome.verdict is Verdict.FAILED:
        return failed(f"it failed on the stock network `dense`: {'; '.join(outcome.reasons)}")
    if json.dumps(first.to_json()) != json.dumps(second.to_json()):
        return failed(
            "two evaluations of one run differ; a quantity draws at random without a seed of its own."
        )
    return PASSED


def the_run_is_left_alone(bound: Bound) -> Finding:
    """Neither the weights nor the examples nor the record of a run change by its evaluation."""
    run = stock()["dense"].run()
    before = _state(run)
    _evaluated(bound, run)
    changed = [part for part, value in _state(run).items() if before[part] != value]
    return failed(f"its evaluation changed the run's {', '.join(changed)}.") if changed else PASSED


def the_verdict_survives_storage(bound: Bound) -> Finding:
    """What is stored is what is read back, and what is printed."""
    evaluation = _evaluated(bound, stock()["dense"].run())
    with tempfile.TemporaryDirectory() as folder:
        storage.write_json(Path(folder) / "evaluation.json", evaluation.to_json())
        read_back = evaluated(Path(folder)).bound(bound.id)
    (written,) = evaluation.to_json()["bounds"]
    if read_back != written:
        return failed(f"stored {written['verdict']}, read back {read_back and read_back['verdict']}.")
    return PASSED


def _evaluated(bound: Bound, run: Run) -> Evaluation:
    alone = Registry({bound.id: bound}, {bound.id: "under test"})
    return evaluate(run, bounds=[bound], delta=DELTA, registry=alone)


def _state(run: Run) -> dict[str, Any]:
    state: dict[str, Any] = {"record": json.dumps(run.record, sort_keys=True), "name": run.name}
    for what, tree in (("weights", run.params), ("initial weights", run.init_params)):
        state[what] = digest(*(array for _, array in stored_arrays(tree)))
    for split in ("train", "test"):
        sample = run.sample(split)
        state[f"{split} examples"] = digest(sample.inputs(0, len(sample)), sample.labels, sample.clean)
    return state
