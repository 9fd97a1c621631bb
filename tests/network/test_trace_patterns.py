"""The same mathematics is the same network, whichever library wrote it."""

from __future__ import annotations

import equinox as eqx
import flax.linen
import flax.nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.interval import Interval
from boundcheck.network import Affine, Chain, Convolution, Dense, Relu, trace

_RNG = np.random.default_rng(0)
WEIGHTS = [_RNG.normal(size=shape).astype(np.float32) for shape in ((5, 4), (6, 5), (3, 6))]
BIASES = [_RNG.normal(size=n).astype(np.float32) for n in (5, 6, 3)]
X = _RNG.normal(size=4).astype(np.float32)


def bare():
    params = [
        {"kernel": jnp.asarray(w.T), "bias": jnp.asarray(b)} for w, b in zip(WEIGHTS, BIASES, strict=True)
    ]

    def f(params, x):
        for layer in params[:-1]:
            x = jnp.maximum(x @ layer["kernel"] + layer["bias"], 0)
        return x @ params[-1]["kernel"] + params[-1]["bias"]

    return f, params


def flipped():
    """The zero on the other side, the weight on the left, a batch axis of one inside, an array of zeros."""
    params = list(zip(map(jnp.asarray, WEIGHTS), map(jnp.asarray, BIASES), strict=True))

    def f(params, x):
        x = x[:, None]
        for w, b in params[:-1]:
            h = w @ x + b[:, None]
            x = jnp.maximum(jnp.zeros_like(h), h)
        w, b = params[-1]
        return jnp.squeeze((w @ x).T, 0) + b

    return f, params


def jitted_blocks():
    @jax.jit
    def block(layer, x):
        return jax.nn.relu(layer["kernel"].T @ x + layer["bias"])

    _, params = bare()

    def f(params, x):
        for layer in params[:-1]:
            x = block(layer, x)
        return x @ params[-1]["kernel"] + params[-1]["bias"]

    return f, params


def checkpointed():
    f, params = bare()
    return jax.checkpoint(f), params


def checkpointed_blocks():
    @jax.checkpoint
    def block(layer, x):
        return jax.nn.relu(x @ layer["kernel"] + layer["bias"])

    _, params = bare()

    def f(params, x):
        for layer in params[:-1]:
            x = block(layer, x)
        return x @ params[-1]["kernel"] + params[-1]["bias"]

    return f, params


def custom_vjp_relu():
    @jax.custom_vjp
    def positive(x):
        return jnp.maximum(x, 0.0)

    positive.defvjp(lambda x: (positive(x), x), lambda x, g: (g * (x > 0),))
    _, params = bare()

    def f(params, x):
        for layer in params[:-1]:
            x = positive(x @ layer["kernel"] + layer["bias"])
        return x @ params[-1]["kernel"] + params[-1]["bias"]

    return f, params


class Mlp(eqx.Module):
    layers: list[eqx.nn.Linear]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)


def equinox():
    key = jax.random.key(0)
    layers = []
    for w, b in zip(WEIGHTS, BIASES, strict=True):
        layer = eqx.nn.Linear(w.shape[1], w.shape[0], key=key)
        layers.append(eqx.tree_at(lambda m: (m.weight, m.bias), layer, (jnp.asarray(w), jnp.asarray(b))))
    params, static = eqx.partition(Mlp(layers), eqx.is_array)
    return lambda p, x: eqx.combine(p, static)(x), params


class LinenMlp(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x):
        x = flax.linen.relu(flax.linen.Dense(5)(x))
        x = flax.linen.relu(flax.linen.Dense(6)(x))
        return flax.linen.Dense(3)(x)


def linen():
    layers = {
        f"Dense_{i}": {"kernel": jnp.asarray(w.T), "bias": jnp.asarray(b)}
        for i, (w, b) in enumerate(zip(WEIGHTS, BIASES, strict=True))
    }
    return LinenMlp().apply, {"params": layers}


class NnxMlp(flax.nnx.Module):
    def __init__(self, rngs):
        self.layers = flax.nnx.List([flax.nnx.Linear(w.shape[1], w.shape[0], rngs=rngs) for w in WEIGHTS])
        for layer, w, b in zip(self.layers, WEIGHTS, BIASES, strict=True):
            layer.kernel[...] = jnp.asarray(w.T)
            assert layer.bias is not None
            layer.bias[...] = jnp.asarray(b)

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = flax.nnx.relu(layer(x))
        return self.layers[-1](x)


def nnx():
    graph, state = flax.nnx.split(NnxMlp(flax.nnx.Rngs(0)))
    return lambda s, x: flax.nnx.merge(graph, s)(x), state


PATTERNS = {
    bare: "[{}]",
    flipped: "[{}]",
    jitted_blocks: "[{}]",
    checkpointed: "[{}]",
    checkpointed_blocks: "[{}]",
    custom_vjp_relu: "[{}]",
    equinox: "layers[{}]",
    linen: "params/Dense_{}",
    nnx: "layers[{}]",
}


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("jit", [False, True], ids=["plain", "jitted"])
def test_every_way_to_write_a_network_is_one_network(pattern, jit):
    f, params = pattern()
    network = trace(jax.jit(f) if jit else f, params, X)
    assert [type(n.operation) for n in network.nodes[1:]] == [Affine, Relu, Affine, Relu, Affine]
    assert [n.inputs for n in network.nodes] == [(), (0,), (1,), (2,), (3,), (4,)]
    assert (network.in_shape, network.classes, network.parameters) == ((4,), 3, 25 + 36 + 21)
    assert [a.label for a in network.affine] == [PATTERNS[pattern].format(i) for i in range(3)]
    for piece, w, b in zip(network.affine, WEIGHTS, BIASES, strict=True):
        np.testing.assert_array_equal(piece.matrix, w.astype(np.float64), strict=True)
        np.testing.assert_array_equal(piece.bias, b.astype(np.float64), strict=True)
        assert piece.is_exact
        assert piece.has_bias
        assert piece.free
        assert not piece.matrix.flags.writeable
        assert piece.source.startswith("test_trace_patterns.py:")
    chain = network.chain(biases=True)
    assert isinstance(chain, Chain)
    assert chain.widths == (4, 5, 6, 3)
    assert chain.plain == network.affine
    assert [layer.plain for layer in chain.layers] == list(network.affine)
    assert [layer.lipschitz for layer in chain.layers] == [Interval(1)] * 3
    assert all(layer.homogeneous for layer in chain.layers)
    assert chain.homogeneous
    logits, radius = network.enclose(X[None])
    np.testing.assert_allclose(logits[0], f(params, jnp.asarray(X)), rtol=1e-5, atol=1e-5)
    assert radius.max() < 1e-13


def test_two_calls_of_one_jitted_block_are_two_layers():
    block = jax.jit(lambda w, x: jax.nn.relu(w @ x))
    w = [jnp.asarray(_RNG.normal(size=(4, 4)), jnp.float32) for _ in range(2)]
    network = trace(lambda p, x: p[0] @ block(p[1], block(p[0], x)), w, X)
    matrices = [np.asarray(w[i], np.float64) for i in (0, 1, 0)]
    for piece, matrix in zip(network.affine, matrices, strict=True):
        np.testing.assert_array_equal(piece.matrix, matrix)
    assert [piece.free for piece in network.affine] == [False, True, False]


def test_image_input_is_flattened_in_order():
    w = jnp.asarray(_RNG.normal(size=(3, 12)), jnp.float32)
    network = trace(lambda w, x: w @ x.reshape(-1), w, np.zeros((2, 3, 2), np.float32))
    (piece,) = network.affine
    assert piece.in_shape == (2, 3, 2)
    np.testing.assert_array_equal(piece.matrix, w)
    turned = trace(lambda w, x: w @ x.transpose(2, 0, 1).reshape(-1), w, np.zeros((2, 3, 2), np.float32))
    x = _RNG.normal(size=(2, 3, 2))
    np.testing.assert_allclose(
        turned.affine[0].mv(x), np.asarray(w, np.float64) @ x.transpose(2, 0, 1).ravel(), rtol=1e-12
    )
    assert turned.affine[0].is_exact
    assert turned.affine[0].free


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_weights_are_exact(dtype):
    w = jnp.asarray(WEIGHTS[0], dtype)
    (piece,) = trace(lambda w, x: w.astype(jnp.float32) @ x, w, X).affine
    assert piece.is_exact
    assert piece.free
    np.testing.assert_array_equal(piece.matrix, np.asarray(w).astype(np.float64))
    (piece,) = trace(lambda w, x: w.astype(dtype).astype(jnp.float32) @ x, jnp.asarray(WEIGHTS[0]), X).affine
    assert not piece.free


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.int16])
def test_integer_examples_convert_exactly(dtype):
    w = jnp.asarray(WEIGHTS[0])
    (piece,) = trace(lambda w, x: w @ x.astype(jnp.float32), w, np.zeros(4, dtype)).affine
    assert piece.is_exact
    assert piece.free


class NormedLinen(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x):
        x = flax.linen.Dense(5)(x)
        x = flax.linen.BatchNorm(use_running_average=True)(x)
        return flax.linen.Dense(3)(flax.linen.relu(x))


def test_batch_norm_at_inference_folds_into_the_layer_before_it():
    model = NormedLinen()
    variables = model.init(jax.random.key(1), X)
    variables["batch_stats"]["BatchNorm_0"] = {
        "mean": jnp.asarray(BIASES[0]),
        "var": jnp.asarray(BIASES[0] ** 2),
    }
    network = trace(model.apply, variables, X)
    first, last = network.affine
    assert first.label == "params/Dense_0"
    assert (first.free, last.free) == (False, True)
    scale = np.asarray(jax.lax.rsqrt(jnp.asarray(BIASES[0] ** 2) + 1e-5), np.float64)
    kernel = np.asarray(variables["params"]["Dense_0"]["kernel"], np.float64)
    # Products of two float32 numbers are exact in float64.
    assert first.radius is None
    np.testing.assert_array_equal(first.matrix, scale[:, None] * kernel.T)
    logits, _ = network.enclose(X[None])
    np.testing.assert_allclose(logits[0], np.asarray(model.apply(variables, X)), rtol=1e-5, atol=1e-5)


def test_dead_equations_are_ignored():
    def f(w, x):
        _ = jnp.tanh(x) * x
        return w @ x

    assert trace(f, jnp.asarray(WEIGHTS[0]), X).affine[0].free


def test_sums_within_one_piece_are_affine():
    w = jnp.asarray(WEIGHTS[0])
    (piece,) = trace(lambda w, x: w @ (x - x.mean()), w, X).affine
    exact = np.asarray(w, np.float64) @ (np.eye(4) - 0.25)
    np.testing.assert_allclose(piece.matrix, exact, atol=1e-15)
    assert piece.radius is not None
    assert (np.abs(piece.matrix - exact) <= piece.radius + 1e-16).all()


def test_relu_of_relu_is_one_relu():
    w = jnp.asarray(WEIGHTS[0])
    network = trace(lambda w, x: w.T[:, :4] @ jax.nn.relu(jax.nn.relu(w[:4] @ x)), w, X)
    assert len(network.nodes) == 4


def _free(f, params):
    return [piece.free for piece in trace(f, params, X).affine]


def test_only_layers_of_parameters_used_once_are_free():
    w, b, v = jnp.asarray(WEIGHTS[0]), jnp.asarray(BIASES[0]), jnp.asarray(WEIGHTS[1])
    assert _free(lambda p, x: p @ x, w) == [True]
    assert _free(lambda p, x: x @ jnp.reshape(p.T, (4, 5)), w) == [True]
    assert _free(lambda p, x: p @ x + w[:, 0], w) == [False]
    assert _free(lambda p, x: (2 * p) @ x, w) == [False]
    assert _free(lambda p, x: 2 * (p @ x), w) == [False]
    assert _free(lambda p, x: p @ (x / 255), w) == [False]
    assert _free(lambda p, x: p @ x + p[:, 0], w) == [False]
    assert _free(lambda p, x: p[0] @ x + p[1][0], (w, b)) == [False]
    assert _free(lambda p, x: p[1] @ (p[0] @ x), (w, v)) == [False]
    assert _free(lambda p, x: w @ x, w) == [False]
    assert _free(lambda p, x: p.T @ jax.nn.relu(p @ x), w) == [False, False]


def test_one_matrix_at_every_position_is_a_convolution_whose_kernel_is_free():
    p = jnp.asarray(_RNG.normal(size=(4, 3)), jnp.float32)
    (piece,) = trace(lambda p, x: (x @ p).reshape(-1), p, np.zeros((2, 4), np.float32)).affine
    assert isinstance(piece.operator, Convolution)
    assert piece.operator.parameters == 12
    assert piece.free
    assert piece.is_exact
    np.testing.assert_array_equal(piece.matrix, np.kron(np.eye(2), np.asarray(p, np.float64).T))
    # As a dense layer of the whole example the same numbers would occur twice: that is one parameter in two places.
    (dense,) = trace(lambda p, x: p @ x.reshape(-1), piece.matrix, np.zeros((2, 4))).affine
    assert isinstance(dense.operator, Dense)
    assert dense.operator.parameters == 48
    # A matrix of one position only is dense, whatever the program calls it.
    (single,) = trace(lambda p, x: (x @ p)[0], p, np.zeros((1, 4), np.float32)).affine
    assert isinstance(single.operator, Dense)
    assert single.free
    np.testing.assert_array_equal(single.matrix, np.asarray(p.T, np.float64))


def test_a_parameter_that_a_constant_shares_is_not_free():
    """The same matrix in two layers, once by itself and once scaled, is free in neither."""
    w = jnp.asarray(_RNG.normal(size=(4, 4)), jnp.float32)
    assert _free(lambda p, x: (2 * p) @ jax.nn.relu(p @ x), w) == [False, False]
    # A value that is read twice is one piece, not two with the same weights.
    v = jnp.asarray(_RNG.normal(size=(4, 4)), jnp.float32)

    def skip(p, x):
        h = p[0] @ x
        return h + p[1] @ jax.nn.relu(h)

    network = trace(skip, (w, v), X)
    assert [piece.label for piece in network.affine] == ["[0]", "[1]"]
    assert [piece.free for piece in network.affine] == [True, True]
