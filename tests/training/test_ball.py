"""Training within norms: what a plain loop would do, and never outside."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.errors import RunError
from boundcheck.models import MLPSpec
from boundcheck.training import Ball, Member, Recipe, Trained, fit, fit_all, loop
from boundcheck.training.ball import SHARPNESS, projected
from boundcheck.training.program import program

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (48, 4, 4, 1), dtype=np.uint8)
LABELS = RNG.integers(0, 3, (4, 48))
MLP = MLPSpec(name="mlp", hidden=(10,), bias=True)
RECIPE = Recipe(learning_rate=0.2, momentum=0.9, batch=16, epochs=4)
TASK: dict[str, Any] = {"architecture": MLP, "images": IMAGES, "classes": 3, "preparation": "unit"}


def weights_of(params: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(params)]


def ball(scale: float = 1.0, margin: float = 0.5) -> Ball:
    """Radii that bind: weights within `scale` 1 and biases within `scale` 0.05."""
    compiled = program(MLP, RECIPE, preparation="unit", image_shape=IMAGES.shape[1:], classes=3)
    norms = jax.tree.map(lambda w: 1.0 if w.ndim == 2 else 0.05, compiled.initial(jax.random.key(0)).params)
    return Ball.scaled(norms, scale, margin)


def member(place: int = 0, within: Ball | None = None) -> Member:
    return Member(labels=LABELS[place], seed=place, ball=within)


def outcomes(members: list[Member], recipe: Recipe = RECIPE, **arguments: Any) -> list[Trained]:
    found = dict(fit_all(members, recipe=recipe, **TASK, **arguments))
    assert all(isinstance(outcome, Trained) for outcome in found.values())
    return [found[place] for place in range(len(members))]  # pyright: ignore[reportReturnType]


def same(a: Trained, b: Trained) -> bool:
    pairs = zip(weights_of((a.params, a.initial)), weights_of((b.params, b.initial)), strict=True)
    return a.history == b.history and all(x.tobytes() == y.tobytes() for x, y in pairs)


def test_each_array_becomes_the_nearest_one_that_is_short_enough():
    rng = np.random.default_rng(0)
    for _ in range(50):
        w = rng.normal(size=(3, 4)).astype(np.float32) * np.float32(10.0 ** rng.uniform(-3, 3))
        radius = np.float32(10.0 ** rng.uniform(-3, 3))
        (found,) = projected((jnp.asarray(w),), (radius,))
        size = np.linalg.norm(w.astype(float))
        expected = w if size <= radius else w * (radius / size)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        others = rng.normal(size=(20, 3, 4))
        others *= (radius / np.linalg.norm(others, axis=(1, 2)))[:, None, None]
        distances = np.linalg.norm(others - w, axis=(1, 2))
        assert np.linalg.norm(np.asarray(found) - w) <= distances.min() * (1 + 1e-5)


def test_a_radius_of_zero_is_zero_and_zero_stays():
    found = projected((jnp.ones(3), jnp.zeros(3)), (np.float32(0), np.float32(0)))
    assert [float(jnp.abs(w).max()) for w in found] == [0, 0]


def test_it_is_the_loop_that_one_would_write():
    """Momentum, the loss in its unit, a step, the projection: in NumPy, with derivatives written out, on the same batches."""
    within = ball(margin=0.5)
    unit = 0.5 / SHARPNESS
    trained = fit(recipe=RECIPE, **TASK, labels=LABELS[0], seed=0, ball=within)
    key_initial, key_order = jax.random.split(jax.random.key(0))
    compiled = program(MLP, RECIPE, preparation="unit", image_shape=IMAGES.shape[1:], classes=3)
    start = compiled.initial(key_initial).params
    radii = [float(r) for r in jax.tree.leaves(within.radii)]

    def shortened(arrays: list[np.ndarray]) -> list[np.ndarray]:
        sizes = [np.linalg.norm(w) for w in arrays]
        return [w * min(1, r / s) if s else w for w, r, s in zip(arrays, radii, sizes, strict=True)]

    layers = [w for layer in start.layers for w in (layer.weight, layer.bias)]
    assert [w.shape for w in layers] == [w.shape for w in jax.tree.leaves(start)]
    w = shortened([np.asarray(leaf, float) for leaf in layers])
    memory = [np.zeros_like(leaf) for leaf in w]
    x, y = IMAGES.reshape(48, -1) / 255, LABELS[0]
    for epoch in range(1, RECIPE.epochs + 1):
        order = np.asarray(
            jax.random.permutation(jax.random.fold_in(key_order, epoch), jnp.arange(48, dtype=jnp.int32))
        )
        for rows in order.reshape(3, 16):
            before = x[rows] @ w[0].T + w[1]
            hidden = np.maximum(before, 0)
            scores = (hidden @ w[2].T + w[3]) / unit
            p = np.exp(scores - scores.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            p[np.arange(16), y[rows]] -= 1
            back = (p @ w[2]) * (before > 0)
            slopes = [back.T @ x[rows], back.sum(0), p.T @ hidden, p.sum(0)]
            memory = [0.9 * m + g / 16 for m, g in zip(memory, slopes, strict=True)]
            w = shortened([a - 0.2 * m for a, m in zip(w, memory, strict=True)])
    for mine, theirs in zip(weights_of(trained.params), w, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=1e-5)
    binding = [np.linalg.norm(a) / r for a, r in zip(w, radii, strict=True)]
    assert max(binding) == pytest.approx(1)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_after_every_step_it_is_inside(optimizer: str, monkeypatch: pytest.MonkeyPatch):
    """With one batch an epoch every step ends one; the weights at the start are inside as well."""
    recipe = Recipe(optimizer=optimizer, learning_rate=1.0, batch=48, epochs=12)  # pyright: ignore[reportArgumentType]
    within, seen = ball(), []
    judge = loop._Training.judge

    def noted(training: Any, *arguments: Any) -> None:
        seen.append(jax.tree.map(np.array, training.state.params))  # the next step consumes them
        judge(training, *arguments)

    monkeypatch.setattr(loop._Training, "judge", noted)
    trained = fit(recipe=recipe, **TASK, labels=LABELS[0], seed=0, ball=within)
    assert len(seen) == trained.epochs == 12
    touched = 0
    for params in [trained.initial, *seen]:
        for w, radius in zip(weights_of(params), jax.tree.leaves(within.radii), strict=True):
            size = np.linalg.norm(w.astype(float))
            assert size <= radius * (1 + 1e-6)
            touched += size >= radius * (1 - 1e-6)
    assert touched > 12


@pytest.mark.parametrize("scale", [np.inf, 1e6])
def test_a_ball_that_never_binds_changes_nothing(scale: float):
    """Its margin is that at which the loss is the plain cross-entropy."""
    free = fit(recipe=RECIPE, **TASK, labels=LABELS[0], seed=0)
    within = fit(recipe=RECIPE, **TASK, labels=LABELS[0], seed=0, ball=ball(scale, margin=SHARPNESS))
    assert free.epochs == within.epochs == RECIPE.epochs
    for a, b in zip(weights_of(free.params), weights_of(within.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_training_ends_when_every_target_leads_by_the_margin():
    recipe = RECIPE.model_copy(update={"epochs": 400, "learning_rate": 0.05})
    free = fit(recipe=recipe, **TASK, labels=LABELS[0], seed=0)
    within = fit(recipe=recipe, **TASK, labels=LABELS[0], seed=0, ball=ball(1e6, margin=SHARPNESS))
    assert free.interpolated
    assert within.interpolated
    assert free.epochs < within.epochs < 400
    w = weights_of(within.params)
    logits = np.maximum(IMAGES.reshape(48, -1) / 255 @ w[0].T + w[1], 0) @ w[2].T + w[3]
    own = logits[np.arange(48), LABELS[0]]
    logits[np.arange(48), LABELS[0]] = -np.inf
    assert (own - logits.max(axis=1)).min() > SHARPNESS


def test_balls_side_by_side_get_the_bits_they_get_alone():
    members = [member(i % 2, ball(scale)) for i, scale in enumerate((1.0, 0.5, 2.0))]
    alone = [outcomes([m])[0] for m in members]
    for a, b in zip(outcomes(members, together=3, vectorized=False), alone, strict=True):
        assert same(a, b)
    for a, b in zip(outcomes(members, together=3, vectorized=True), alone, strict=True):
        for x, y in zip(weights_of(a.params), weights_of(b.params), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)


def test_a_ball_goes_on_from_its_checkpoint_and_no_other_one_does(tmp_path: Path):
    whole = outcomes([member(0, ball())])[0]
    stored = dataclasses.replace(member(0, ball()), checkpoint=tmp_path)
    outcomes([stored], recipe=RECIPE.model_copy(update={"epochs": 2}))
    for other in (None, ball(0.5), ball(margin=0.25)):
        with pytest.raises(RunError, match="the checkpoint of another training: its ball is"):
            outcomes([dataclasses.replace(stored, ball=other)])
    assert same(outcomes([stored])[0], whole)


def test_free_and_bound_networks_do_not_train_together():
    with pytest.raises(ValueError, match="all in a ball, or none is"):
        list(fit_all([member(0), member(1, ball())], recipe=RECIPE, **TASK))
