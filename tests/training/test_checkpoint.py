import runpy
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from boundcheck import weights
from boundcheck.errors import RunError
from boundcheck.models import MLPSpec
from boundcheck.training import Recipe, Trained, fit, loop
from boundcheck.training.checkpoint import Checkpoint

RECIPE = Recipe(learning_rate=0.05, momentum=0.9, batch=16, epochs=6)
IMAGES = np.random.default_rng(0).integers(0, 256, (100, 4, 4, 1), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, 100)


def train(folder: Path | None = None, recipe: Recipe = RECIPE, **arguments: Any) -> Trained:
    return fit(
        **{
            "architecture": MLPSpec(name="mlp", hidden=(8,)),
            "recipe": recipe,
            "images": IMAGES,
            "labels": LABELS,
            "classes": 3,
            "preparation": "unit",
            "seed": 0,
            "checkpoint": folder,
        }
        | arguments
    )


def epochs(n: int) -> Recipe:
    return RECIPE.model_copy(update={"epochs": n})


def same(a: Trained, b: Trained) -> bool:
    trees = zip(jax.tree.leaves((a.params, a.initial)), jax.tree.leaves((b.params, b.initial)), strict=True)
    return a.history == b.history and all(x.tobytes() == y.tobytes() for x, y in trees)


@pytest.mark.parametrize(
    "recipe", [RECIPE, Recipe(optimizer="adam", learning_rate=0.01, decay=0.9, batch=16, epochs=6)]
)
def test_a_larger_budget_goes_on_where_the_smaller_ended(tmp_path: Path, recipe: Recipe):
    train(tmp_path, recipe.model_copy(update={"epochs": 2}))
    assert same(train(tmp_path, recipe), train(None, recipe))


def test_a_finished_training_is_not_trained_again(tmp_path: Path):
    finished = train(tmp_path)
    seen = []
    assert same(train(tmp_path, on_epoch=seen.append), finished)
    assert tuple(seen) == finished.history


CHILD = """
import sys
from pathlib import Path
import numpy as np
from boundcheck import weights
from boundcheck.models import MLPSpec
from boundcheck.training import Recipe, fit, loop

loop.CHECKPOINT_SECONDS = 0.0
IMAGES = np.random.default_rng(0).integers(0, 256, (2000, 8, 8, 1), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 10, 2000)
folder = Path(sys.argv[1])
trained = fit(
    architecture=MLPSpec(name="mlp", hidden=(64, 64)),
    recipe=Recipe(learning_rate=0.05, momentum=0.9, decay=0.99, batch=16, epochs=int(sys.argv[2])),
    images=IMAGES, labels=LABELS, classes=10, preparation="unit", seed=0, checkpoint=folder / "checkpoint",
    on_epoch=lambda record: print(record.epoch, flush=True),
)
weights.save(folder / "weights.safetensors", trained.params)
"""


def test_resume_after_kill_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    script = tmp_path / "child.py"
    script.write_text(textwrap.dedent(CHILD))

    def start(folder: str) -> subprocess.Popen[str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        command = [sys.executable, str(script), str(tmp_path / folder), "15"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with start("killed") as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 4:
                child.kill()  # SIGKILL, wherever it is: in the middle of an epoch or of writing a checkpoint
                break
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    with start("killed") as resumed:
        assert resumed.stdout is not None
        lines = [int(line) for line in resumed.stdout]
    assert resumed.returncode == 0
    assert lines == list(range(1, 16))
    (tmp_path / "whole").mkdir()
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", loop.CHECKPOINT_SECONDS)  # put back after the script
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "whole"), "15"])
    runpy.run_path(str(script))
    files = [(tmp_path / folder / "weights.safetensors").read_bytes() for folder in ("killed", "whole")]
    assert files[0] == files[1]


def test_checkpoints_are_throttled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written = []
    monkeypatch.setattr(Checkpoint, "write", lambda *arguments: written.append(arguments))
    train(tmp_path)
    assert len(written) == 1
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    train(tmp_path)
    assert len(written) == 1 + RECIPE.epochs


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"labels": (LABELS + 1) % 3}, "labels"),
        ({"images": 255 - IMAGES}, "images"),
        ({"seed": 1}, "seed"),
        ({"recipe": RECIPE.model_copy(update={"learning_rate": 0.02})}, "recipe"),
        ({"architecture": MLPSpec(name="mlp", hidden=(9,))}, "model"),
        ({"preparation": "unit16"}, "preparation"),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path, arguments: dict[str, Any], what: str):
    train(tmp_path, epochs(1))
    with pytest.raises(
        RunError, match=rf"checkpoint of another training: its {what} is .* Remove .* to start anew"
    ):
        train(tmp_path, **arguments)


def test_a_checkpoint_beyond_the_budget_is_refused(tmp_path: Path):
    train(tmp_path, epochs(3))
    with pytest.raises(RunError, match=r"holds 3 epochs; at most the budget of 2 is needed"):
        train(tmp_path, epochs(2))


@pytest.mark.parametrize("keep", [0, 10, 2000])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, keep: int):
    train(tmp_path, epochs(1))
    file = tmp_path / "state.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(
        RunError, match=r"is damaged; a whole checkpoint is needed to resume. Remove .* to start anew"
    ):
        train(tmp_path)


def test_foreign_weights_are_no_checkpoint(tmp_path: Path):
    weights.save(tmp_path / "state.safetensors", {"w": np.zeros(3, np.float32)})
    with pytest.raises(RunError, match="is damaged"):
        train(tmp_path)
