"""What cannot be expressed is refused at once, with the primitive, the layer and the line of this file."""

from __future__ import annotations

import inspect
import re
from typing import Any

import equinox as eqx
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.errors import NetworkError
from boundcheck.network import Refusal, trace

W = {
    "a": {"w": jnp.eye(4, dtype=jnp.float32)},
    "b": {"w": jnp.ones((4, 4), dtype=jnp.float32), "b": jnp.ones(4, dtype=jnp.float32)},
}
X = np.ones(4, np.float32)


def reasons(f, params: Any = W, x: Any = X):
    with pytest.raises(NetworkError) as caught:
        trace(f, params, x)
    assert str(caught.value) == "; ".join(caught.value.reasons)
    assert not re.search(r"/(work|tmp|home)/", str(caught.value))
    return caught.value.reasons


def test_all_obstacles_are_listed_with_layer_and_line():
    def f(p, x):
        x = jnp.exp(p["a"]["w"] @ x)
        x = jax.nn.sigmoid(p["b"]["w"] @ x) * jnp.tanh(x)
        return jnp.sin(x)

    line = inspect.getsourcelines(f)[1]
    found = reasons(f)
    assert len(found) == 3
    for text, primitive, layer, offset in zip(found, ["exp", "mul", "sin"], "abb", [1, 2, 3], strict=True):
        assert f"`{primitive}`" in text
        assert f"`{layer}`" in text
        assert f"test_trace_refusals.py:{line + offset}" in text


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda p, x: x * x, "multiplies two values that both depend on the input"),
        (lambda p, x: jnp.outer(x, x) @ x, "multiplies two values"),
        (lambda p, x: x / (1 + jnp.sum(x)), "divides by a value that depends on the input"),
        (lambda p, x: 1 / x, "divides by a value"),
        (lambda p, x: jnp.maximum(x, p["a"]["w"][0]), "a limit that differs between entries"),
        (
            lambda p, x: jnp.clip(x, -p["b"]["b"], jnp.arange(4.0, dtype=jnp.float32)),
            "differs between entries",
        ),
        (lambda p, x: jax.lax.clamp(jnp.float32(0), p["b"]["b"], x), "uses a limit or a place"),
        (lambda p, x: jax.lax.clamp(jnp.float32(0), x, p["b"]["w"] @ x), "uses a limit or a place"),
        (lambda p, x: jnp.where(x > 1, x, 0), "chooses by comparing values"),
        (lambda p, x: jnp.where(x > 0, x, 1), "chooses by comparing values"),
        (lambda p, x: jnp.where(x > 0, p["a"]["w"] @ x, x), "chooses by comparing values"),
        (lambda p, x: jnp.sign(x), "chooses by comparing values"),
        (lambda p, x: x[jnp.argmax(x)] * jnp.ones(4, dtype=jnp.float32), "`argmax`"),
        (lambda p, x: jax.nn.softmax(x), "a softmax, or a normalization"),
        (lambda p, x: x / jnp.linalg.norm(x), "inference mode"),
        (lambda p, x: jax.nn.silu(x), "multiplies two values that both depend"),
        (lambda p, x: jnp.sin(x), "neither affine in the input nor a nonlinearity"),
        (lambda p, x: jnp.sort(x), "`sort`"),
        (lambda p, x: x[:0].sum() + x, "a value that has no entries"),
        (lambda p, x: jnp.convolve(x[:1], p["b"]["b"], "valid")[:0].sum() + x, "a value that has no entries"),
        (lambda p, x: jnp.pad(x, 1, constant_values=x[0]), "pads with a value that depends on the input"),
        (lambda p, x: x.at[jnp.array([0, 9])].get(mode="fill", fill_value=0), "from outside the value"),
        (lambda p, x: x.at[jnp.array([0, 9])].get(mode="fill"), "from outside the value"),
        (lambda p, x: x + jnp.inf, "not finite"),
        (lambda p, x: jnp.maximum(x, jnp.nan), "not finite"),
        (
            lambda p, x: jax.lax.fori_loop(0, x[0].astype(jnp.int16), lambda i, c: c + x, x),
            "loop or a branch",
        ),
        (lambda p, x: jax.lax.cond(x[0] > 0, lambda: x, lambda: -x), "loop or a branch"),
        (lambda p, x: x.astype(jnp.bfloat16), "rounds from float32 to bfloat16"),
        (lambda p, x: jax.lax.scan(lambda c, w: (w @ c, None), x, p["a"]["w"][None])[0], "loop or a branch"),
        (lambda p, x: x / 0.0, "zeros"),
        (lambda p, x: x * (p["a"]["w"][0] / 0.0), "not finite"),
        (lambda p, x: (x - x.mean()) * jax.lax.rsqrt(x.var()), "inference mode"),
        (lambda p, x: jnp.sum(x), "vector of at least two logits"),
        (lambda p, x: x[None], "drop the batch axis"),
        (lambda p, x: x[:1], "at least two logits"),
        (lambda p, x: (x, x), "returns 2 arrays"),
        (lambda p, x: p["b"]["b"], "does not depend on the input"),
        (lambda p, x: x if x[0] > 0 else -x, "only shapes"),
        (lambda p, x: x * jax.random.normal(jax.random.key(0), (4,), jnp.float32), "random numbers"),
        (lambda p, x: jax.nn.gelu(x), "multiplies two values"),
        (lambda p, x: jax.nn.gelu(x, approximate=False), "`erfc`"),
    ],
)
def test_refusals_say_what_to_change(f, words):
    assert any(words in reason for reason in reasons(f))


MAP = np.ones((6, 6, 2), np.float32)
KERNEL = {"conv": {"kernel": jnp.ones((3, 3, 2, 4), dtype=jnp.float32)}}


def _conv(x, kernel, **options):
    numbers = ("NHWC", "HWIO", "NHWC")
    options = {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": numbers} | options
    return jax.lax.conv_general_dilated(x, kernel, **options)


def _several(p, x):
    return _conv(jnp.stack([x, 2 * x]), p["conv"]["kernel"]).reshape(-1)


def _transposed(p, x):
    return jax.lax.conv_transpose(x[None], p["conv"]["kernel"], (2, 2), "SAME").reshape(-1)


def _deep(p, x):
    numbers = ("NDHWC", "DHWIO", "NDHWC")
    kernel = p["conv"]["kernel"][None]
    return _conv(x[None, None], kernel, window_strides=(1, 1, 1), dimension_numbers=numbers).reshape(-1)


def _dynamic_kernel(p, x):
    return _conv(x[None], jnp.ones((3, 3, 2, 4), dtype=jnp.float32) * x[0, 0, 0]).reshape(-1)


def _mixed_batch(p, x):
    return _conv(x.transpose(2, 0, 1)[..., None], p["conv"]["kernel"][:, :, :1], batch_group_count=2).reshape(
        -1
    )


def _padding_alone(p, x):
    window = ((1, 2, 2, 1), (1, 2, 2, 1), ((0, 0), (2, 0), (0, 0), (0, 0)))
    return jax.lax.reduce_window(x[None], -jnp.inf, jax.lax.max, *window).reshape(-1)


def _dilated_base(p, x):
    window = ((2, 2, 1), (1, 1, 1), "VALID", (2, 2, 1))
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *window).reshape(-1)


def _product_pool(p, x):
    return jax.lax.reduce_window(x, np.float32(1), jax.lax.mul, (2, 2, 1), (1, 1, 1), "VALID").reshape(-1)


@pytest.mark.parametrize(
    ("f", "primitive", "layer", "words"),
    [
        (_several, "conv_general_dilated", "conv", "several maps at once"),
        (_transposed, "conv_general_dilated", "conv", "transposed convolution"),
        (_deep, "conv_general_dilated", "conv", "in 3 dimensions; one and two are supported"),
        (_dynamic_kernel, "conv_general_dilated", "input", "a kernel that depends on the input"),
        (_mixed_batch, "conv_general_dilated", "conv", "mixes examples"),
        (_padding_alone, "reduce_window_max", "input", "pools over padding alone"),
        (_dilated_base, "reduce_window_max", "input", "a dilated base"),
        (_product_pool, "reduce_window", "input", "neither affine in the input nor a nonlinearity"),
    ],
    ids=lambda v: v.__name__.strip("_") if callable(v) else "",
)
def test_convolutions_and_pooling_of_other_kinds_are_refused_with_layer_and_line(f, primitive, layer, words):
    lines, first = inspect.getsourcelines(f)
    (reason,) = reasons(f, KERNEL, MAP)
    assert words in reason
    assert f"layer `{layer}`" in reason
    (line,) = re.findall(rf"\(`{primitive}`, test_trace_refusals\.py:(\d+)\)", reason)
    assert first < int(line) < first + len(lines) or line == str(inspect.getsourcelines(_conv)[1] + 3)


def test_a_slice_at_a_place_that_depends_on_the_input_is_refused():
    def f(p, x):
        return jax.lax.dynamic_slice(x, (x[0].astype(jnp.int32),), (2,))

    assert any("slices at a place that depends on the input" in text for text in reasons(f))


def test_an_affine_map_that_is_no_convolution_is_refused():
    """A sum over windows along three axes."""

    def f(p, x):
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, (2, 2, 2), (1, 1, 1), "VALID").reshape(-1)

    (reason,) = reasons(f, {}, MAP)
    assert "too large for an explicit matrix (`reduce_window_sum`, test_trace_refusals.py" in reason


def test_a_jitted_function_called_relu_proves_nothing():
    @jax.jit
    def relu(x):
        return jnp.exp(x)

    assert "`exp`" in reasons(lambda p, x: relu(x))[0]


def test_a_line_inside_a_library_is_reported_where_it_is_called():
    def f(p, x):
        x = jax.nn.silu(x)
        return jax.nn.silu(x)

    line = inspect.getsourcelines(f)[1]
    first, second = reasons(f)
    assert f"test_trace_refusals.py:{line + 1}" in first
    assert f"test_trace_refusals.py:{line + 2}" in second


def test_integer_arithmetic_is_refused():
    whole = np.ones(4, np.uint8)
    assert "wrap around" in reasons(lambda p, x: (x + x).astype(jnp.float32), x=whole)[0]
    assert "rounds from int32" in reasons(lambda p, x: x.astype(jnp.float32), x=np.ones(4, np.int32))[0]


def test_training_mode_batch_norm_is_refused():
    class Net(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, x):
            x = flax.linen.BatchNorm(use_running_average=False)(flax.linen.Dense(4)(x)[None])
            return flax.linen.Dense(4)(x[0])

    net = Net()
    variables = net.init(jax.random.key(0), X)
    found = reasons(lambda v, x: net.apply(v, x, mutable=["batch_stats"])[0], variables)
    assert any("BatchNorm_0" in text and "inference mode" in text for text in found)


def test_weights_that_are_not_finite_are_named():
    bad = eqx.tree_at(lambda p: p["b"]["b"], W, jnp.asarray([1.0, np.nan, 0, 0], jnp.float32))
    assert "`b/b`" in reasons(lambda p, x: p["b"]["w"] @ x + p["b"]["b"], bad)[0]
    assert trace(lambda p, x: p["b"]["w"] @ x, bad, X).affine[0].free


def test_parameters_and_examples_must_be_arrays():
    assert "`act`" in reasons(lambda p, x: x, {"act": jax.nn.relu})[0]
    assert "one array" in reasons(lambda p, x: x[0], W, [X])[0]


def test_a_network_that_is_not_a_chain_says_so():
    def f(p, x):
        return jax.nn.relu(p["b"]["w"] @ jax.nn.relu(x) + p["b"]["b"])

    refusal = trace(f, W, X).chain()
    assert isinstance(refusal, Refusal)
    assert not refusal
    assert [word for word in ("starts", "ends", "layer `b` has a bias") if word not in str(refusal)] == []
    assert len(refusal.reasons) == 3


def test_a_bias_that_is_zero_today_is_a_bias():
    params = {"w": jnp.eye(4, dtype=jnp.float32), "b": jnp.zeros(4, dtype=jnp.float32)}
    network = trace(lambda p, x: p["w"] @ x + p["b"], params, X)
    assert not network.chain()
    assert network.chain(biases=True)
    assert trace(lambda p, x: p["w"] @ x, params, X).chain()


@pytest.mark.parametrize(
    "f",
    [
        lambda p, x: p["a"]["w"] @ jax.nn.relu(x) + x,
        lambda p, x: jnp.maximum(x, p["a"]["w"] @ x),
        lambda p, x: jnp.maximum(x, 0.5),
        lambda p, x: jnp.concatenate([x, jax.nn.relu(x)]),
        lambda p, x: jnp.convolve(x, jnp.ones(2, dtype=jnp.float32)),
        lambda p, x: jnp.where(x > 0, x, 0),
        lambda p, x: jax.nn.leaky_relu(jnp.tanh(p["a"]["w"] @ x)),
        lambda p, x: jax.nn.sigmoid(x),
    ],
)
def test_what_was_refused_once_is_a_network_now(f):
    x = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
    logits, radius = trace(f, W, X).enclose(x)
    np.testing.assert_allclose(logits, np.stack([f(W, jnp.asarray(row)) for row in x]), rtol=1e-5, atol=1e-6)
    assert radius.max() < 1e-10
