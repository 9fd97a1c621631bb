"""Weight decay, crops, precision and the statistics of normalization, against what one would write by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.data import prepare
from boundcheck.models import Batch, MLPSpec, build, find_model, statistics
from boundcheck.training import Recipe, fit
from boundcheck.training.program import _cropped, program
from boundcheck.training.record import PATIENCE, EpochRecord, rising

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 24)
MLP = MLPSpec(name="mlp", hidden=(16,))


def train(model: Any = MLP, images: np.ndarray = IMAGES, preparation: str = "unit", **recipe: Any) -> Any:
    settled = {"learning_rate": 0.1, "momentum": 0.9, "batch": 24, "epochs": 1, **recipe}
    return fit(
        architecture=model,
        recipe=Recipe(**settled),
        images=images,
        labels=LABELS,
        classes=10,
        preparation=preparation,
        seed=0,
    )


def leaves(tree: Any) -> list[tuple[str, np.ndarray]]:
    return [(jax.tree_util.keystr(p), np.asarray(x)) for p, x in jax.tree_util.tree_leaves_with_path(tree)]


def test_weight_decay_adds_its_share_of_matrices_and_not_of_biases():
    plain, decayed = train(), train(weight_decay=0.25)
    for (name, before), (_, without), (_, with_) in zip(
        leaves(plain.initial), leaves(plain.params), leaves(decayed.params), strict=True
    ):
        shrunk = 0.1 * 0.25 * before if name.endswith("weight") else 0
        np.testing.assert_allclose(with_, without - shrunk, rtol=1e-5, atol=1e-7)


def test_weight_decay_spares_scales_and_statistics():
    model = find_model("wide-resnet-10-1")
    plain, decayed = train(model), train(model, weight_decay=0.25)
    for (name, before), (_, without), (_, with_) in zip(
        leaves(plain.initial), leaves(plain.params), leaves(decayed.params), strict=True
    ):
        shrunk = 0.1 * 0.25 * before if name.endswith(("weight", "kernel")) else 0
        np.testing.assert_allclose(with_, without - shrunk, rtol=1e-4, atol=1e-5)


def test_one_step_moves_statistics_by_the_batch_and_weights_by_the_gradient():
    spec = find_model("wide-resnet-10-1")
    trained = train(spec)
    key, _ = jax.random.split(jax.random.key(0))
    model: Any = build(spec, (8, 8, 3), 10, key)
    x = jnp.asarray(prepare("unit", IMAGES, np))

    def loss(model: Any) -> Any:
        logits, moved = model.train(x, Batch(jnp.ones(24, bool), 0.0, jax.random.key(1)))
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(24), LABELS]), moved

    gradient, moved = jax.grad(lambda m: loss(m), has_aux=True)(model)
    marked = jax.tree.leaves(statistics(model))
    rows = zip(leaves(trained.params), leaves(model), leaves(gradient), leaves(moved), marked, strict=True)
    for (name, after), (_, before), (_, slope), (_, fresh), aside in rows:
        expected = fresh if aside else before - np.float32(0.1) * slope
        np.testing.assert_allclose(after, expected, rtol=2e-3, atol=2e-5, err_msg=name)


def test_crops_are_uniform_squares_of_the_image():
    images = np.zeros((40_000, 6, 5, 1), np.uint8)
    images += np.arange(30, dtype=np.uint8).reshape(1, 6, 5, 1)
    cut = np.asarray(_cropped(jnp.asarray(images), 4, jax.random.key(0)))
    corners = cut[:, 0, 0, 0].astype(int)
    tops, lefts = np.divmod(corners, 5)
    wanted = np.arange(30).reshape(6, 5)
    for top in range(3):
        for left in range(2):
            chosen = cut[(tops == top) & (lefts == left), :, :, 0]
            assert abs(len(chosen) - 40_000 / 6) < 5 * (40_000 / 6) ** 0.5
            assert (chosen == wanted[top : top + 4, left : left + 4]).all()


def test_random_crops_train_on_other_crops_and_are_judged_on_the_central_one():
    images = RNG.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    plain = train(images=images, preparation="zhang2017")
    cropped = train(images=images, preparation="zhang2017", random_crops=True)
    assert plain.step_loss[0] != cropped.step_loss[0]
    again = train(images=images, preparation="zhang2017", random_crops=True)
    assert np.array_equal(cropped.step_loss, again.step_loss)
    central = train(images=images[:, 2:30, 2:30].copy(), preparation="zhang2017")
    assert np.array_equal(plain.step_loss, central.step_loss)


@pytest.mark.parametrize("name", ["mlp-1x16", "wide-resnet-10-1"])
def test_half_precision_trains_with_weights_in_single(name: str):
    model = find_model(name)
    exact, half = train(model, epochs=3), train(model, epochs=3, precision="bfloat16")
    assert all(leaf.dtype == np.float32 for _, leaf in leaves(half.params))
    assert not np.array_equal(exact.step_loss, half.step_loss)
    np.testing.assert_allclose(half.step_loss, exact.step_loss, rtol=0.1)
    # What is kept is not rounded to eight bits.
    assert any(
        not np.array_equal(leaf, np.asarray(jnp.asarray(leaf).astype(jnp.bfloat16), np.float32))
        for _, leaf in leaves(half.params)
    )


def test_running_statistics_are_kept_in_single_precision():
    half = train(find_model("wide-resnet-10-1"), precision="bfloat16", epochs=2)
    mean = half.params.norm.mean
    assert not np.array_equal(mean, np.asarray(jnp.asarray(mean).astype(jnp.bfloat16), np.float32))


def test_tf32_is_asked_of_the_device():
    compiled = program(
        MLP,
        Recipe(learning_rate=0.1, epochs=1, precision="tf32"),
        preparation="unit",
        image_shape=(8, 8, 3),
        classes=10,
    )
    state = compiled.initial(jax.random.key(0))
    lowered = compiled.epoch.lower(  # pyright: ignore[reportFunctionMemberAccess]
        (state,), IMAGES, (LABELS.astype(np.int32),), (jax.random.key(0),), (np.float32(0.1),)
    )
    text = lowered.as_text()
    assert "precision = [HIGH, HIGH]" in text or "TF32" in text


def records(losses: list[float]) -> list[EpochRecord]:
    return [EpochRecord(i + 1, loss, 0.5, 0.5) for i, loss in enumerate(losses)]


def test_a_loss_that_rose_for_long_is_diverging():
    fell = [2.0, 1.0, 0.2]
    assert rising(records(fell), float("nan")) == "the loss is not a finite number"
    assert rising(records(fell), 2.0) == ""
    for last in range(1, PATIENCE + 4):
        said = rising(records(fell + [0.7] * (last - 1)), 0.7)
        assert bool(said) == (last >= PATIENCE), last
    assert "the loss fell to 0.2 and has been above 3 times that for 20 epochs" in said
    # It must be above all that time, and by a factor; and near 0 nothing is made of it.
    assert rising(records(fell + [0.7] * 10 + [0.5] + [0.7] * 12), 0.7) == ""
    assert rising(records([2.0, 1e-6] + [0.01] * 40), 0.01) == ""
