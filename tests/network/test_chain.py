"""A chain is the network: its layers as explicit matrices, their norms, and the Lipschitz constants between them."""

from __future__ import annotations

from itertools import pairwise

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from boundcheck.interval import Interval
from boundcheck.network import Chain, Refusal, trace
from boundcheck.network.chain import _Levels

_RNG = np.random.default_rng(11)
relu = jax.nn.relu
QUICK = {"xla_backend_optimization_level": 0}


def normal(*shape):
    return jnp.asarray(_RNG.normal(size=shape) / np.prod(shape[:-1]) ** 0.5, jnp.float32)


def conv(x, kernel, stride=1, padding="SAME"):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x[None], kernel, (stride, stride), padding, dimension_numbers=numbers)[0]


def max_pool(x, size, stride, padding="SAME", dilation=1):
    window = (size, size, 1), (stride, stride, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, *window, padding, None, (dilation, dilation, 1))


# Networks -------------------------------------------------------------------------------------------------------

MAP = np.zeros((4, 4, 2), np.float32)
K = [normal(3, 3, 2, 3), normal(1, 1, 2, 3), normal(3, 3, 6, 3), normal(1, 1, 6, 2), normal(3, 3, 2, 2)]
K += [normal(3, 3, 2, 2), normal(1, 1, 4, 2)]
B = [normal(1, n)[0] for n in (3, 3, 3, 2, 2, 2, 2)]


def dense(p, x):
    for w, b in p[:-1]:
        x = relu(w @ x + b)
    return p[-1][0] @ x + p[-1][1]


DENSE = [(normal(5, 4), normal(1, 5)[0]), (normal(6, 5), normal(1, 6)[0]), (normal(3, 6), normal(1, 3)[0])]


def inception(p, x):
    """Two parallel convolutions, twice, then the mean of every channel and a dense layer."""
    k, b, w = p
    h = jnp.concatenate([relu(conv(x, k[1]) + b[1]), relu(conv(x, k[0]) + b[0])], -1)
    h = jnp.concatenate([relu(conv(h, k[2]) + b[2]), relu(conv(h, k[3]) + b[3])], -1)
    return h.mean(axis=(0, 1)) @ w


def down(p, x):
    """A strided convolution beside a max pool."""
    k, b, w = p
    h = relu(conv(x, k[0]) + b[0])
    h = jnp.concatenate([relu(conv(h, k[2][:, :, :3], 2) + b[2]), max_pool(h, 3, 2)], -1)
    h = jnp.concatenate([conv(h, k[3]), max_pool(h, 2, 1)[..., :2]], -1)
    return relu(h).reshape(-1) @ w


def residual(p, x):
    k, b, w = p
    h = relu(conv(x, k[4]) + b[4])
    g = relu(conv(h, k[5]) + b[5])
    h = relu(h + conv(g, k[4]))
    return h.reshape(-1) @ w


def projected(p, x):
    k, b, w = p
    h = relu(conv(x, k[4]) + b[4])
    g = relu(conv(h, k[0], 2) + b[0])
    h = relu(conv(h, k[1], 2) + conv(g, normal_kernel))
    return h.reshape(-1) @ w


normal_kernel = normal(3, 3, 3, 3)


def pre_activation(p, x):
    k, b, w = p
    h = conv(x, k[4])
    for j in (5, 4):
        h = h + conv(relu(conv(relu(h * b[j] + 1), k[5])), k[j])
    return relu(h).reshape(-1) @ w


def densenet(p, x):
    k, b, w = p
    h = relu(conv(x, k[4]) + b[4])
    h = jnp.concatenate([h, relu(conv(h, k[5]))], -1)
    h = jnp.concatenate([h, relu(conv(h, k[6]) + b[6])], -1)
    h = jnp.concatenate([h[..., :2], relu(conv(h, k[3]) + 1)], -1)
    return h.reshape(-1) @ w


def pooled(p, x):
    """Pieces without parameters between the layers, and a constant beside a value."""
    k, b, w = p
    h = max_pool(relu(conv(x, k[4]) + b[4]), 2, 1)
    h = lax.reduce_window(h, 0.0, lax.add, (2, 2, 1), (2, 2, 1), "VALID") / 4
    h = jnp.concatenate([relu(h), jnp.ones((2, 2, 2), h.dtype)], -1)
    return jnp.tanh(conv(h, k[6])).reshape(-1) @ w[:8]


def widened(p, x):
    """Two values and a constant side by side, read by a convolution of all of them."""
    k, _, w = p
    h = relu(conv(x, k[4]))
    h = jnp.concatenate([h, jnp.ones((4, 4, 2), h.dtype), relu(conv(h, k[5]))], -1)
    h = jnp.concatenate([jnp.zeros((4, 4, 1), h.dtype), relu(conv(h, k[3])), relu(conv(x, k[1]))], -1)
    return relu(conv(h, k[2])).reshape(-1) @ w


def maxout(p, x):
    k, b, w = p
    h = jnp.maximum(conv(x, k[4]), conv(x, k[5]) + b[5])
    h = jnp.maximum(h, 2 * conv(h, k[4]))
    return jnp.abs(h - 1).reshape(-1) @ w


def sums(p, x):
    """Sums of two new values, of one value with itself in another order, differences."""
    k, _, w = p
    h, g = relu(conv(x, k[4])), relu(conv(x, k[5]))
    h = relu(conv(h + g, k[4]) + conv(h - g, k[5]))
    return (h + relu(h - 1)[::-1]).reshape(-1) @ w


NETWORKS = {
    "dense": (dense, DENSE, np.zeros(4, np.float32)),
    "inception": (inception, (K, B, normal(5, 3)), MAP),
    "down": (down, (K, B, normal(16, 3)), MAP),
    "residual": (residual, (K, B, normal(32, 3)), MAP),
    "projected": (projected, (K, B, normal(12, 3)), MAP),
    "pre-activation": (pre_activation, (K, B, normal(32, 3)), MAP),
    "densenet": (densenet, (K, B, normal(64, 3)), MAP),
    "pooled": (pooled, (K, B, normal(8, 3)), MAP),
    "widened": (widened, (K, B, normal(48, 3)), MAP),
    "maxout": (maxout, (K, B, normal(32, 3)), MAP),
    "sums": (sums, (K, B, normal(32, 3)), MAP),
}


# Layers as explicit matrices ------------------------------------------------------------------------------------


def affine(term, sizes):
    """Matrix and bias of a term on the values of `sizes`, which are side by side."""
    if term.source is not None:
        start = 0
        for position, size in sizes.items():
            if position == term.source:
                return np.eye(sum(sizes.values()))[start : start + size], np.zeros(size)
            start += size
        raise AssertionError(f"value {term.source} is not there any more")
    parts = [affine(part, sizes) for part in term.parts]
    if term.piece is not None:
        ((matrix, bias),) = parts
        return term.piece.matrix @ matrix, term.piece.matrix @ bias + term.piece.bias
    matrix, bias = np.zeros((term.join.size, sum(sizes.values()))), np.zeros(term.join.size)
    for (a, b), places in zip(parts, term.join.places, strict=True):
        where = np.arange(term.join.size) if places is None else places
        matrix[where] += a
        bias[where] += b
    return matrix, bias


def unrolled(network):
    """The layers before fixed ones are merged: each with its matrix, bias, and (position, bends, rows) of what it makes."""
    levels = _Levels(network)
    sizes = {0: network.nodes[0].size}
    result = []
    for level, layer in enumerate(levels.layers(), 1):
        rows = [affine(term, sizes) for term in layer.terms]
        matrix, bias = np.concatenate([a for a, _ in rows]), np.concatenate([b for _, b in rows])
        blocks, start, count = [], 0, 0
        ends = [p for p, at in levels.level.items() if at == level and levels.rows[p][0] in layer.terms]
        for p in ends:
            lengths = [len(rows[count + i][1]) for i in range(len(levels.rows[p]))]
            cuts = start + np.cumsum([0, *lengths])
            blocks.append((p, levels.bends[p], [slice(a, b) for a, b in pairwise(cuts)]))
            start, count = int(cuts[-1]), count + len(lengths)
        for term, (_, zero) in zip(layer.terms[count:], rows[count:], strict=True):
            assert term.source is not None
            blocks.append((term.source, (), [slice(start, start + len(zero))]))
            start += len(zero)
        result.append((layer, matrix, bias, blocks))
        sizes = {p: network.nodes[p].size for p, _, _ in blocks}
    return result


def bend(y, blocks):
    parts = []
    for _, bends, rows in blocks:
        values = [y[:, r] for r in rows]
        for f in bends:
            values = [f.apply(*values)]
        parts += values
    return np.concatenate(parts, axis=1)


def contains(norm, value, rtol=1e-11):
    return norm.lo <= value * (1 + rtol) and norm.hi >= value * (1 - rtol)


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_as_matrices_with_the_maps_between_them_are_the_network(name):
    f, params, example = NETWORKS[name]
    network = trace(f, params, example)
    x = _RNG.normal(size=(6, *example.shape)).astype(np.float32)
    h = x.reshape(6, -1).astype(np.float64)
    layers = unrolled(network)
    for _, matrix, bias, blocks in layers:
        h = bend(h @ matrix.T + bias, blocks)
    np.testing.assert_allclose(h, network.enclose(x)[0], rtol=0, atol=1e-12)
    truth = jax.jit(jax.vmap(f, (None, 0)), compiler_options=QUICK)(params, x)
    np.testing.assert_allclose(h, truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("gap", [None, 1e-3])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_norm_of_a_layer_contains_that_of_its_matrix(name, gap):
    f, params, example = NETWORKS[name]
    for layer, matrix, _, blocks in unrolled(trace(f, params, example)):
        norm, svd = layer.spectral_norm(gap), np.linalg.norm(matrix, 2)
        assert contains(norm, svd), (norm, svd, [p.label for p in layer.pieces])
        assert layer.homogeneous == all(f.homogeneous for _, bends, _ in blocks for f in bends)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_map_after_a_layer_has_at_most_its_lipschitz_constant(name):
    """Each map alone, on random pairs, near and far."""
    f, params, example = NETWORKS[name]
    for layer, matrix, _, blocks in unrolled(trace(f, params, example)):
        y = _RNG.normal(size=(200, len(matrix)))
        z = y + _RNG.normal(size=y.shape) * 10.0 ** _RNG.uniform(-3, 0, size=(200, 1))
        z[100:] = np.where(_RNG.random(size=(100, y.shape[1])) < 0.1, z[100:], y[100:])
        far = np.linalg.norm(bend(y, blocks) - bend(z, blocks), axis=1)
        apart = np.linalg.norm(y - z, axis=1)
        assert (far <= apart * float(layer.lipschitz.hi) * (1 + 1e-9)).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_product_over_the_layers_dominates_every_slope(name):
    f, params, example = NETWORKS[name]
    network = trace(f, params, example)
    chain = network.chain(biases=True)
    assert isinstance(chain, Chain)
    product = Interval(1)
    for layer in chain.layers:
        product = product * layer.spectral_norm() * layer.lipschitz
    x = _RNG.normal(size=(64, *example.shape))
    slopes = jax.jit(jax.vmap(jax.jacrev(f, 1), (None, 0)), compiler_options=QUICK)
    rows = slopes(params, jnp.asarray(x, jnp.float32))
    steepest = np.asarray(rows, np.float64).reshape(64, network.classes, -1)
    assert np.linalg.norm(steepest, 2, axis=(1, 2)).max() <= float(product.hi) * (1 + 1e-4)
    # Merging fixed layers into maps changes no product of norms but by rounding, and drops no learned piece.
    learned = [p.label for p in network.affine if p.learned]
    assert set(learned) == {p.label for layer in chain.layers for p in layer.learned}
    whole = Interval(1)
    for layer, *_ in unrolled(network):
        whole = whole * layer.spectral_norm() * layer.lipschitz
    assert abs(float(whole.hi) / float(product.hi) - 1) < 1e-9


# Closed forms ---------------------------------------------------------------------------------------------------


def norms(f, params, example):
    network = trace(f, params, example)
    chain = network.chain(biases=True)
    assert isinstance(chain, Chain)
    return network, [layer.spectral_norm(1e-6) for layer in chain.layers]


def test_a_value_carried_past_a_layer_adds_one_to_the_square():
    """[A; I] has the norm (||A||^2 + 1)^(1/2), and the last row of a residual block, [B, I], as well."""
    v, w = np.asarray(normal(5, 5), np.float64), np.asarray(normal(5, 5), np.float64)
    a, b = (np.linalg.norm(m, 2) for m in (v, w))
    params = (normal(5, 4), jnp.asarray(v, jnp.float32), jnp.asarray(w, jnp.float32))

    def f(p, x):
        h = relu(p[0] @ x)
        return h + p[2] @ relu(p[1] @ h)

    _, (_, middle, last) = norms(f, params, np.zeros(4, np.float32))
    for norm, value in ((middle, a), (last, b)):
        assert contains(norm, np.hypot(value, 1), 1e-6)
        assert norm.hi <= norm.lo * (1 + 1e-6)


def test_a_convolution_beside_a_max_pool_carries_the_value():
    kernel = normal(3, 3, 3, 3)

    def f(p, x):
        h = relu(conv(x, p[0]))
        return jnp.concatenate([relu(conv(h, p[1], 2)), max_pool(h, 3, 2)], -1).reshape(-1) @ p[2]

    network, (_, middle, _) = norms(f, (K[0], kernel, normal(24, 3)), MAP)
    own = np.linalg.norm(network.affine[1].matrix, 2)
    assert contains(middle, np.hypot(own, 1), 1e-6)
    assert middle.hi <= middle.lo * (1 + 1e-5)
    layer = network.chain(biases=True).layers[1]
    assert (layer.lipschitz * layer.lipschitz).hi <= 4 + 1e-9
    assert not layer.elementwise
    assert layer.homogeneous


def test_parallel_convolutions_are_one_linear_map():
    """Their joint norm lies between the largest one and the root of the sum of squares, and is found."""
    network, found = norms(inception, (K, B, normal(5, 3)), MAP)
    first, second = network.affine[0], network.affine[1]
    both = np.linalg.norm(np.concatenate([first.matrix, second.matrix]), 2)
    assert contains(found[0], both, 1e-6)
    assert found[0].hi <= both * (1 + 1e-3)
    apart = np.hypot(np.linalg.norm(first.matrix, 2), np.linalg.norm(second.matrix, 2))
    assert found[0].hi < apart


POOLS = {
    "2x2/2": ((2, 2, "VALID", 1), 1),
    "3x3/2": ((3, 2, "SAME", 1), 2),
    "3x3/1": ((3, 1, "SAME", 1), 3),
    "2x2/2 dilated": ((2, 2, "VALID", 2), 2),
    "2x2/1 dilated": ((2, 1, "VALID", 2), 2),
    "5x5/2": ((5, 2, "SAME", 1), 3),
}


@pytest.mark.parametrize("name", POOLS)
def test_max_pooling_has_the_root_of_its_overlap_as_lipschitz_constant(name):
    options, expected = POOLS[name]
    params = (K[0], None)
    size = jax.eval_shape(lambda x: max_pool(x, *options), np.zeros((8, 8, 3), np.float32)).size
    params = (K[0], normal(size, 3))
    network = trace(
        lambda p, x: max_pool(relu(conv(x, p[0])), *options).reshape(-1) @ p[1],
        params,
        np.zeros((8, 8, 2), np.float32),
    )
    chain = network.chain()
    assert isinstance(chain, Chain)
    constant = chain.layers[0].lipschitz
    assert contains(constant, expected, 1e-12)
    # It is attained: one entry that is above all others in every window that reads it.
    pool = network.nonlinear[-1]
    counts = np.bincount(pool.windows[pool.windows >= 0])
    spike = np.zeros((2, network.nodes[2].size))
    spike[1, counts.argmax()] = 1.0
    low, high = pool.apply(spike)
    assert np.isclose(np.linalg.norm(high - low), expected)


def test_overlapping_max_pooling_of_stride_two_and_dilation_two_counts_windows_of_one_class():
    """Width 3, stride 2, dilation 2: every other column is read by three windows, the others by none."""
    f = lambda p, x: max_pool(p * x[:, :, None], 3, 2, "VALID", 2).reshape(-1)  # noqa: E731
    pool = trace(f, jnp.ones(1, dtype=jnp.float32), np.zeros((11, 11), np.float32)).nonlinear[0]
    assert contains(pool.lipschitz, 3, 1e-12)


# What is a chain and what is none -------------------------------------------------------------------------------


def test_a_dense_chain_is_plain_and_an_inception_block_is_not():
    chain = trace(*NETWORKS["dense"]).chain(biases=True)
    assert isinstance(chain, Chain)
    assert chain.widths == (4, 5, 6, 3)
    assert len(chain.plain) == 3
    assert chain.homogeneous
    assert chain.has_bias
    assert not chain.why_not_plain
    for name in ("inception", "down", "residual", "densenet"):
        chain = trace(*NETWORKS[name]).chain(biases=True)
        assert isinstance(chain, Chain)
        assert chain.plain == ()
        assert chain.widths == ()
        assert chain.homogeneous
        assert chain.why_not_plain
    tanh = trace(*NETWORKS["pooled"]).chain(biases=True)
    assert isinstance(tanh, Chain)
    assert not tanh.homogeneous


def test_a_network_of_layers_and_average_pools_keeps_only_the_layers():
    """What has no parameters belongs to the Lipschitz map before it."""

    def f(p, x):
        h = lax.reduce_window(relu(conv(x, p[0])), 0.0, lax.add, (2, 2, 1), (2, 2, 1), "VALID") / 4
        return relu(conv(h, p[1][:, :, :3])).reshape(-1) @ p[2]

    network = trace(f, (K[0], K[2], normal(12, 3)), MAP)
    chain = network.chain()
    assert isinstance(chain, Chain)
    assert [layer.pieces[0].label for layer in chain.layers] == ["[0]", "[1]", "[2]"]
    assert contains(chain.layers[0].lipschitz, 0.5, 1e-6)
    assert not chain.layers[0].elementwise
    # The pool itself is the first layer where nothing stands before it.
    first = trace(lambda p, x: max_pool(x, 2, 2).mean(axis=(0, 1)) @ p, normal(2, 3), MAP).chain()
    assert isinstance(first, Refusal)


def test_all_reasons_are_given_at_once():
    w = {"a": {"w": normal(4, 4), "b": normal(1, 4)[0]}, "c": {"w": normal(4, 4), "b": normal(1, 4)[0]}}

    def f(p, x):
        h = relu(p["a"]["w"] @ relu(x) + p["a"]["b"])
        return relu(h + p["c"]["w"] @ h + p["c"]["b"])

    network = trace(f, w, np.zeros(4, np.float32))
    refusal = network.chain()
    assert isinstance(refusal, Refusal)
    assert len(refusal.reasons) == 4
    assert "starts with a nonlinearity" in refusal.reasons[0]
    assert "ends with a nonlinearity" in refusal.reasons[1]
    assert "layer `a` has a bias (test_chain.py:" in refusal.reasons[2]
    assert "layer `c` has a bias (test_chain.py:" in refusal.reasons[3]
    with_biases = network.chain(biases=True)
    assert isinstance(with_biases, Refusal)
    assert len(with_biases.reasons) == 2


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "sums"])
def test_a_chain_without_biases_is_refused_where_something_is_added(name):
    network = trace(*NETWORKS[name])
    refusal = network.chain()
    assert isinstance(refusal, Refusal)
    assert len(refusal.reasons) == sum(piece.has_bias for piece in network.affine)


def test_an_inception_block_without_biases_is_a_chain():
    class Net(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, x):
            n = flax.linen
            h = jnp.concatenate([n.relu(n.Conv(3, (k, k), use_bias=False)(x)) for k in (1, 3)], -1)
            return n.Dense(3, use_bias=False)(h.reshape(-1))

    net = Net()
    chain = trace(net.apply, net.init(jax.random.key(0), MAP), MAP).chain()
    assert isinstance(chain, Chain)
    assert [len(layer.learned) for layer in chain.layers] == [2, 1]
    assert not chain.has_bias
