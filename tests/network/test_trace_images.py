"""Image classifiers: the same mathematics is the same network in every library, and every network is the function."""

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
from jax import lax

from boundcheck.interval import Interval
from boundcheck.network import Affine, Chain, Convolution, Join, Network, Relu, Selection, trace
from boundcheck.network.nonlinear import Clip, Maximum, MaxPool, Nonlinearity, Sigmoid, Slopes, Tanh

_RNG = np.random.default_rng(5)


def normal(*shape, seed=None):
    """Weights of about unit gain, in float32."""
    rng = _RNG if seed is None else np.random.default_rng(seed)
    scale = max(1.0, np.prod(shape[:-1])) ** -0.5
    return jnp.asarray(rng.normal(size=shape) * scale, jnp.float32)


# The reference: the nodes once more, and the function in float64 -----------------------------------------------


def evaluate(network, x):
    """The network node by node, from unrolled matrices, windows and places alone."""
    values = [np.asarray(x, np.float64).reshape(len(x), -1)]
    for node in network.nodes[1:]:
        f, (h, *others) = node.operation, [values[i] for i in node.inputs]
        match f:
            case Affine():
                assert f.matrix.shape == (f.out_size, h.shape[1])
                y = h @ f.matrix.T + f.bias
            case Relu():
                y = np.where(h > 0, h, 0)
            case Slopes():
                y = np.where(h > 0, f.above * h, f.below * h)
            case Clip():
                y = np.minimum(np.maximum(h, f.low), f.high) - np.minimum(max(0.0, f.low), f.high)
            case Tanh():
                y = np.tanh(h)
            case Sigmoid():
                y = 1 / (1 + np.exp(-h)) - 0.5
            case MaxPool():
                wide = np.concatenate([h, np.full((len(h), 1), -np.inf)], axis=1)
                y = wide[:, f.windows].max(axis=2)
            case Maximum():
                y = np.maximum(h, *others)
            case Join():
                y = np.zeros((len(h), f.size))
                for part, places in zip([h, *others], f.places, strict=True):
                    y[:, np.arange(f.size) if places is None else places] += part
            case _:
                raise AssertionError(f)
        assert y.shape == (len(x), node.size)
        values.append(y)
    return values[-1]


QUICK = {"xla_backend_optimization_level": 0}


def in_float64(f, params, x):
    """The function's own program in float64, on a batch."""

    def wide(a):
        return np.asarray(a, np.float64) if np.issubdtype(np.asarray(a).dtype, np.floating) else np.asarray(a)

    with jax.enable_x64(True):
        batched = jax.jit(jax.vmap(f, (None, 0)), compiler_options=QUICK)
        return np.asarray(batched(jax.tree.map(wide, params), np.asarray(x, np.float64)))


def assert_same_function(f, params, example, seed=0):
    """The traced network, of the plain and of the jitted function, has the values of the function; the network.

    Constants in `f` other than parameters must be the same in float32 and in float64.
    """
    example = np.asarray(example)
    network, jitted = trace(f, params, example), trace(jax.jit(f), params, example)
    assert kinds(network) == kinds(jitted)
    assert [node.inputs for node in network.nodes] == [node.inputs for node in jitted.nodes]
    x = np.random.default_rng(seed).normal(size=(5, *example.shape)).astype(np.float32)
    truth = in_float64(f, params, x)
    scale = 1e-12 * max(1.0, np.abs(truth).max())
    logits, radius = network.enclose(x)
    assert (np.abs(logits - truth) <= radius + scale).all()
    assert radius.max() <= 1e-9 * max(1.0, np.abs(truth).max())
    for one in (network, jitted):
        np.testing.assert_allclose(evaluate(one, x), truth, rtol=0, atol=scale)
    assert_well_formed(network)
    return network


def assert_well_formed(network):
    """Positions, sizes, and of each piece: products, transposes and the l2 norm against the unrolled matrix."""
    assert isinstance(network, Network)
    assert network.nodes[0].size == np.prod(network.in_shape)
    read = {i for node in network.nodes for i in node.inputs}
    assert read >= set(range(len(network.nodes) - 1)) - {0}
    rng = np.random.default_rng(1)
    for position, node in enumerate(network.nodes[1:], 1):
        assert all(i < position for i in node.inputs)
        piece = node.operation
        if isinstance(piece, Join):
            filled = np.zeros(piece.size, int)
            for i, places in zip(node.inputs, piece.places, strict=True):
                spots = np.arange(piece.size) if places is None else places
                assert len(spots) == network.nodes[i].size
                assert len(set(spots.tolist())) == len(spots)
                filled[spots] += 1
            assert (filled <= 1).all() if piece.disjoint else (filled == len(node.inputs)).all()
        if not isinstance(piece, Affine):
            assert isinstance(piece, Join | Nonlinearity)
            continue
        matrix = piece.matrix
        x, y = rng.normal(size=piece.in_shape), rng.normal(size=piece.out_shape)
        np.testing.assert_allclose(piece.mv(x).ravel(), matrix @ x.ravel(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(piece.transpose(y).ravel(), y.ravel() @ matrix, rtol=0, atol=1e-12)
        assert piece.has_bias or not piece.bias.any()
        assert piece.label
        if matrix.size < 10_000:
            norm, svd = piece.spectral_norm(), np.linalg.norm(matrix, 2)
            assert norm.lo <= svd * (1 + 1e-12) + 1e-300
            assert norm.hi >= svd * (1 - 1e-12)
            rows = np.linalg.norm(matrix, axis=1).sum()
            assert piece.row_norm_sum().lo <= rows * (1 + 1e-12) + 1e-300
            assert piece.row_norm_sum().hi >= rows * (1 - 1e-12)


def kinds(network):
    return [type(node.operation).__name__ for node in network.nodes[1:]]


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


def conv(x, kernel, stride=1, groups=1, dilation=1, padding="SAME", layout="NHWC"):
    """A convolution of one map (height, width, channel)."""
    return lax.conv_general_dilated(
        x[None],
        kernel,
        (stride, stride),
        padding,
        rhs_dilation=(dilation, dilation),
        feature_group_count=groups,
        dimension_numbers=(layout, "HWIO", layout),
    )[0]


def max_pool(x, size, stride, padding="SAME", dilation=1):
    window = (size, size, 1), (stride, stride, 1)
    if not isinstance(padding, str):
        padding = (*padding, (0, 0))
    return lax.reduce_window(x, -jnp.inf, lax.max, *window, padding, None, (dilation, dilation, 1))


def sum_pool(x, size, stride, padding="VALID"):
    return lax.reduce_window(x, 0.0, lax.add, (size, size, 1), (stride, stride, 1), padding)


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
    assert all(piece.source.startswith("test_trace_images.py:") for piece in network.affine)
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


def _rational(a):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(a, np.float64))


def _rational_conv(x, kernel):
    """3x3, stride 1, zeros around, in rational numbers."""
    wide = np.full((x.shape[0] + 2, x.shape[1] + 2, x.shape[2]), Fraction(0), object)
    wide[1:-1, 1:-1] = x
    y = np.full((*x.shape[:2], kernel.shape[3]), Fraction(0), object)
    for u, v in np.ndindex(3, 3):
        y = y + wide[u : u + x.shape[0], v : v + x.shape[1]] @ kernel[u, v]
    return y


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
        h = relu(conv(h, b) + shift + h) * scale
        h = jnp.minimum(max_pool(h, 2, 1, "VALID"), 2.0**10)
        return (h.sum(axis=(0, 1)) / 5) @ w

    network = trace(f, (a, b, scale, shift, w), np.zeros((3, 4, 2), np.float32))
    assert not network.affine[0].is_exact
    x = (np.random.default_rng(8).normal(size=(3, 3, 4, 2)) * size).astype(np.float32)
    logits, radius = network.enclose(x)
    assert radius.max() <= 1e-11 * max(1.0, size)
    a, b, scale, shift, w = map(_rational, (a, b, scale, shift, w))
    for row, (value, bound) in zip(x, zip(logits, radius, strict=True), strict=True):
        h = (_rational_conv(_rational(row) / 3 - Fraction(1, 2), a) * scale - shift) / 7
        h = np.where(h > 0, h, h / 4)
        h = _rational_conv(h, b) + shift + h
        h = np.where(h > 0, h, Fraction(0)) * scale
        h = np.maximum(np.maximum(h[1:, 1:], h[1:, :-1]), np.maximum(h[:-1, 1:], h[:-1, :-1]))
        h = np.minimum(h, Fraction(2**10))
        truth = (h.sum(axis=(0, 1)) / 5) @ w
        for exact, v, r in zip(truth, value, bound, strict=True):
            assert abs(exact - Fraction(v)) <= Fraction(r)


# Normalizations -------------------------------------------------------------------------------------------------

K1, K2, K3 = normal(3, 3, 3, 4), normal(3, 3, 4, 4), normal(3, 3, 4, 4)
SCALE, SHIFT = normal(1, 4)[0] + 1, normal(1, 4)[0]
SMALL = np.zeros((6, 5, 3), np.float32)
relu = jax.nn.relu


def flat(f):
    """A function of maps with flat logits."""
    return lambda p, x: f(p, x).reshape(-1)


def test_a_normalization_after_relu_folds_into_the_next_convolution_except_at_the_border():
    params = (K1, K2, SCALE, SHIFT)

    def f(p, x):
        h = relu(conv(x, p[0])) * p[2] + p[3]
        return conv(h, p[1]).reshape(-1)

    network = assert_same_function(f, params, SMALL)
    assert kinds(network) == ["Affine", "Relu", "Affine"]
    last = network.affine[1]
    assert isinstance(last.operator, Convolution)
    scale, kernel = np.asarray(SCALE, np.float64), np.asarray(K2, np.float64)
    # Products of two float32 numbers are exact.
    np.testing.assert_array_equal(last.operator.kernel, kernel * scale[:, None])
    assert last.operator.radius is None
    assert not last.free
    # The padding is put around after the shift, so that what the shift adds is less at the border.
    bias = last.bias.reshape(6, 5, 4)
    inside = np.einsum("uvio,i->o", kernel, np.asarray(SHIFT, np.float64))
    np.testing.assert_allclose(bias[1:-1, 1:-1], np.broadcast_to(inside, (4, 3, 4)), rtol=0, atol=1e-14)
    assert np.abs(bias[0] - inside).min() > 1e-6
    # By construction, no two positions share it.
    assert last.biases == last.out_size
    valid = assert_same_function(
        flat(lambda p, x: conv(relu(conv(x, p[0])) * p[2] + p[3], p[1], padding="VALID")), params, SMALL
    )
    assert np.ptp(valid.affine[1].bias.reshape(4, 3, 4), axis=(0, 1)).max() < 1e-14


def test_a_normalization_before_relu_folds_into_the_convolution_before_it():
    def f(p, x):
        return relu((conv(x, p[0], stride=2) - p[2]) * p[3] + p[2]).reshape(-1)

    network = assert_same_function(f, (K1, K2, SHIFT, SCALE), SMALL)
    assert kinds(network) == ["Affine", "Relu"]
    (piece,) = network.affine
    assert isinstance(piece.operator, Convolution)
    assert piece.is_exact or piece.operator.radius is None
    assert piece.biases == 4


def test_a_pre_activation_block_keeps_its_skip():
    params = (K1, K2, K3, SCALE, SHIFT)

    def f(p, x):
        h = conv(x, p[0])
        g = conv(relu(h * p[3] + p[4]), p[1])
        return (h + conv(relu(g), p[2])).reshape(-1)

    network = assert_same_function(f, params, SMALL)
    assert kinds(network) == ["Affine", "Affine", "Relu", "Affine", "Relu", "Affine", "Join"]
    # The stem is one piece that both branches read; the normalization is a factor for each channel.
    assert [p.label for p in network.affine if p.free] == ["[0]", "[1]", "[2]"]
    assert network.nodes[-1].inputs == (1, 6)
    diagonal = network.affine[1]
    assert diagonal.biases == 4
    assert diagonal.operator.parameters == 4
    np.testing.assert_array_equal(diagonal.matrix, np.diag(np.tile(np.asarray(SCALE, np.float64), 30)))


def test_input_normalization_does_not_fold_into_a_padded_convolution_bias():
    """(x - mean)/std and then padding with zeros: the shift is not the same at the border."""
    params = (K1, jnp.asarray([0.5, -0.25, 1], jnp.float32), jnp.asarray([0.5, 2, 3], jnp.float32))
    f = flat(lambda p, x: relu(conv((x - p[1]) / p[2], p[0])))
    network = assert_same_function(f, params, SMALL)
    assert kinds(network) == ["Affine", "Relu"]
    bias = network.affine[0].bias.reshape(6, 5, 4)
    assert np.abs(bias[0, 0] - bias[1, 1]).max() > 1e-3
    # By one number for all channels, and in channels-first layout.
    assert_same_function(flat(lambda p, x: relu(conv((x - 0.5) / 0.25, p[0]))), params, SMALL)
    transposed = flat(
        lambda p, x: relu(conv((x.transpose(2, 0, 1) - p[1][:, None, None]).transpose(1, 2, 0), p[0]))
    )
    assert_same_function(transposed, params, SMALL)


# Nonlinearities -------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "leaky": (lambda h: jax.nn.leaky_relu(h, 0.25), "Slopes", 1.0, 0),
    "leaky steep": (lambda h: jax.nn.leaky_relu(h, 2.0), "Slopes", 2.0, 0),
    "abs": (jnp.abs, "Slopes", 1.0, 0),
    "where": (lambda h: jnp.where(h < 0, -0.5 * h, 3 * h), "Slopes", 3.0, 0),
    "clip": (lambda h: jnp.clip(h, -0.5, 0.25), "Clip", 1.0, 0),
    "clip away from 0": (lambda h: jnp.clip(h, 0.25, 0.5), "Clip", 1.0, 0.25),
    "relu6": (lambda h: jax.nn.relu6(4 * h), "Clip", 1.0, 0),
    "clamp": (lambda h: lax.clamp(jnp.zeros_like(h[0, 0, 0]), h, jnp.ones_like(h[0, 0, 0])), "Clip", 1.0, 0),
    "tanh": (jnp.tanh, "Tanh", 1.0, 0),
    "sigmoid": (jax.nn.sigmoid, "Sigmoid", 0.25, 0.5),
    "max": (lambda h: jnp.maximum(h, 0.5), "Clip", 1.0, 0.5),
    "max below": (lambda h: jnp.maximum(h, -0.5), "Clip", 1.0, 0),
    "min": (lambda h: jnp.minimum(-0.25, h), "Clip", 1.0, -0.25),
    "twice": (lambda h: relu(jnp.minimum(jnp.maximum(h, 0), 0.5)), "Clip", 1.0, 0),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_map_zero_to_zero_and_their_value_there_moves_into_the_next_bias(name):
    f, kind, lipschitz, at_zero = ACTIVATIONS[name]
    network = assert_same_function(flat(lambda p, x: conv(f(conv(x, p[0])), p[1])), (K1, K2), SMALL)
    assert kinds(network) == ["Affine", kind, "Affine"]
    assert network.nonlinear[0].lipschitz == Interval(lipschitz)
    first, last = network.affine
    assert not first.has_bias
    assert last.has_bias == bool(at_zero)
    kernel = np.asarray(K2, np.float64).sum(axis=(0, 1, 2)) * at_zero
    np.testing.assert_allclose(last.bias.reshape(6, 5, 4)[2, 2], kernel, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "f", [jax.nn.leaky_relu, jnp.tanh, jnp.abs, jax.nn.sigmoid], ids=lambda f: f.__name__
)
def test_an_activation_applied_twice_on_one_line_is_applied_twice(f):
    def g(p, x):
        h = p[:4] @ x
        for _ in range(2):
            h = f(h)
        return p[4:] @ h

    weights = normal(8, 4) * 3
    network = trace(g, weights, np.zeros(4, np.float32))
    x = _RNG.normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        network.enclose(x)[0], jax.vmap(g, (None, 0))(weights, x), rtol=1e-5, atol=1e-5
    )


def test_a_value_that_is_limited_is_still_there_for_others():
    """relu and then min is one clip; the relu itself is read as well."""

    def f(p, x):
        h = relu(conv(x, p))
        return (jnp.minimum(h, 0.5) - 2 * h).reshape(-1)

    network = assert_same_function(f, K1, SMALL)
    assert sorted(kinds(network)) == ["Affine", "Affine", "Clip", "Join", "Relu"]


@pytest.mark.parametrize("f", [jnp.maximum, jnp.minimum])
def test_the_maximum_and_the_minimum_of_two_values_are_two_input_nodes(f):
    network = assert_same_function(
        flat(lambda p, x: f(conv(x, p[0]) + 1, conv(x, p[1]))), (K1, K1 + 1), SMALL
    )
    assert kinds(network)[:3] == ["Affine", "Affine", "Maximum"]
    # In another order, of one value with itself, and with a single number that depends on the input.
    turned = flat(lambda p, x: f(relu(conv(x, p[0])), conv(x, p[1])[::-1].transpose(0, 1, 2)))
    assert_same_function(turned, (K1, K1 + 1), SMALL)
    assert_same_function(flat(lambda p, x: f(conv(x, p), conv(x, p)[:, ::-1])), K1, SMALL)
    assert_same_function(
        flat(lambda p, x: f(relu(conv(x, p)), relu(x).mean())), K1, np.zeros((4, 4, 3), np.float32)
    )
    assert_same_function(flat(lambda p, x: f((x.sum() * 2 + 1), jnp.zeros(4, x.dtype))), K1, SMALL)


# Pooling --------------------------------------------------------------------------------------------------------

MAXES = {
    "2/2": (lambda h: max_pool(h, 2, 2, "VALID"), 1),
    "3/2 same": (lambda h: max_pool(h, 3, 2), 4),
    "3/1 same": (lambda h: max_pool(h, 3, 1), 9),
    "padded": (lambda h: max_pool(h, 2, 2, ((1, 1), (1, 0))), 1),
    "dilated": (lambda h: max_pool(h, 2, 1, "VALID", dilation=2), 4),
    "cropped": (lambda h: max_pool(h, 2, 1, ((-1, 0), (0, -2))), 4),
    "global": (lambda h: h.max(axis=(0, 1)), 1),
    "rows": (lambda h: h.max(axis=0), 1),
    "channels": (lambda h: h.max(axis=-1), 1),
    "channels first": (
        lambda h: lax.reduce_window(h.transpose(2, 0, 1), -jnp.inf, lax.max, (1, 3, 2), (1, 2, 2), "SAME"),
        2,
    ),
    "one axis": (lambda h: lax.reduce_window(h[:, 0], -jnp.inf, lax.max, (3, 1), (1, 1), "SAME"), 3),
    "zeros around": (lambda h: max_pool(jnp.pad(h, ((1, 1), (1, 1), (0, 0))), 2, 2, "VALID"), 1),
}


@pytest.mark.parametrize("name", MAXES)
def test_max_pooling_is_the_maximum_over_windows(name):
    f, overlap = MAXES[name]
    network = assert_same_function(flat(lambda p, x: 2 * f(conv(x, p) + 0.25)), K1, SMALL)
    (pool,) = network.nonlinear
    assert isinstance(pool, MaxPool)
    assert pool.overlaps == (overlap > 1)
    assert (pool.lipschitz * pool.lipschitz).contains(overlap)


def counted(h):
    ones = sum_pool(jnp.ones_like(h), 3, 1, "SAME")
    return sum_pool(h, 3, 1, "SAME") / ones


AVERAGES = {
    "2/2": lambda h: sum_pool(h, 2, 2) / 4,
    "with padding": lambda h: sum_pool(h, 3, 2, ((1, 1), (1, 1), (0, 0))) / 8,
    "without padding": counted,
    "linen": lambda h: flax.linen.avg_pool(h, (2, 2), (1, 1), "SAME", count_include_pad=False),
    "global": lambda h: h.mean(axis=(0, 1)),
    "rows": lambda h: h.mean(axis=0) + h.sum(axis=0),
    "all": lambda h: jnp.stack([h.mean(), h.sum()]),
    "channels first": lambda h: lax.reduce_window(
        h.transpose(2, 0, 1), 0.0, lax.add, (1, 3, 2), (1, 2, 2), "SAME", None, (1, 1, 2)
    ),
    "channels": lambda h: lax.reduce_window(h, 0.0, lax.add, (1, 1, 3), (1, 1, 1), "SAME"),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_average_pooling_is_affine(name):
    f = AVERAGES[name]
    network = assert_same_function(flat(lambda p, x: f(relu(conv(x, p) + 0.25))), K1, SMALL)
    assert kinds(network)[:2] == ["Affine", "Relu"]
    assert set(kinds(network)[2:]) <= {"Affine", "Join"}
    assert not any(piece.learned for piece in network.affine[1:])
    after = flat(lambda p, x: f(conv(x, p) + 0.25))
    assert not assert_same_function(after, K1, SMALL).nonlinear


def test_a_global_mean_and_a_dense_layer_are_one_dense_layer():
    w = normal(4, 3)
    network = assert_same_function(lambda p, x: relu(conv(x, p[0])).mean(axis=(0, 1)) @ p[1], (K1, w), SMALL)
    assert kinds(network) == ["Affine", "Relu", "Affine"]
    expected = np.tile(np.asarray(w, np.float64).T / 30, 30)
    np.testing.assert_allclose(network.affine[1].matrix, expected, rtol=1e-14)


# Layout ---------------------------------------------------------------------------------------------------------

LAYOUTS = {
    "zeros around": lambda h: jnp.pad(h, ((1, 2), (0, 1), (0, 0))),
    "ones around": lambda h: jnp.pad(h, ((1, 2), (0, 1), (0, 0)), constant_values=1),
    "cropped": lambda h: lax.pad(h, jnp.zeros((), h.dtype), ((-1, 2, 0), (1, -2, 0), (0, 0, 0))),
    "cropped, with a constant": lambda h: lax.pad(
        h, jnp.full((), 0.5, h.dtype), ((-1, 2, 0), (1, -2, 0), (0, 0, 0))
    ),
    "spread": lambda h: lax.pad(h, jnp.zeros((), h.dtype), ((0, 1, 1), (1, 0, 2), (0, 0, 0))),
    "slice": lambda h: h[1:4, 2:],
    "every second": lambda h: h[::2, 1::2],
    "split": lambda h: jnp.concatenate(jnp.split(h, [1, 3], axis=1)[::-1], axis=1),
    "halves of channels": lambda h: jnp.concatenate(jnp.split(h, 2, axis=-1)[::-1], axis=-1),
    "gather": lambda h: h[jnp.array([3, 0, 0, 5])],
    "gather pairs": lambda h: h[jnp.array([3, 0]), jnp.array([-1, 2])][:, None],
    "take": lambda h: jnp.take(h, jnp.array([1, 1, 2]), axis=1),
    "transposed": lambda h: h.transpose(1, 0, 2),
    "flipped": lambda h: h[::-1, ::-1],
    "channels flipped": lambda h: jnp.flip(h, -1),
    "rolled": lambda h: jnp.roll(h, (1, -2), (0, 1)),
    "upsampled": lambda h: jnp.repeat(jnp.repeat(h, 2, axis=0), 2, axis=1),
    "resized": lambda h: jax.image.resize(h, (12, 10, 4), "nearest"),
    "rolled by nothing": lambda h: jnp.roll(jnp.concatenate([h[:0], h, h[:, :, :][:0]]), 0, axis=1),
    "tiled": lambda h: jnp.tile(h, (2, 1, 1)),
    "circular": lambda h: jnp.pad(h, ((1, 1), (1, 1), (0, 0)), mode="wrap"),
    "reflected": lambda h: jnp.pad(h, ((1, 1), (2, 0), (0, 0)), mode="reflect"),
    "to blocks": lambda h: h.reshape(3, 2, 5, 4).transpose(0, 2, 1, 3).reshape(3, 5, 8)[..., :4],
    "dynamic": lambda h: lax.dynamic_slice(h, (jnp.int32(9), jnp.int32(1), jnp.int32(0)), (2, 3, 4)),
    "shuffled": lambda h: h.reshape(6, 5, 2, 2).swapaxes(2, 3).reshape(6, 5, 4),
    "twice": lambda h: h + h,
    "difference": lambda h: h - conv(h, jnp.ones((3, 3, 4, 4), h.dtype) / 16),
    "centred": lambda h: h - h.mean(axis=(0, 1)),
    "beside itself": lambda h: jnp.concatenate([h, h], axis=0),
    "stacked": lambda h: jnp.stack([h, 2 * h], axis=2).reshape(6, 10, 4),
    "beside a constant": lambda h: jnp.concatenate([h, jnp.ones((6, 2, 4), h.dtype)], axis=1),
    "beside zeros": lambda h: jnp.concatenate([jnp.zeros((2, 5, 4), h.dtype), h], axis=0),
    "negated": lambda h: -(1 - h) / 2,
    "diagonal": lambda h: h * jnp.arange(5, dtype=h.dtype)[:, None] + 1,
}


@pytest.mark.parametrize("before", ["convolution", "relu"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_between_convolutions_is_kept(name, before):
    f = LAYOUTS[name]

    def g(p, x):
        h = conv(x, p[0], padding=((1, 1), (1, 1))) + p[2]
        h = f(relu(h) if before == "relu" else h)
        return relu(conv(h, p[1])).reshape(-1)

    assert_same_function(g, (K1, K2, SHIFT), SMALL)


def test_zeros_beside_a_value_are_no_bias():
    for f in (LAYOUTS["beside zeros"], LAYOUTS["zeros around"]):
        network = assert_same_function(flat(lambda p, x, f=f: f(relu(conv(x, p)))), K1, SMALL)
        assert not any(piece.has_bias for piece in network.affine)
        assert network.chain()

    def widened(p, x):
        """The shortcut of a residual block to more channels, without parameters."""
        h = relu(conv(x, p[0]))
        return (jnp.concatenate([h, 0 * SMALL[..., :1]], -1) + conv(relu(h), p[1])).reshape(-1)

    assert assert_same_function(widened, (K1, normal(3, 3, 4, 5)), SMALL).chain()


def test_a_value_beside_itself_or_added_to_itself_has_the_norm_of_both():
    two = assert_same_function(flat(lambda p, x: conv(jnp.concatenate([x, x]), p)), K1, SMALL)
    assert [p.free for p in two.affine if p.learned] == [True]
    twice = assert_same_function(flat(lambda p, x: relu(x) + relu(x)), K1, SMALL)
    product = 1.0
    for piece in twice.affine:
        product *= float(piece.spectral_norm().hi)
    if kinds(twice) == ["Relu", "Affine"]:
        assert abs(product - 2) < 1e-8
    assert isinstance(two, Network)


def test_flattening_before_a_dense_layer_keeps_the_order_of_both_layouts():
    w = normal(120, 3)
    last = assert_same_function(lambda p, x: relu(conv(x, p[0])).reshape(-1) @ p[1], (K1, w), SMALL)
    np.testing.assert_array_equal(last.affine[1].matrix, np.asarray(w, np.float64).T)
    assert last.affine[1].free

    def first(p, x):
        return relu(conv(x, p[0])).transpose(2, 0, 1).reshape(-1) @ p[1]

    turned = assert_same_function(first, (K1, w), SMALL)
    expected = np.asarray(w, np.float64).reshape(4, 6, 5, 3).transpose(1, 2, 0, 3).reshape(-1, 3).T
    np.testing.assert_array_equal(turned.affine[1].matrix, expected)
    assert turned.affine[1].is_exact
    assert turned.affine[1].free


# Convolutions ---------------------------------------------------------------------------------------------------

CONVOLUTIONS = {
    "asymmetric": lambda p, x: conv(x, p[0], padding=((0, 2), (3, 1))),
    "negative padding": lambda p, x: conv(x, p[0], padding=((-1, 1), (2, -1))),
    "wide padding": lambda p, x: conv(x, p[0], stride=2, padding=((4, 4), (4, 5))),
    "strides": lambda p, x: conv(x, p[0], stride=3),
    "dilated": lambda p, x: conv(x, p[0], dilation=2),
    "depthwise": lambda p, x: conv(conv(x, p[0]), p[1][:, :, :1], groups=4),
    "depthwise multiplied": lambda p, x: conv(x, jnp.tile(p[1][:, :, :1, :3], (1, 1, 1, 2)), groups=3),
    "separable": lambda p, x: conv(conv(x, p[0][:, :, :1, :3], groups=3), p[1][:1, :1, :3]),
    "two without a nonlinearity": lambda p, x: conv(conv(x, p[0]), p[1], stride=2),
    "1x1 and 1x1": lambda p, x: conv(conv(x, p[0][:1, :1]) + p[2], p[1][1:2, 1:2]),
    "1x1 and 3x3": lambda p, x: conv(conv(x, p[0][:1, :1]) * p[2], p[1]),
    "3x3 and 1x1": lambda p, x: conv(conv(x, p[0]), p[1][:1, :1]) + p[2],
    "3x3 and a matrix": lambda p, x: (conv(x, p[0]) + p[2]) @ p[1][0, 0],
    "matrix and 3x3": lambda p, x: conv(x @ p[0][0, 0], p[1]),
    "two matrices": lambda p, x: (x @ p[0][0, 0]) @ p[1][0, 0],
    "matrix from the left": lambda p, x: jnp.einsum("io,hwi->ohw", p[0][0, 0], x),
    "matrix of rows": lambda p, x: jnp.einsum("hg,hwi->gwi", p[1].reshape(6, -1), x),
    "matrix of each channel": lambda p, x: jnp.einsum(
        "ihg,hwi->gwi", p[1].reshape(-1)[:54].reshape(3, 6, 3), x
    ),
    "1x1 stride 2": lambda p, x: conv(x, p[0][:1, :1], stride=2),
    "1-D": lambda p, x: lax.conv_general_dilated(
        x[None, :, 0], p[0][0], (2,), ((1, 2),), rhs_dilation=(2,), dimension_numbers=("NWC", "WIO", "NWC")
    ),
    "channels first": lambda p, x: lax.conv_general_dilated(
        x.transpose(2, 0, 1)[None], p[0].transpose(3, 2, 0, 1), (1, 2), "SAME"
    ),
    "batch last": lambda p, x: lax.conv_general_dilated(
        x[..., None], p[0], (1, 1), "SAME", dimension_numbers=("HWCN", "HWIO", "CWHN")
    ),
    "flipped kernel": lambda p, x: conv(x, p[0][::-1, ::-1]),
    "scaled": lambda p, x: (conv(x * p[2][:3], p[0]) * p[2] - p[2]) / 3,
    "scaled each place": lambda p, x: conv(x * jnp.arange(5, dtype=x.dtype)[:, None], p[0]),
    "constant channels": lambda p, x: conv(jnp.concatenate([x, jnp.ones((6, 5, 1), x.dtype)], -1), p[1]),
    "constant channel of two": lambda p, x: conv(
        jnp.concatenate([x[..., 1:], jnp.ones((6, 5, 2), x.dtype)], -1) * p[2], p[1]
    ),
    "mean of one": lambda p, x: conv(x, p[0]).mean(axis=0) * p[2] + conv(x, p[0]).sum(axis=0),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_are_the_function_at_their_real_shape(name):
    network = assert_same_function(flat(CONVOLUTIONS[name]), (K1, K2, SHIFT), SMALL)
    assert not network.nonlinear
    if name in ("matrix of rows", "channels first", "batch last", "asymmetric", "strides", "dilated"):
        (piece,) = [p for p in network.affine if not isinstance(p.operator, Selection)]
        assert isinstance(piece.operator, Convolution)
        assert piece.free


# Random programs ------------------------------------------------------------------------------------------------


class Program:
    """A random image program: a list of steps on maps, each with its weights."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng(seed)
        self.params, self.steps = [], []
        shape = (*map(int, rng.integers(3, 7, 2)), int(rng.integers(1, 4)))
        self.example = np.zeros(shape, np.float32)
        shapes = [shape]
        for _ in range(int(rng.integers(3, 8))):
            shapes.append(self.step(shapes))
        self.classes = int(rng.integers(2, 4))
        self.dense = self.weight(int(np.prod(shapes[-1])), self.classes)

    def weight(self, *shape):
        self.params.append(normal(*shape, seed=int(self.rng.integers(2**31))))
        return len(self.params) - 1

    def choose(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def step(self, shapes):
        """Add a step on the newest map, maybe with an older one; the new shape."""
        h, w, c = shapes[-1]
        kind = self.choose(
            *["conv"] * 5,
            "scale",
            "relu",
            "relu",
            "leaky",
            "tanh",
            "clip",
            "max",
            "mean",
            "skip",
            "join",
            "pad",
        )
        last = len(shapes) - 1
        older = [i for i, s in enumerate(shapes[:-1]) if s[:2] == (h, w)]
        if kind == "conv":
            size = [int(self.rng.integers(1, 4)) for _ in range(2)]
            stride, dilation = self.choose(1, 1, 2), self.choose(1, 1, 2)
            groups = self.choose(1, 1, c)
            out = groups * int(self.rng.integers(1, 3)) if groups > 1 else int(self.rng.integers(1, 5))
            kernel = self.weight(*size, c // groups, out)
            bias = self.weight(1, out) if self.rng.random() < 0.5 else None
            pad = tuple(
                (int(self.rng.integers(-1, 3)) + dilation, int(self.rng.integers(0, 3)) + dilation)
                for _ in "hw"
            )

            def apply(p, maps):
                y = conv(maps[last], p[kernel], stride, groups, dilation, pad)
                return y if bias is None else y + p[bias][0]

        elif kind == "scale":
            field = self.choose((c,), (1, 1, c), (h, 1, 1), (h, w, c))
            a, b = self.weight(*field), self.weight(*field)

            def apply(p, maps):
                return maps[last] * p[a] + p[b]

        elif kind in ("relu", "leaky", "tanh", "clip"):
            functions = {
                "relu": relu,
                "leaky": lambda v: jax.nn.leaky_relu(v, 0.25),
                "tanh": jnp.tanh,
                "clip": lambda v: jnp.clip(v, 0.125, 0.75),
            }

            def apply(p, maps):
                return functions[kind](maps[last])

        elif kind in ("max", "mean"):
            size, stride, pad = self.choose(2, 3), self.choose(1, 2), self.choose("SAME", "VALID")

            def apply(p, maps):
                if kind == "max":
                    return max_pool(maps[last], size, stride, pad)
                return sum_pool(maps[last], size, stride, pad) / 4

            if pad == "VALID" and min(h, w) < 3:
                return self.step(shapes)
        elif kind == "skip" and older:
            other = self.choose(*older)
            minus, flip = self.rng.random() < 0.5, self.rng.random() < 0.3

            def apply(p, maps):
                a, b = maps[last], maps[other]
                b = b[..., :1] if b.shape[-1] != a.shape[-1] else b
                b = jnp.broadcast_to(b[::-1] if flip else b, a.shape)
                return a - b if minus else (jnp.maximum(a, b) if flip else a + b)

        elif kind == "join" and older:
            other, first = self.choose(*older), self.rng.random() < 0.5

            def apply(p, maps):
                parts = [maps[other], maps[last]]
                return jnp.concatenate(parts if first else parts[::-1], axis=-1)

        else:
            how = self.choose("zero", "one", "wrap", "flip", "rows", "repeat", "transpose", "gather", "roll")

            def apply(p, maps):
                v = maps[last]
                around = ((1, 1), (0, 1), (0, 0))
                return {
                    "zero": lambda: jnp.pad(v, around),
                    "one": lambda: jnp.pad(v, around, constant_values=1),
                    "wrap": lambda: jnp.pad(v, around, mode="wrap"),
                    "flip": lambda: v[:, ::-1],
                    "rows": lambda: v[1:],
                    "repeat": lambda: jnp.repeat(v, 2, axis=0)[:8],
                    "transpose": lambda: v.transpose(1, 0, 2),
                    "gather": lambda: v[:, jnp.array([1, 0, 1])],
                    "roll": lambda: jnp.roll(v, 1, axis=1),
                }[how]()

        maps = [jax.ShapeDtypeStruct(s, np.float32) for s in shapes]
        try:
            after = jax.eval_shape(apply, self.params, maps).shape
        except (ValueError, TypeError):
            after = (0,)
        if min(after) < 2 - (len(after) == 3 and after[2] == 1) or np.prod(after) > 400:
            return self.step(shapes)
        self.steps.append((kind, apply))
        return after

    def __call__(self, p, x):
        maps = [x]
        for _, apply in self.steps:
            maps.append(apply(p, maps))
        return maps[-1].reshape(-1) @ p[self.dense]


@pytest.mark.parametrize("seed", range(64))
def test_random_image_programs_are_traced_to_the_same_function(seed):
    program = Program(seed)
    network = assert_same_function(program, program.params, program.example, seed=seed)
    assert network.classes == program.classes
    learned = [piece for piece in network.affine if piece.learned]
    assert learned
    chain = network.chain(biases=True)
    if not isinstance(network.nodes[1].operation, Nonlinearity):
        assert isinstance(chain, Chain)


MASK = np.array([True, False, True, True, False, True])


@pytest.mark.parametrize(
    ("choose", "biased"),
    [
        (lambda x: jnp.where(MASK, x, 0.0), False),
        (lambda x: jnp.where(MASK, 3 * x + 1, 2.0), True),
        (lambda x: jnp.where(MASK, 0.5, jax.nn.relu(x - 1)), True),
    ],
)
def test_a_choice_by_a_constant_mask_is_affine(choose, biased):
    w = jnp.asarray(np.random.default_rng(7).normal(size=(4, 6)), jnp.float32)

    def f(w, x):
        return w @ choose(x)

    network = trace(f, w, np.zeros(6, np.float32))
    x = np.random.default_rng(8).normal(size=(5, 6)).astype(np.float32)
    logits, radius = network.enclose(x)
    np.testing.assert_allclose(logits, jax.vmap(lambda x: f(w, x))(x), rtol=1e-5, atol=1e-5)
    assert radius.max() < 1e-12
    assert network.affine[-1].has_bias == biased
