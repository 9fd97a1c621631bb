import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from boundcheck.errors import UnknownNameError
from boundcheck.models import (
    MODELS,
    Architecture,
    Batch,
    InceptionSpec,
    MLPSpec,
    ModelSpec,
    WideResNetSpec,
    build,
    count,
    find_model,
    list_models,
    name_of,
    parameters,
    split,
    statistics,
)
from boundcheck.network import trace

KEY = jax.random.key(0)


def read(value: object) -> Architecture:
    return TypeAdapter(ModelSpec).validate_python(value)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("mlp-1x512", (28, 28, 3), 1_209_866),
        ("mlp-3x512", (28, 28, 3), 1_735_178),
        ("mlp-2x512", (28, 28, 1), 669_706),
        ("mlp-2x512-nobias", (28, 28, 1), 669_706 - 512 - 512 - 10),
        ("mlp-2x256-nobias", (8, 8, 1), 64 * 256 + 256 * 256 + 256 * 10),
        ("inception", (28, 28, 3), 1_649_402),
        ("inception-nobatchnorm", (28, 28, 3), 1_649_402),
        ("alexnet", (28, 28, 3), 1_387_786),
        # As the authors' and every other implementation counts them, on 32x32x3.
        ("wide-resnet-16-4", (32, 32, 3), 2_748_890),
        ("wide-resnet-28-10", (32, 32, 3), 36_479_194),
    ],
)
def test_parameters_are_those_of_the_papers(name: str, shape: tuple[int, ...], expected: int):
    assert parameters(MODELS[name], shape, 10) == expected
    if expected < 10_000_000:
        assert count(split(build(MODELS[name], shape, 10, KEY))[1]) == expected


def test_counting_parameters_allocates_nothing():
    huge = MLPSpec(name="mlp", hidden=(1_000_000, 1_000_000))
    assert parameters(huge, (28, 28, 1), 10) == 785_000_000 + 1_000_001_000_000 + 10_000_010


def test_the_listing_names_every_model_by_input_shape():
    listed = {entry["name"]: entry["parameters"] for entry in list_models()}
    assert listed.keys() == MODELS.keys()
    assert listed["mlp-2x512"]["28x28x1"] == 669_706
    assert all(tuple(shapes) == ("8x8x1", "28x28x1", "28x28x3", "32x32x3") for shapes in listed.values())


@pytest.mark.parametrize("bias", [True, False])
def test_an_mlp_is_the_formula(bias: bool):
    spec = MLPSpec(name="mlp", hidden=(7, 5), bias=bias)
    f, params = split(build(spec, (4, 3, 2), 3, KEY))
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    y = x.ravel()
    for i, layer in enumerate(params.layers):
        assert (layer.bias is None) is not bias
        # Trained biases are not 0; shift them so that the formula sees them.
        y = layer.weight @ y + (0 if layer.bias is None else layer.bias + 1)
        y = y if i == 2 else np.maximum(y, 0)
    shifted = jax.tree.map(lambda w: w + 1 if w.ndim == 1 else w, params)
    np.testing.assert_allclose(f(shifted, x), y, rtol=1e-5, atol=1e-5)


def test_the_split_function_holds_no_array():
    f, params = split(build(MODELS["mlp-2x256"], (8, 8, 1), 10, KEY))
    jaxpr = jax.make_jaxpr(f)(params, jnp.zeros((8, 8, 1), jnp.float32))
    assert not jaxpr.consts
    zeros = jax.tree.map(jnp.zeros_like, params)
    assert not np.any(f(zeros, jnp.ones((8, 8, 1), jnp.float32)))


def test_weights_are_float32_and_follow_the_key_alone():
    leaves = [jax.tree.leaves(split(build(MODELS["mlp-2x256"], (8, 8, 1), 10, key))[1]) for key in (KEY, KEY)]
    for a, b in zip(*leaves, strict=True):
        assert a.dtype == jnp.float32
        assert np.array_equal(a, b)


def test_initial_weights_have_the_documented_variance():
    layers = build(MODELS["mlp-2x512"], (28, 28, 1), 10, KEY).layers
    for layer, gain in zip(layers, (2, 2, 1), strict=True):
        n_out, n_in = layer.weight.shape
        # The variance of n normal draws has relative standard deviation sqrt(2/n).
        assert abs(float(jnp.var(layer.weight)) * n_in / gain - 1) < 5 * np.sqrt(2 / (n_in * n_out))
        assert not np.any(layer.bias)


def test_a_spec_is_read_from_a_name_or_a_table():
    by_name = read("mlp-2x256-nobias")
    assert by_name == read({"name": "mlp", "hidden": [256, 256], "bias": False})
    assert by_name == MLPSpec.model_validate_json(by_name.model_dump_json())
    assert by_name == read(by_name.model_dump(mode="json"))
    assert read({"name": "mlp", "hidden": []}) == MLPSpec(name="mlp", hidden=(), bias=True)


def test_an_unknown_model_suggests_the_nearest():
    for name in ("mlp-2x512-nobais", "mlp-2x5120000", "mlp-02x512"):
        with pytest.raises(UnknownNameError, match=r"unknown model .*; did you mean 'mlp-2x512"):
            read(name)
    for name in ("wide-resnet-17-4", "wide-resnet-4-4", "wide-resnet-16-65", "wide-resnet-16"):
        with pytest.raises(UnknownNameError, match=r"unknown model .*; did you mean 'wide-resnet-16-4"):
            read(name)


@pytest.mark.parametrize(
    "name", [*MODELS, "mlp-4x17", "mlp-12x1-nobias", "wide-resnet-40-2", "wide-resnet-10-64"]
)
def test_every_member_of_a_family_has_its_name(name: str):
    assert name_of(find_model(name)) == name
    assert read(name) == find_model(name)


def test_a_perceptron_with_unequal_layers_is_called_by_its_widths():
    assert name_of(MLPSpec(name="mlp", hidden=(300, 100))) == "mlp-300-100"


@pytest.mark.parametrize(
    "value",
    [
        {"name": "cnn", "hidden": [3]},
        {"name": "mlp"},
        {"name": "mlp", "hidden": [0]},
        {"name": "mlp", "hidden": [2.5]},
        {"name": "mlp", "hidden": [3], "depth": 2},
        {"name": "mlp", "hidden": [3], "bias": "no"},
        {"name": "alexnet", "hidden": [3]},
        {"name": "inception", "batch_norm": 1},
        {"name": "wide-resnet", "depth": 17, "widen": 1},
        {"name": "wide-resnet", "depth": 4, "widen": 1},
        {"name": "wide-resnet", "depth": 16},
        {"hidden": [3]},
        7,
    ],
)
def test_a_malformed_table_is_refused(value: object):
    with pytest.raises(ValidationError):
        read(value)


SMALL = [name for name in MODELS if not name.startswith("wide-resnet-28")]


def drawn(params, seed: int = 5):
    """The same pytree with statistics, scales, shifts and biases as training might leave them."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        kind = jax.tree_util.keystr(path).rsplit(".", 1)[-1]
        if kind in ("variance", "scale"):
            return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        if kind in ("mean", "shift", "bias"):
            return (rng.normal(size=leaf.shape) * 0.1).astype(np.float32)
        return np.asarray(leaf)

    return jax.tree_util.tree_map_with_path(draw, params)


@pytest.mark.parametrize("name", SMALL)
def test_the_traced_form_of_every_model_has_its_logits(name):
    spec = MODELS[name]
    shape = (8, 8, 3) if spec.convolutional else (4, 4, 3)
    f, params = split(build(spec, shape, 10, jax.random.key(1)))
    params = drawn(params)
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    network = trace(f, params, x[0])
    logits, radius = network.enclose(x)
    np.testing.assert_allclose(logits, jax.vmap(f, (None, 0))(params, x), rtol=1e-4, atol=1e-4)
    assert radius.max() < 1e-3
    if isinstance(spec, MLPSpec):
        assert radius.max() < 1e-9
        assert len(network.affine) == len(spec.hidden) + 1


def combined(name: str, shape: tuple[int, ...] = (8, 8, 3)):
    return build(find_model(name), shape, 10, jax.random.key(1))


def batch(n: int, valid: int | None = None, dropout: float = 0.0) -> Batch:
    return Batch(jnp.arange(n) < (n if valid is None else valid), dropout, jax.random.key(3))


@pytest.mark.parametrize("name", ["inception", "wide-resnet-10-1"])
def test_training_normalizes_by_the_valid_examples_of_the_batch_alone(name: str):
    model, rng = combined(name), np.random.default_rng(2)
    x = jnp.asarray(rng.normal(size=(7, 8, 8, 3)).astype(np.float32))
    logits, moved = model.train(x[:5], batch(5))
    filled, also = model.train(x, batch(7, valid=5))
    np.testing.assert_allclose(filled[:5], logits, rtol=1e-4, atol=1e-5)
    for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(also), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert float(jnp.abs(filled[:5] - model.train(x, batch(7))[0][:5]).max()) > 1e-3


def test_running_statistics_move_by_a_tenth_towards_those_of_the_batch():
    model = combined("inception")
    x = jnp.asarray(np.random.default_rng(2).normal(size=(6, 8, 8, 3)).astype(np.float32))
    _, moved = model.train(x, batch(6))
    y = np.asarray(
        jax.lax.conv_general_dilated(
            x, model.stem.convolution.kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        np.float64,
    )
    np.testing.assert_allclose(moved.stem.norm.mean, 0.1 * y.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(moved.stem.norm.variance, 0.9 + 0.1 * y.var(axis=(0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize("name", ["mlp-2x256", "alexnet", "inception-nobatchnorm"])
def test_without_normalization_and_dropout_training_predicts_what_inference_does(name: str):
    model = combined(name)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(4, 8, 8, 3)).astype(np.float32))
    logits, same = model.train(x, batch(4))
    np.testing.assert_allclose(logits, jax.vmap(model)(x), rtol=1e-4, atol=1e-5)
    for a, b in zip(jax.tree.leaves(same), jax.tree.leaves(model), strict=True):
        assert a is b


def test_after_many_steps_on_one_batch_inference_predicts_what_training_does():
    model = combined("inception")
    x = jnp.asarray(np.random.default_rng(2).normal(size=(6, 8, 8, 3)).astype(np.float32))
    step = jax.jit(lambda model: model.train(x, batch(6)))
    for _ in range(150):
        logits, model = step(model)
    np.testing.assert_allclose(jax.vmap(model)(x), logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["mlp-2x256", "alexnet", "inception", "wide-resnet-10-1"])
def test_dropout_is_unbiased_and_depends_on_the_key(name: str):
    model = combined(name)
    x = jnp.asarray(np.random.default_rng(2).normal(size=(4, 8, 8, 3)).astype(np.float32))
    plain = model.train(x, batch(4))[0]
    one = model.train(x, batch(4, dropout=0.5))[0]
    assert np.array_equal(one, model.train(x, batch(4, dropout=0.5))[0])
    assert float(jnp.abs(one - plain).max()) > 1e-3
    kept = Batch(jnp.ones(2, bool), 0.25, jax.random.key(0)).drop(jnp.ones((2, 200_000)), 0)
    assert set(np.unique(kept).tolist()) == {0.0, float(np.float32(1 / 0.75))}
    assert abs(float(kept.mean()) - 1) < 5 * (0.25 / 0.75 / 400_000) ** 0.5


def test_statistics_are_told_from_weights():
    for name, expected in (
        ("inception", 2 * (96 + 64 + 80 + 80 + 160 + 160 + 160 + 144 + 96 + 336 + 336)),
        ("alexnet", 0),
    ):
        params = split(build(MODELS[name], (28, 28, 3), 10, KEY))[1]
        leaves = zip(jax.tree.leaves(params), jax.tree.leaves(statistics(params)), strict=True)
        assert sum(leaf.size for leaf, aside in leaves if aside) == expected
    wide = split(build(MODELS["wide-resnet-10-1"], (8, 8, 3), 10, KEY))[1]
    marked = jax.tree_util.tree_leaves_with_path(statistics(wide))
    assert {jax.tree_util.keystr(p).rsplit(".", 1)[1] for p, aside in marked if aside} == {"mean", "variance"}


def test_the_specs_say_whether_they_take_maps():
    assert InceptionSpec(name="inception").convolutional
    assert WideResNetSpec(name="wide-resnet", depth=10, widen=1).convolutional
    assert not MLPSpec(name="mlp", hidden=(3,)).convolutional
