import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from boundcheck.errors import UnknownNameError
from boundcheck.models import MODELS, ModelSpec, build, count, list_models, parameters, split
from boundcheck.network import trace

KEY = jax.random.key(0)


def read(value: object) -> ModelSpec:
    return TypeAdapter(ModelSpec).validate_python(value)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("mlp-1x512", (28, 28, 3), 1_209_866),
        ("mlp-3x512", (28, 28, 3), 1_735_178),
        ("mlp-2x512", (28, 28, 1), 669_706),
        ("mlp-2x512-nobias", (28, 28, 1), 669_706 - 512 - 512 - 10),
        ("mlp-2x256-nobias", (8, 8, 1), 64 * 256 + 256 * 256 + 256 * 10),
    ],
)
def test_parameters_are_those_of_the_papers(name: str, shape: tuple[int, ...], expected: int):
    assert parameters(MODELS[name], shape, 10) == expected
    assert count(split(build(MODELS[name], shape, 10, KEY))[1]) == expected


def test_counting_parameters_allocates_nothing():
    huge = ModelSpec(name="mlp", hidden=(1_000_000, 1_000_000))
    assert parameters(huge, (28, 28, 1), 10) == 785_000_000 + 1_000_001_000_000 + 10_000_010


def test_the_listing_names_every_model_by_input_shape():
    listed = {entry["name"]: entry["parameters"] for entry in list_models()}
    assert listed.keys() == MODELS.keys()
    assert listed["mlp-2x512"]["28x28x1"] == 669_706
    assert all(tuple(shapes) == ("8x8x1", "28x28x1", "28x28x3") for shapes in listed.values())


@pytest.mark.parametrize("bias", [True, False])
def test_an_mlp_is_the_formula(bias: bool):
    spec = ModelSpec(name="mlp", hidden=(7, 5), bias=bias)
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
    assert by_name == ModelSpec.model_validate_json(by_name.model_dump_json())
    assert by_name == ModelSpec.model_validate(by_name.model_dump(mode="json"))
    assert read({"name": "mlp", "hidden": []}).bias is True


def test_an_unknown_model_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown model 'mlp-2x521'; did you mean 'mlp-2x512"):
        read("mlp-2x521")


@pytest.mark.parametrize(
    "value",
    [
        {"name": "cnn", "hidden": [3]},
        {"name": "mlp"},
        {"name": "mlp", "hidden": [0]},
        {"name": "mlp", "hidden": [2.5]},
        {"name": "mlp", "hidden": [3], "depth": 2},
        {"name": "mlp", "hidden": [3], "bias": "no"},
        7,
    ],
)
def test_a_malformed_table_is_refused(value: object):
    with pytest.raises(ValidationError):
        read(value)


@pytest.mark.parametrize("name", MODELS)
def test_the_traced_form_of_every_model_has_its_logits(name):
    spec, shape = MODELS[name], (4, 4, 3)
    f, params = split(build(spec, shape, 10, jax.random.key(1)))
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    network = trace(f, params, x[0])
    logits, radius = network.enclose(x)
    np.testing.assert_allclose(logits, jax.vmap(f, (None, 0))(params, x), rtol=1e-4, atol=1e-4)
    assert radius.max() < 1e-9
    assert len(network.affine) == len(spec.hidden) + 1
