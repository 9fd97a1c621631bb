"""One image classifier, written in four libraries, is one network with the logits of the function."""

# Arrays of fractions have no types, and the generator defines one function a branch.
# pyright: reportRedeclaration=false, reportCallIssue=false, reportAssignmentType=false

from __future__ import annotations

import functools
from fractions import Fraction

import equinox as eqx
import flax.linen
import flax.nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from independent import (
    QUICK,
    assert_same_function,
    conv,
    kinds,
    max_pool,
    normal,
    rational,
    rational_conv,
    sum_pool,
)
from jax import lax

from boundcheck.network import Chain, trace

# One network in four libraries ---------------------------------------------------------------------------------

SHAPES = {"stem": (3, 3, 3, 4), "down": (3, 3, 4, 6), "grouped": (3, 3, 3, 6), "dilated": (3, 3, 6, 6)}
SHAPES |= {"mix": (1, 1, 12, 8), "dense": (8, 5)}
WEIGHTS = {name: np.asarray(normal(*shape, seed=i)) for i, (name, shape) in enumerate(SHAPES.items())}
BIASES = {
    name: np.asarray(normal(1, shape[-1], seed=10 + i)[0]) for i, (name, shape) in enumerate(SHAPES.items())
}
NORM = {
    "mean": np.array([0.25, -0.5, 1, 0], np.float32),
    "var": np.array([0.5, 1, 2, 3], np.float32),
    "scale": np.array([1, -0.5, 2, 1.5], np.float32),
    "bias": np.array([0.5, 0, -1, 0.25], np.float32),
}
IMAGE = np.random.default_rng(4).normal(size=(8, 8, 3)).astype(np.float32)
OPTIONS = {"stem": {}, "down": {"stride": 2}, "grouped": {"groups": 2}, "dilated": {"dilation": 2}, "mix": {}}


def bare(wrap=lambda f: f):
    params = {n: {"kernel": jnp.asarray(WEIGHTS[n]), "bias": jnp.asarray(BIASES[n])} for n in SHAPES}
    params["norm"] = {k: jnp.asarray(v) for k, v in NORM.items()}

    @functools.cache
    def block(name):
        def apply(p, x):
            return conv(x, p["kernel"], **OPTIONS[name]) + p["bias"]

        return wrap(apply)

    @wrap
    def normalize(p, x):
        return (x - p["mean"]) * (lax.rsqrt(p["var"] + 1e-5) * p["scale"]) + p["bias"]

    def f(p, x):
        h = jax.nn.relu(normalize(p["norm"], block("stem")(p["stem"], x)))
        h = jax.nn.relu(block("down")(p["down"], h))
        g = jax.nn.relu(block("grouped")(p["grouped"], h))
        d = jax.nn.relu(block("dilated")(p["dilated"], g))
        c = jnp.concatenate([h + d, max_pool(g, 3, 1)], axis=-1)
        c = sum_pool(c, 2, 2) / 4
        c = jax.nn.relu(block("mix")(p["mix"], c))
        return c.mean(axis=(0, 1)) @ p["dense"]["kernel"] + p["dense"]["bias"]

    return f, params


def whole_checkpointed():
    f, params = bare()
    return jax.checkpoint(f), params


class LinenNet(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x):
        n = flax.linen
        h = n.Conv(4, (3, 3), name="stem")(x)
        h = n.relu(n.BatchNorm(use_running_average=True, name="norm")(h))
        h = n.relu(n.Conv(6, (3, 3), 2, name="down")(h))
        g = n.relu(n.Conv(6, (3, 3), feature_group_count=2, name="grouped")(h))
        d = n.relu(n.Conv(6, (3, 3), kernel_dilation=2, name="dilated")(g))
        c = jnp.concatenate([h + d, n.max_pool(g, (3, 3), padding="SAME")], axis=-1)
        c = n.avg_pool(c, (2, 2), (2, 2))
        c = n.relu(n.Conv(8, (1, 1), name="mix")(c))
        return n.Dense(5, name="dense")(c.mean(axis=(0, 1)))


def linen():
    params = {n: {"kernel": jnp.asarray(WEIGHTS[n]), "bias": jnp.asarray(BIASES[n])} for n in SHAPES}
    params["norm"] = {k: jnp.asarray(NORM[k]) for k in ("scale", "bias")}
    stats = {"norm": {k: jnp.asarray(NORM[k]) for k in ("mean", "var")}}
    return LinenNet().apply, {"params": params, "batch_stats": stats}


class NnxNet(flax.nnx.Module):
    def __init__(self, rngs):
        n = flax.nnx
        self.stem = n.Conv(3, 4, (3, 3), rngs=rngs)
        self.norm = n.BatchNorm(4, use_running_average=True, rngs=rngs)
        self.down = n.Conv(4, 6, (3, 3), 2, rngs=rngs)
        self.grouped = n.Conv(6, 6, (3, 3), feature_group_count=2, rngs=rngs)
        self.dilated = n.Conv(6, 6, (3, 3), kernel_dilation=2, rngs=rngs)
        self.mix = n.Conv(12, 8, (1, 1), rngs=rngs)
        self.dense = n.Linear(8, 5, rngs=rngs)

    def __call__(self, x):
        n = flax.nnx
        h = n.relu(self.norm(self.stem(x[None])))
        h = n.relu(self.down(h))
        g = n.relu(self.grouped(h))
        d = n.relu(self.dilated(g))
        c = jnp.concatenate([h + d, n.max_pool(g, (3, 3), padding="SAME")], axis=-1)
        c = n.relu(self.mix(n.avg_pool(c, (2, 2), (2, 2))))
        return self.dense(c.mean(axis=(1, 2)))[0]


def nnx():
    model = NnxNet(flax.nnx.Rngs(0))
    for name in SHAPES:
        getattr(model, name).kernel[...] = jnp.asarray(WEIGHTS[name])
        getattr(model, name).bias[...] = jnp.asarray(BIASES[name])
    for key in NORM:
        getattr(model.norm, key)[...] = jnp.asarray(NORM[key])
    graph, state = flax.nnx.split(model)
    return lambda s, x: flax.nnx.merge(graph, s)(x), state


class EqxNorm(eqx.Module):
    mean: jax.Array
    var: jax.Array
    scale: jax.Array
    bias: jax.Array

    def __call__(self, x):
        mean, var, scale, bias = (a[:, None, None] for a in (self.mean, self.var, self.scale, self.bias))
        return (x - mean) * (lax.rsqrt(var + 1e-5) * scale) + bias


class EqxNet(eqx.Module):
    """Channels first, fed with an image whose channels come last."""

    stem: eqx.nn.Conv2d
    norm: EqxNorm
    down: eqx.nn.Conv2d
    grouped: eqx.nn.Conv2d
    dilated: eqx.nn.Conv2d
    mix: eqx.nn.Conv2d
    dense: eqx.nn.Linear

    def __call__(self, x):
        h = jax.nn.relu(self.norm(self.stem(x.transpose(2, 0, 1))))
        h = jax.nn.relu(self.down(h))
        g = jax.nn.relu(self.grouped(h))
        d = jax.nn.relu(self.dilated(g))
        c = jnp.concatenate([h + d, eqx.nn.MaxPool2d(3, 1, 1)(g)])
        c = jax.nn.relu(self.mix(eqx.nn.AvgPool2d(2, 2)(c)))
        return self.dense(c.mean(axis=(1, 2)))


def equinox():
    key = jax.random.key(0)
    layers = {}
    for name, options in OPTIONS.items():
        kh, kw, i, o = SHAPES[name]
        groups = options.get("groups", 1)
        layer = eqx.nn.Conv2d(i * groups, o, (kh, kw), padding="SAME", key=key, **options)
        weight = jnp.asarray(WEIGHTS[name].transpose(3, 2, 0, 1))
        new = weight, jnp.asarray(BIASES[name][:, None, None])
        layers[name] = eqx.tree_at(lambda m: (m.weight, m.bias), layer, new)
    dense = eqx.nn.Linear(8, 5, key=key)
    new = jnp.asarray(WEIGHTS["dense"].T), jnp.asarray(BIASES["dense"])
    layers["dense"] = eqx.tree_at(lambda m: (m.weight, m.bias), dense, new)
    layers["norm"] = EqxNorm(**{k: jnp.asarray(v) for k, v in NORM.items()})
    params, static = eqx.partition(EqxNet(**layers), eqx.is_array)
    return lambda p, x: eqx.combine(p, static)(x), params


PATTERNS = {
    "bare": (bare, "{}"),
    "jitted blocks": (functools.partial(bare, jax.jit), "{}"),
    "checkpointed blocks": (functools.partial(bare, jax.checkpoint), "{}"),
    "checkpointed": (whole_checkpointed, "{}"),
    "linen": (linen, "params/{}"),
    "nnx": (nnx, "{}"),
    "equinox": (equinox, "{}"),
}
NODES = [
    *["Affine", "Relu", "Affine", "Relu", "Affine", "Relu", "Affine", "Relu"],
    *["Join", "MaxPool", "Join", "Affine", "Affine", "Relu", "Affine"],
]
NORMS = ("spectral_norm", "frobenius_norm", "row_norm_sum", "column_norm_sum", "kernel_norm_sum", "inf_norm")
NORMS += ("one_norm", "entry_sum", "bias_norm", "bias_mass", "schur")


@functools.cache
def reference():
    return trace(*bare(), IMAGE)


@pytest.mark.parametrize("jit", [False, True], ids=["plain", "jitted"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_way_to_write_an_image_classifier_is_one_network(pattern, jit):
    (f, params), label = PATTERNS[pattern][0](), PATTERNS[pattern][1]
    network = trace(jax.jit(f) if jit else f, params, IMAGE)
    assert kinds(network) == NODES
    assert [n.inputs for n in network.nodes] == [n.inputs for n in reference().nodes]
    learned = [piece for piece in network.affine if piece.learned]
    assert [piece.label for piece in learned] == [label.format(n) for n in SHAPES]
    assert [piece.free for piece in learned] == [False, True, True, True, True, False]
    assert [piece.biases for piece in learned] == [4, 6, 6, 6, 8, 5]
    assert all(
        piece.source.startswith(("test_trace_images.py:", "independent.py:")) for piece in network.affine
    )
    assert network.parameters == sum(np.prod(s) for s in SHAPES.values()) + 35 + 16
    for piece, same in zip(network.affine, reference().affine, strict=True):
        assert type(piece.operator) is type(same.operator)
        for name in NORMS:
            assert getattr(piece, name)() == getattr(same, name)(), (piece.label, name)
    x = np.random.default_rng(7).normal(size=(3, *IMAGE.shape)).astype(np.float32)
    logits, radius = network.enclose(x)
    same, _ = reference().enclose(x)
    np.testing.assert_allclose(logits, same, rtol=0, atol=1e-13)
    assert radius.max() < 1e-11
    truth = jax.jit(jax.vmap(f, (None, 0)), compiler_options=QUICK)(params, x)
    np.testing.assert_allclose(logits, truth, rtol=1e-4, atol=1e-5)
    chain, chain_of_bare = network.chain(biases=True), reference().chain(biases=True)
    assert isinstance(chain, Chain)
    assert isinstance(chain_of_bare, Chain)
    for layer, twin in zip(chain.layers, chain_of_bare.layers, strict=True):
        assert layer.lipschitz == twin.lipschitz
        assert [p.label for p in twin.pieces] == [p.label.removeprefix("params/") for p in layer.pieces]


def test_the_image_classifier_is_its_function_in_exact_arithmetic():
    """With the normalization as the two numbers that the program computes in float32."""
    f, params = bare()
    norm = params.pop("norm")
    factor = lax.rsqrt(norm["var"] + 1e-5) * norm["scale"]

    def g(p, x):
        # A variance so that the reciprocal root is the number itself, in every precision.
        return _with_factor(p, x)

    def _with_factor(p, x):
        q = dict(p)
        factor, mean, bias = q.pop("factor"), q.pop("mean"), q.pop("bias")
        h = jax.nn.relu((conv(x, q["stem"]["kernel"]) + q["stem"]["bias"] - mean) * factor + bias)
        h = jax.nn.relu(conv(h, q["down"]["kernel"], stride=2) + q["down"]["bias"])
        e = jax.nn.relu(conv(h, q["grouped"]["kernel"], groups=2) + q["grouped"]["bias"])
        d = jax.nn.relu(conv(e, q["dilated"]["kernel"], dilation=2) + q["dilated"]["bias"])
        c = sum_pool(jnp.concatenate([h + d, max_pool(e, 3, 1)], axis=-1), 2, 2) / 4
        c = jax.nn.relu(conv(c, q["mix"]["kernel"]) + q["mix"]["bias"])
        return c.mean(axis=(0, 1)) @ q["dense"]["kernel"] + q["dense"]["bias"]

    del f
    params |= {"factor": factor, "mean": norm["mean"], "bias": norm["bias"]}
    network = assert_same_function(g, params, IMAGE)
    assert kinds(network) == NODES
    for piece, same in zip(network.affine, reference().affine, strict=True):
        np.testing.assert_array_equal(piece.matrix, same.matrix)
        np.testing.assert_allclose(piece.bias, same.bias, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", [1.0, 1e6, 1e-30])
def test_every_logit_lies_within_its_radius_in_rational_arithmetic(size):
    """Folded divisions, cancellation, a skip, leaky ReLU, a limit, overlapping max pooling."""
    a, b = normal(3, 3, 2, 3, seed=1), normal(3, 3, 3, 3, seed=2)
    # Two channels that nearly cancel.
    a = a.at[..., 1].set(-a[..., 0] * (1 + 2.0**-20))
    scale, shift, w = normal(1, 3, seed=3)[0], normal(1, 3, seed=4)[0], normal(3, 2, seed=5)

    def f(p, x):
        a, b, scale, shift, w = p
        h = (conv(x / 3 - 0.5, a) * scale - shift) / 7
        h = jax.nn.leaky_relu(h, 0.25)
        h = jax.nn.relu(conv(h, b) + shift + h) * scale
        h = jnp.minimum(max_pool(h, 2, 1, "VALID"), 2.0**10)
        return (h.sum(axis=(0, 1)) / 5) @ w

    network = trace(f, (a, b, scale, shift, w), np.zeros((3, 4, 2), np.float32))
    assert not network.affine[0].is_exact
    x = (np.random.default_rng(8).normal(size=(3, 3, 4, 2)) * size).astype(np.float32)
    logits, radius = network.enclose(x)
    assert radius.max() <= 1e-11 * max(1.0, size)
    a, b, scale, shift, w = map(rational, (a, b, scale, shift, w))
    for row, (value, bound) in zip(x, zip(logits, radius, strict=True), strict=True):
        h = (rational_conv(rational(row) / 3 - Fraction(1, 2), a) * scale - shift) / 7
        h = np.where(h > 0, h, h / 4)
        h = rational_conv(h, b) + shift + h
        h = np.where(h > 0, h, Fraction(0)) * scale
        h = np.maximum(np.maximum(h[1:, 1:], h[1:, :-1]), np.maximum(h[:-1, 1:], h[:-1, :-1]))
        h = np.minimum(h, Fraction(2**10))
        truth = (h.sum(axis=(0, 1)) / 5) @ w
        for exact, v, r in zip(truth, value, bound, strict=True):
            assert abs(exact - Fraction(v)) <= Fraction(r)
