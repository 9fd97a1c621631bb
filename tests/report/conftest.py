"""Run directories as they are stored, with numbers that a test chooses and nothing trained."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

RECIPE = {
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "decay": 0.95,
    "batch": 100,
    "epochs": 40,
}
NEW = {"weight_decay": 0.0, "dropout": 0.0, "random_crops": False, "precision": "float32"}
MLP = {"name": "mlp", "hidden": [512, 512, 512], "bias": True}


def write_run(
    folder,
    name,
    *,
    fitted=None,
    epochs=None,
    missed=None,
    test_errors=None,
    sizes=(1000, 500),
    steps=True,
    diverged="",
    old=False,
    recipe=None,
    **spec,
):
    """A run directory that ends after `epochs`, or in the epoch `fitted` with training error 0.

    `missed`: of the training, test and clean test examples. `test_errors`: monitored, a number an epoch. `old`: without
    anything that older versions did not store. `spec`, `recipe`: laid over the defaults.
    """
    directory = folder / name
    directory.mkdir(parents=True)
    epochs = epochs or fitted or 40
    base = {
        "dataset": "cifar10",
        "preparation": "zhang2017",
        "labels": "true",
        "corruption": 0.0,
        "model": MLP,
    }
    if not old:
        monitor = 0 if test_errors is None else 200
        base |= {"pixels": "true", "examples": sizes[0], "test_examples": sizes[1], "monitor": monitor}
    record = {
        "schema": 1,
        "experiment": "tests.toml",
        "spec": {
            "name": name,
            **base,
            "recipe": RECIPE | ({} if old else NEW) | (recipe or {}),
            "seed": 0,
            **spec,
        },
        "classes": 10,
        "sizes": dict(zip(("train", "test"), sizes, strict=True)),
        "epochs": epochs,
        "data": {"name": "cifar10", "source": "nowhere", "digest": "d" * 64},
        "versions": {"boundcheck": "0"},
        "device": "cpu",
    }
    if diverged:
        record["diverged"] = diverged
    else:
        record |= {"interpolated": fitted is not None, "digests": {"weights": "w" * 64}}
        if not old:
            record["parameters"] = 1_735_178
            if missed is not None:
                record["missed"] = dict(zip(("train", "test", "clean_test"), missed, strict=True))
    (directory / "run.json").write_text(json.dumps(record))
    header = "epoch,loss,running_error,train_error" + ("" if old else ",test_error")
    end = fitted or 2 * epochs
    lines = [header]
    for epoch in range(1, epochs + 1):
        error = 0.0 if fitted and epoch == fitted else round(0.9 * (1 - epoch / end) ** 2 + 0.001, 6)
        cells = [epoch, 2.3 * np.exp(-5 * epoch / end), error, error]
        if not old:
            cells.append("" if test_errors is None else test_errors[epoch - 1])
        lines.append(",".join(map(str, cells)))
    (directory / "history.csv").write_text("\n".join(lines) + "\n")
    if steps and not old and not diverged:
        per_epoch = -(-sizes[0] // record["spec"]["recipe"]["batch"])
        t = np.arange(epochs * per_epoch) / (end * per_epoch)
        noise = 1 + 0.1 * np.sin(17.3 * np.arange(len(t)))
        loss = (2.3 * np.exp(-5 * t) * noise).astype(np.float32)
        save_file({"loss": loss, "error": np.zeros_like(loss)}, directory / "steps.safetensors")
    return directory


@pytest.fixture
def store(tmp_path):
    """Writes a run directory below `tmp_path / "runs"` and returns it."""

    def write(name, **given):
        return write_run(tmp_path / "runs", name, **given)

    return write
