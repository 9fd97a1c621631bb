"""Runs on disk and from arrays: what is stored, and one clear line for everything that is wrong."""

import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck import Run, load
from boundcheck.errors import RunError
from boundcheck.spec import RunSpec
from boundcheck.workflow import train


def silent(task, done, total):
    pass


SPEC = RunSpec.model_validate(
    {
        "name": "tiny",
        "dataset": "digits",
        "labels": "random",
        "model": {"name": "mlp", "hidden": [16], "bias": True},
        "recipe": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "epochs": 2},
        "seed": 3,
        "assume": ["iid"],
    }
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    train([SPEC], folder, silent)
    return folder / "tiny"


@pytest.fixture
def directory(stored, tmp_path):
    return shutil.copytree(stored, tmp_path / "tiny")


def test_a_run_comes_back_as_it_was_written(stored):
    run = load(stored)
    assert run.spec == SPEC
    assert run.sizes == {"train": 1437, "test": 360}
    assert run.parameters == 64 * 16 + 16 + 16 * 10 + 10
    assert run.parameter_bits == 32 * run.parameters
    assert not run.interpolated
    assert len(run.history) == 2
    assert sorted(p.name for p in stored.iterdir()) == [
        "history.csv",
        "init.safetensors",
        "run.json",
        "steps.safetensors",
        "weights.safetensors",
    ]


def test_training_again_changes_no_byte(stored, tmp_path):
    train([SPEC], tmp_path, silent)
    for name in ("weights.safetensors", "init.safetensors", "history.csv", "steps.safetensors", "run.json"):
        assert (tmp_path / "tiny" / name).read_bytes() == (stored / name).read_bytes()


def test_the_test_labels_follow_the_law_of_the_training_labels(stored):
    run = load(stored)
    sample = run.sample("test")
    agreement = np.mean(sample.labels == sample.clean)
    assert 0.02 < agreement < 0.2
    assert sample.inputs(0, 3).shape == (3, 8, 8, 1)
    assert sample.inputs(0, 3).dtype == np.float32


def edit(directory, change):
    path = directory / "run.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "run.json").unlink(), "run.json is missing"),
        (lambda d: (d / "run.json").write_text("{"), "is not JSON"),
        (lambda d: (d / "run.json").write_text("[]"), "is not the record of a run"),
        (lambda d: (d / "weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda d: (d / "init.safetensors").write_bytes(b"x"), "altered or truncated"),
        (lambda d: (d / "weights.safetensors").write_bytes((d / "init.safetensors").read_bytes()), "altered"),
        (lambda d: (d / "history.csv").unlink(), "history.csv is missing"),
        (lambda d: (d / "history.csv").write_text("epoch,loss\n1,abc\n"), "not the history"),
        (lambda d: edit(d, lambda r: r.update(schema=99)), "schema 99"),
        (lambda d: edit(d, lambda r: r["spec"].update(dataset="imagenet")), "not the record"),
        (lambda d: edit(d, lambda r: r["spec"].update(name="../up")), "not the record"),
        (lambda d: edit(d, lambda r: r.pop("digests")), "not the record"),
    ],
)
def test_damage_is_named(directory, damage, message):
    damage(directory)
    with pytest.raises(RunError, match=message):
        load(directory)


def test_another_data_set_than_recorded_is_refused_when_it_is_needed(directory):
    edit(directory, lambda r: r["data"].update(digest="0" * 64))
    run = load(directory)
    with pytest.raises(RunError, match="trained on other files"):
        run.sample("train")


def test_a_directory_of_another_specification_is_not_overwritten(directory):
    other = SPEC.model_copy(update={"seed": 4})
    with pytest.raises(RunError, match="another specification"):
        train([other], directory.parent, silent)


def linear(params, x):
    return params @ x


X = np.eye(4, dtype=np.float32)
Y = np.array([0, 1, 2, 0])
W = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": (X, np.array([0, 1, 2, 3]))}, "between 0 and 3; the network has 3 logits"),
        ({"train": (X, np.array([0, 1, -1, 2]))}, "between -1 and 2"),
        ({"train": (X, Y.astype(float))}, "4 integers are needed"),
        ({"train": (X, Y[:3])}, "4 integers are needed"),
        ({"test": (X[:, :2], Y)}, "`test` inputs have shape"),
        ({"test": (X[:0], Y[:0])}, "at least one example"),
        ({"train": (np.where(X > 0, np.nan, X), Y)}, "nan or infinity"),
        ({"params": np.where(W > 0, np.inf, W)}, "`params` contains nan or infinity"),
        ({"init_params": {"other": W}}, "another structure"),
        ({"f": lambda p, x: jnp.sum(p @ x)}, "at least two logits"),
        ({"assume": ("luck",)}, "'luck'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, message):
    given = {"f": linear, "params": W, "train": (X, Y), "test": (X, Y)} | changes
    with pytest.raises(RunError, match=message):
        Run.from_arrays(**given)


def test_random_keys_among_the_weights_are_no_parameters():
    """Flax keeps its generators beside the weights."""
    import jax

    params = {"W": W, "rng": jax.random.key(0), "count": np.int32(3)}
    run = Run.from_arrays(lambda p, x: p["W"] @ x, params, train=(X, Y), test=(X, Y))
    assert run.parameters == W.size
    assert run.parameter_bits == 32 * (W.size + 2 + 1)
