import logging
import os
import signal
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.data import draw_labels, load_dataset, prepare
from boundcheck.errors import DataError
from boundcheck.models import MLPSpec, build, split
from boundcheck.training import DivergedError, Recipe, Trained, fit
from boundcheck.training.program import GAP, program

SPEC = MLPSpec(name="mlp", hidden=(64,), bias=True)
RECIPE = Recipe(learning_rate=0.05, momentum=0.9, batch=32, epochs=300)
N = 200


def digits(n: int = N) -> tuple[np.ndarray, np.ndarray]:
    dataset = load_dataset("digits")
    labels, _ = draw_labels(
        dataset.train_labels, dataset.test_labels, classes=10, law="random", corruption=0.0, seed=0
    )
    return dataset.train_images[:n], labels[:n]


def train(recipe: Recipe = RECIPE, *, seed: int = 0, n: int = N, **arguments: Any) -> Trained:
    images, labels = digits(n)
    return fit(
        **{
            "architecture": SPEC,
            "recipe": recipe,
            "images": images,
            "labels": labels,
            "classes": 10,
            "preparation": "unit16",
            "seed": seed,
        }
        | arguments
    )


def same(a: object, b: object) -> bool:
    leaves_a, leaves_b = jax.tree.leaves(a), jax.tree.leaves(b)
    return all(x.tobytes() == y.tobytes() for x, y in zip(leaves_a, leaves_b, strict=True))


def exact_logits(params, images: np.ndarray) -> np.ndarray:
    """Logits in float64, from the inputs that NumPy prepares."""
    y = prepare("unit16", images, np).reshape(len(images), -1).astype(np.float64)
    for i, layer in enumerate(params.layers):
        y = y @ layer.weight.astype(np.float64).T + layer.bias
        y = y if i == len(params.layers) - 1 else np.maximum(y, 0)
    return y


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train()


def test_random_labels_are_fitted_and_float64_agrees(trained: Trained):
    images, labels = digits()
    assert trained.interpolated
    assert trained.epochs == len(trained.history) < RECIPE.epochs
    assert trained.history[-1].train_error == 0
    assert all(record.train_error > 0 for record in trained.history[:-1])
    logits = exact_logits(trained.params, images)
    own = logits[np.arange(N), labels]
    logits[np.arange(N), labels] = -np.inf
    assert (own > logits.max(axis=1)).all()


def test_two_trainings_agree_in_every_bit(trained: Trained):
    again = train()
    assert again.history == trained.history
    assert same(again.params, trained.params)


def test_the_initial_weights_are_kept_as_they_were(trained: Trained):
    spent = train(RECIPE.model_copy(update={"epochs": 1}))
    assert same(spent.initial, trained.initial)
    assert not same(spent.params, spent.initial)
    for leaf in jax.tree.leaves((spent.params, spent.initial)):
        assert isinstance(leaf, np.ndarray)
        assert leaf.dtype == np.float32


def test_another_seed_gives_another_network(trained: Trained):
    other = train(RECIPE.model_copy(update={"epochs": 1}), seed=1)
    assert not same(other.initial, trained.initial)


def test_a_spent_budget_is_not_interpolation():
    spent = train(RECIPE.model_copy(update={"epochs": 3}))
    assert (spent.epochs, spent.interpolated) == (3, False)
    assert [record.epoch for record in spent.history] == [1, 2, 3]


def test_every_epoch_is_reported_once():
    seen = []
    spent = train(RECIPE.model_copy(update={"epochs": 4}), on_epoch=seen.append)
    assert tuple(seen) == spent.history


def test_other_labels_rates_and_budgets_compile_nothing(caplog: pytest.LogCaptureFixture, trained: Trained):
    _, labels = digits()
    with caplog.at_level(logging.WARNING), jax.log_compiles():
        train(
            RECIPE.model_copy(update={"epochs": 2, "learning_rate": 0.01, "decay": 0.9}),
            labels=(labels + 1) % 10,
            seed=5,
        )
    assert not [record.message for record in caplog.records if "ompil" in record.message]


@pytest.mark.parametrize(("optimizer", "n", "batch"), [("sgd", 96, 32), ("sgd", 5, 64), ("adam", 100, 32)])
def test_an_epoch_is_the_loop_one_would_write(optimizer: Literal["sgd", "adam"], n: int, batch: int):
    """With a shorter last batch, each step on the mean over its own examples."""
    recipe = Recipe(
        optimizer=optimizer,
        learning_rate=0.01,
        momentum=0.9 if optimizer == "sgd" else 0.0,
        decay=0.5,
        batch=batch,
        epochs=2,
    )
    images, labels = digits(n)
    inputs = jnp.asarray(prepare("unit16", images, np))
    key_initial, key_order = jax.random.split(jax.random.key(3))
    f, params = split(build(SPEC, (8, 8, 1), 10, key_initial))

    def loss(params, x, y):
        logits = jax.vmap(f, in_axes=(None, 0))(params, x)
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(y)), y])

    @jax.jit
    def sgd(params, m, v, x, y, rate, t):
        m = jax.tree.map(lambda m, g: 0.9 * m + g, m, jax.grad(loss)(params, x, y))
        return jax.tree.map(lambda w, m: w - rate * m, params, m), m, v

    @jax.jit
    def adam(params, m, v, x, y, rate, t):
        g = jax.grad(loss)(params, x, y)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        c, d = 1 - 0.9**t, 1 - 0.999**t
        step = jax.tree.map(lambda m, v: m / c / (jnp.sqrt(v / d) + 1e-8), m, v)
        return jax.tree.map(lambda w, u: w - rate * u, params, step), m, v

    m = v = jax.tree.map(jnp.zeros_like, params)
    t = np.float32(0)
    for epoch in (1, 2):
        rate = np.float32(0.01 * 0.5 ** (epoch - 1))
        order = np.asarray(jax.random.permutation(jax.random.fold_in(key_order, epoch), n))
        for start in range(0, n, batch):
            rows, t = order[start : start + batch], t + np.float32(1)
            step = sgd if optimizer == "sgd" else adam
            params, m, v = step(params, m, v, inputs[rows], labels[rows], rate, t)
    result = train(recipe, seed=3, n=n)
    for a, b in zip(jax.tree.leaves(result.params), jax.tree.leaves(params), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


def test_a_tie_is_not_fitted():
    images, labels = digits(7)
    compiled = program(SPEC, RECIPE, preparation="unit16", image_shape=(8, 8, 1), classes=10)
    params = jax.tree.map(np.zeros_like, compiled.initial(jax.random.key(0)).params)
    targets = jnp.asarray(labels.astype(np.int32) * 0)
    assert int(compiled.evaluate(params, images, targets).unfitted) == 7
    for lead, unfitted in ((GAP / 2, 7), (GAP * 2, 0)):
        params.layers[-1].bias[:] = 1
        params.layers[-1].bias[0] = 1 + lead
        assert int(compiled.evaluate(params, images, targets).unfitted) == unfitted


def test_the_training_error_counts_every_example_once():
    # 5,000 examples do not fill the last chunk that is evaluated at once.
    images, labels = digits(1000)
    images, labels = np.tile(images, (5, 1, 1, 1)), np.tile(labels, 5)
    compiled = program(SPEC, RECIPE, preparation="unit16", image_shape=(8, 8, 1), classes=10)
    params = compiled.initial(jax.random.key(0)).params
    counted = int(compiled.evaluate(params, images, labels.astype(np.int32)).unfitted)
    exact = exact_logits(jax.tree.map(np.asarray, params), images)
    assert counted == np.count_nonzero(exact.argmax(axis=1) != labels)


def test_a_diverging_training_stops_with_what_to_do():
    recipe = Recipe(learning_rate=1000.0, momentum=0.9, epochs=20)
    deep = MLPSpec(name="mlp", hidden=(64,) * 6, bias=False)
    with pytest.raises(DivergedError, match=r"diverged in epoch \d+.* Lower `learning_rate`") as caught:
        train(recipe, architecture=deep)
    assert len(caught.value.history) < 20


def test_labels_that_do_not_fit_are_refused():
    _, labels = digits()
    for wrong in (labels + 1, labels - 1):
        with pytest.raises(ValueError, match="do not fit"):
            train(labels=wrong)


def test_a_preparation_that_cannot_take_the_images_is_refused():
    with pytest.raises(DataError, match="cannot be prepared by `zhang2017`"):
        train(preparation="zhang2017")


def test_ctrl_c_waits_for_the_epoch_and_resumes_to_the_same_bits(tmp_path: Path, trained: Trained):
    seen = []

    def interrupt(record):
        seen.append(record)
        if record.epoch == 5:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=tmp_path / "checkpoint", on_epoch=interrupt)
    assert len(seen) == 5
    assert signal.getsignal(signal.SIGINT) is handler
    resumed = train(checkpoint=tmp_path / "checkpoint")
    assert resumed.history == trained.history
    assert same(resumed.params, trained.params)
    assert same(resumed.initial, trained.initial)
