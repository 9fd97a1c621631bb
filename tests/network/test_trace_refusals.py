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
        x = jnp.tanh(p["a"]["w"] @ x)
        x = jax.nn.sigmoid(p["b"]["w"] @ x)
        return jnp.sin(x)

    line = inspect.getsourcelines(f)[1]
    found = reasons(f)
    assert len(found) == 3
    for text, primitive, layer, offset in zip(
        found, ["tanh", "logistic", "sin"], "abb", [1, 2, 3], strict=True
    ):
        assert f"`{primitive}`" in text
        assert f"`{layer}`" in text
        assert f"test_trace_refusals.py:{line + offset}" in text


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda p, x: p["a"]["w"] @ jax.nn.relu(x) + x, "residual sum"),
        (lambda p, x: x * x, "multiplies two values that both depend on the input"),
        (lambda p, x: jnp.outer(x, x) @ x, "multiplies two values"),
        (lambda p, x: x / (1 + jnp.sum(x)), "divides by a value that depends on the input"),
        (lambda p, x: 1 / x, "divides by a value"),
        (lambda p, x: jnp.maximum(x, p["a"]["w"] @ x), "maximum of two values"),
        (lambda p, x: jnp.maximum(x, 0.5), "not 0"),
        (lambda p, x: jnp.concatenate([x, jax.nn.relu(x)]), "concatenation"),
        (lambda p, x: x.astype(jnp.bfloat16), "rounds from float32 to bfloat16"),
        (lambda p, x: jax.lax.scan(lambda c, w: (w @ c, None), x, p["a"]["w"][None])[0], "loop or a branch"),
        (lambda p, x: x / 0.0, "zeros"),
        (lambda p, x: x * (p["a"]["w"][0] / 0.0), "not finite"),
        (lambda p, x: jnp.convolve(x, jnp.ones(2, dtype=jnp.float32)), "convolution"),
        (lambda p, x: (x - x.mean()) * jax.lax.rsqrt(x.var()), "inference mode"),
        (lambda p, x: jnp.sum(x), "vector of at least two logits"),
        (lambda p, x: x[None], "drop the batch axis"),
        (lambda p, x: x[:1], "at least two logits"),
        (lambda p, x: (x, x), "returns 2 arrays"),
        (lambda p, x: p["b"]["b"], "does not depend on the input"),
        (lambda p, x: x if x[0] > 0 else -x, "only shapes"),
        (lambda p, x: x * jax.random.normal(jax.random.key(0), (4,), jnp.float32), "random numbers"),
        (lambda p, x: jax.nn.gelu(x), "ReLU"),
        (lambda p, x: jnp.where(x > 0, x, 0), "`select_n`"),
    ],
)
def test_refusals_say_what_to_change(f, words):
    assert any(words in reason for reason in reasons(f))


def test_a_jitted_function_called_relu_proves_nothing():
    @jax.jit
    def relu(x):
        return jnp.exp(x)

    assert "`exp`" in reasons(lambda p, x: relu(x))[0]


def test_a_line_inside_a_library_is_reported_where_it_is_called():
    def f(p, x):
        x = jax.nn.sigmoid(x)
        return jax.nn.sigmoid(x)

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
