"""Networks that train together are those that train alone."""

import dataclasses
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from boundcheck.data import Part
from boundcheck.errors import RunError
from boundcheck.models import Architecture, MLPSpec, find_model
from boundcheck.training import DivergedError, Member, Recipe, Trained, fit, fit_all, loop, memory
from boundcheck.training.program import program

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (70, 8, 8, 1), dtype=np.uint8)
LABELS = RNG.integers(0, 3, (9, 70))
MLP = MLPSpec(name="mlp", hidden=(32,))
RECIPE = Recipe(learning_rate=0.1, momentum=0.9, batch=16, epochs=60)


def task(architecture: Architecture = MLP, recipe: Recipe = RECIPE, **other: Any) -> dict[str, Any]:
    settled = {"architecture": architecture, "recipe": recipe, "images": IMAGES, "classes": 3}
    return {**settled, "preparation": "unit", **other}


def members(n: int) -> list[Member]:
    return [Member(labels=LABELS[i], seed=i) for i in range(n)]


def outcomes(members: list[Member], **arguments: Any) -> dict[int, Trained]:
    found = {}
    for place, outcome in fit_all(members, **task(**arguments)):
        assert isinstance(outcome, Trained)
        found[place] = outcome
    assert sorted(found) == list(range(len(members)))
    return found


def same(a: Trained, b: Trained) -> bool:
    trees = zip(jax.tree.leaves((a.params, a.initial)), jax.tree.leaves((b.params, b.initial)), strict=True)
    steps = np.array_equal(a.step_loss, b.step_loss) and np.array_equal(a.step_error, b.step_error)
    return a.history == b.history and steps and all(x.tobytes() == y.tobytes() for x, y in trees)


@pytest.fixture(scope="module")
def alone() -> list[Trained]:
    return [fit(labels=member.labels, seed=member.seed, **task()) for member in members(5)]


@pytest.mark.parametrize("together", [2, 3, 5, 8])
def test_side_by_side_each_gets_the_bits_it_gets_alone(together: int, alone: list[Trained]):
    # They end after different numbers of epochs, and the next one takes the place of one that ended.
    assert len({trained.epochs for trained in alone}) > 1
    for place, trained in outcomes(members(5), together=together, vectorized=False).items():
        assert same(trained, alone[place])


def test_batched_each_is_what_it_is_alone_up_to_rounding(alone: list[Trained]):
    recipe = RECIPE.model_copy(update={"epochs": 3})
    for place, trained in outcomes(members(4), recipe=recipe, together=4, vectorized=True).items():
        single = fit(labels=LABELS[place], seed=place, **task(recipe=recipe))
        assert same_initial(trained, single)
        np.testing.assert_allclose(trained.step_loss, single.step_loss, rtol=1e-4)
        for a, b in zip(jax.tree.leaves(trained.params), jax.tree.leaves(single.params), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def same_initial(a: Trained, b: Trained) -> bool:
    pairs = zip(jax.tree.leaves(a.initial), jax.tree.leaves(b.initial), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def test_batched_networks_with_statistics_and_all_regularization_train_as_alone():
    recipe = Recipe(
        learning_rate=0.05, momentum=0.9, batch=16, epochs=2, weight_decay=0.01, dropout=0.2, optimizer="sgd"
    )
    model = find_model("wide-resnet-10-1")
    for place, trained in outcomes(
        members(2), architecture=model, recipe=recipe, together=2, vectorized=True
    ).items():
        single = fit(labels=LABELS[place], seed=place, **task(model, recipe))
        np.testing.assert_allclose(trained.step_loss, single.step_loss, rtol=2e-3)


def test_the_ones_that_end_are_yielded_at_once_and_cost_nothing_more(monkeypatch: pytest.MonkeyPatch):
    widths: list[int] = []
    advance = loop._advance

    def counted(running: Any, *rest: Any) -> None:
        widths.append(len(running))
        advance(running, *rest)

    monkeypatch.setattr(loop, "_advance", counted)
    found = outcomes(members(3), together=3)
    ends = sorted(trained.epochs for trained in found.values())
    assert widths == [3] * ends[0] + [2] * (ends[1] - ends[0]) + [1] * (ends[2] - ends[1])


def test_one_that_diverges_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch, alone: list[Trained]):
    fatal = alone[1].history[3].loss
    monkeypatch.setattr(loop, "rising", lambda history, loss: "it is so" if loss == fatal else "")
    found = dict(fit_all(members(3), **task(together=2, vectorized=False)))
    diverged = found[1]
    assert isinstance(diverged, DivergedError)
    assert diverged.history == alone[1].history[:3]
    assert "training diverged in epoch 4: it is so; a learning rate below 0.1 is needed" in str(diverged)
    for place in (0, 2):
        outcome = found[place]
        assert isinstance(outcome, Trained)
        assert same(outcome, alone[place])


def test_a_killed_ensemble_resumes_each_where_it_was(tmp_path: Path, alone: list[Trained]):
    def with_checkpoints() -> list[Member]:
        return [dataclasses.replace(m, checkpoint=tmp_path / str(i)) for i, m in enumerate(members(4))]

    half = RECIPE.model_copy(update={"epochs": 5})
    outcomes(with_checkpoints()[:2], recipe=half, together=2)  # two have begun, two have not
    for place, trained in outcomes(with_checkpoints(), together=3, vectorized=False).items():
        assert same(trained, alone[place])


def test_the_test_set_is_looked_at_and_changes_nothing(alone: list[Trained]):
    rng = np.random.default_rng(9)
    clean = rng.integers(0, 3, 40)
    test = Part(rng.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8), (clean + 1) % 3, clean)
    trained = fit(labels=LABELS[0], seed=0, test=test, monitor=10, **task())
    assert all(
        x.tobytes() == y.tobytes()
        for x, y in zip(jax.tree.leaves(trained.params), jax.tree.leaves(alone[0].params), strict=True)
    )
    weights = [(layer.weight.astype(float), layer.bias) for layer in trained.params.layers]
    hidden = np.maximum(test.images.reshape(40, -1) / 255 @ weights[0][0].T + weights[0][1], 0)
    predicted = (hidden @ weights[1][0].T + weights[1][1]).argmax(axis=1)
    assert trained.missed is not None
    assert trained.missed == (0, np.sum(predicted != test.labels), np.sum(predicted != clean))
    assert trained.history[-1].test_error == np.mean(predicted[:10] != test.labels[:10])
    assert all(record.test_error is None for record in alone[0].history)


def test_every_step_is_recorded():
    recipe = RECIPE.model_copy(update={"epochs": 2})
    trained = fit(labels=LABELS[0], seed=0, **task(recipe=recipe))
    assert trained.step_loss.shape == trained.step_error.shape == (2 * 5,)  # four batches of 16 and one of 6
    sizes = np.array([16, 16, 16, 16, 6])
    for epoch, record in enumerate(trained.history):
        steps = slice(5 * epoch, 5 * epoch + 5)
        assert record.loss == pytest.approx(float(trained.step_loss[steps] @ sizes) / 70, rel=1e-6)
        assert record.running_error == pytest.approx(float(trained.step_error[steps] @ sizes) / 70)


DEVICES = """
import json, sys
import jax, numpy as np
from boundcheck.models import find_model
from boundcheck.training import Recipe, fit

rng = np.random.default_rng(0)
images, labels = rng.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8), rng.integers(0, 10, 50)
found = {}
for name, counts in (("mlp-2x32", (1, 2, 4)), ("wide-resnet-10-1", (1, 2))):
    for devices in counts:
        recipe = Recipe(learning_rate=0.05, momentum=0.9, batch=16, epochs=2, dropout=0.1, weight_decay=1e-3)
        trained = fit(
            architecture=find_model(name), recipe=recipe, images=images, labels=labels, classes=10,
            preparation="unit", seed=0, devices=devices,
        )
        found[f"{name} {devices}"] = [trained.step_loss.tolist(), trained.step_error.tolist(),
            [float(np.abs(w).sum()) for w in jax.tree.leaves(trained.params)]]
print(json.dumps([len(jax.devices()), found]))
"""


def test_several_devices_share_a_batch_with_the_same_result_up_to_rounding(tmp_path: Path):
    script = tmp_path / "devices.py"
    script.write_text(textwrap.dedent(DEVICES))
    flags = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, str(script)], env=flags, capture_output=True, text=True, timeout=300, check=True
    )
    count, found = json.loads(done.stdout)
    assert count == 4
    assert len(found) == 5
    for key, shared in found.items():
        losses, errors, sizes = found[key[:-1] + "1"]
        if not key.endswith("1"):
            np.testing.assert_allclose(shared[0], losses, rtol=2e-4)
            np.testing.assert_allclose(shared[1], errors, atol=1 / 16 + 1e-6)
            np.testing.assert_allclose(shared[2], sizes, rtol=1e-3)


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(
        RunError, match=r"a batch of 16 is to be shared out over 64 devices, and there are \d"
    ):
        fit(labels=LABELS[0], seed=0, **task(devices=64))


def exhausted(*arguments: Any) -> None:
    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 4 bytes.\nmore lines")


@pytest.mark.parametrize(
    ("together", "advice"),
    [(3, r"Train 1 together: `--together 1`"), (1, r"Use a batch of 8: `batch = 8` in the")],
)
def test_running_out_of_memory_says_what_to_do(monkeypatch: pytest.MonkeyPatch, together: int, advice: str):
    monkeypatch.setattr(loop, "_advance", exhausted)
    with pytest.raises(
        RunError, match=rf"does not hold {together} x mlp-1x32 with a batch of 16: RES.*{advice}"
    ):
        outcomes(members(together), together=together)


@pytest.mark.parametrize(
    ("limit", "advice"),
    [
        (1000, "Train 4 together, which is expected to fit: `--together 4`."),
        (499, "Train 2 together, which is expected to fit: `--together 2`."),
        (130, "Train 1 together, which is expected to fit: `--together 1`."),
        (90, "Use a batch of 64, which is expected to fit: `batch = 64` in the recipe."),
        (5, "Use a batch of 4, which is expected to fit: `batch = 4` in the recipe."),
        (0, "Not even a batch of one example would fit; train a smaller network."),
    ],
)
def test_what_is_advised_fits(limit: int, advice: str):
    assert memory.remedy(8, 128, lambda members, batch: members * batch, limit) == advice


def test_the_compiler_expects_larger_batches_and_more_networks_to_take_more():
    arguments: dict[str, Any] = {
        "preparation": "unit",
        "image_shape": (8, 8, 1),
        "classes": 3,
        "vectorized": False,
    }

    def need(members: int, batch: int) -> int:
        wide = MLPSpec(name="mlp", hidden=(200,))
        return program(wide, RECIPE.model_copy(update={"batch": batch}), **arguments).memory(members, 1000)

    weights = 4 * (64 * 200 + 200 + 200 * 3 + 3)
    assert need(1, 16) > 2 * weights + 64_000  # weights, what momentum remembers, and the images
    assert need(1, 512) - need(1, 16) > 496 * 200 * 4
    assert need(3, 16) - need(1, 16) > 2 * 2 * weights


def test_another_device_error_is_not_taken_for_lack_of_memory(monkeypatch: pytest.MonkeyPatch):
    def broken(*arguments: Any) -> None:
        raise jax.errors.JaxRuntimeError("INTERNAL: no")

    monkeypatch.setattr(loop, "_advance", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        outcomes(members(1))


def test_rates_budgets_and_labels_share_a_program():
    arguments: dict[str, Any] = {"preparation": "unit", "image_shape": (8, 8, 1), "classes": 3}
    one = program(MLP, RECIPE, **arguments)
    assert program(MLP, RECIPE.model_copy(update={"learning_rate": 3.0, "epochs": 9}), **arguments) is one
    assert program(MLP, RECIPE.model_copy(update={"weight_decay": 0.1}), **arguments) is not one
