"""The recursions over the graph, against errors put into networks node by node and against loops written by hand."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from independent import conv, max_pool, normal, sum_pool

from boundcheck import Interval
from boundcheck.network import Affine, Join, trace
from boundcheck.network.gains import gains, layer_norm, pieces_of, separate, stacked
from boundcheck.network.nonlinear import MaxPool, Relu


def residual(p, x):
    h = jax.nn.relu(p[0] @ x + p[1])
    h = jax.nn.relu(h + p[2] @ jax.nn.relu(p[3] @ h) + p[4])
    return p[5] @ (h + p[6] @ h)


def inception(p, x):
    h = jax.nn.relu(conv(x, p[0]) + p[1])
    h = jnp.concatenate([jax.nn.relu(conv(h, p[2])), jax.nn.relu(conv(h, p[3]) + p[4])], axis=2)
    h = jnp.concatenate([jax.nn.relu(conv(h, p[5], 2)), max_pool(h, 3, 2)], axis=2)
    return p[6] @ h.mean((0, 1)) + p[7]


def tangled(p, x):
    """Branches of one value joined with what they are not, one of them twice, and the larger of two values."""
    h = jax.nn.relu(p[0] @ x)
    a, b = jax.nn.relu(p[1] @ h), jnp.tanh(p[2] @ h)
    joined = jnp.concatenate([a, b, h, a])
    return p[3] @ joined + p[4] @ jnp.maximum(a, b) + p[5] @ jax.nn.relu(p[6] @ x)


NETWORKS = {
    "residual": (residual, [(6, 4), (6,), (6, 5), (5, 6), (6,), (3, 6), (6, 6)], (4,)),
    "inception": (
        inception,
        [(3, 3, 2, 4), (4,), (1, 1, 4, 3), (3, 3, 4, 5), (5,), (3, 3, 8, 6), (3, 14), (3,)],
        (12, 12, 2),
    ),
    "tangled": (tangled, [(6, 4), (5, 6), (5, 6), (3, 21), (3, 5), (3, 7), (7, 4)], (4,)),
}


def network_of(name, seed=0):
    f, shapes, at = NETWORKS[name]
    params = [normal(*shape, seed=100 * seed + i) for i, shape in enumerate(shapes)]
    return trace(f, params, np.zeros(at, np.float32))


def values(network, x, layers, errors):
    """Every value of the network on x [n, ...]; right after layer i its output is moved by its part of errors[i]."""
    layer_of = {p: (i, layer.index(p)) for i, layer in enumerate(layers) for p in layer}
    found = [x.reshape(len(x), -1)]
    for position, node in enumerate(network.nodes[1:], 1):
        f, (h, *others) = node.operation, [found[i] for i in node.inputs]
        if isinstance(f, Affine):
            y = h @ f.matrix.T + f.bias
            if position in layer_of:
                i, member = layer_of[position]
                y = y + errors[i][member]
        elif isinstance(f, Join):
            y = np.zeros((len(h), f.size))
            for part, places in zip([h, *others], f.places, strict=True):
                y[:, np.arange(f.size) if places is None else places] += part
        else:
            y = f.apply(h, *others)
        found.append(y)
    return found


def measured(network, layers, x):
    norms = [layer_norm(network, layer) for layer in layers]
    constants = [
        sum((p.bias_norm(2) * p.bias_norm(2) for p in pieces_of(network, layer)), Interval(0)).sqrt()
        for layer in layers
    ]
    size = Interval(float(np.linalg.norm(x.reshape(len(x), -1)) / math.sqrt(len(x))))
    return gains(network, layers, norms, constants, size), norms


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("grouping", [separate, stacked])
def test_no_error_and_no_input_is_larger_than_the_recursions_say(name, grouping):
    rng = np.random.default_rng(3)
    worst = 0.0
    for seed in range(3):
        network = network_of(name, seed)
        layers = grouping(network)
        x = rng.normal(size=(7, *network.in_shape))
        bound, _ = measured(network, layers, x)
        plain = values(network, x, layers, [[0.0] * len(layer) for layer in layers])
        for layer, r in zip(layers, bound.inputs, strict=True):
            (source,) = {network.nodes[p].inputs[0] for p in layer}
            assert np.linalg.norm(plain[source]) / math.sqrt(7) <= float(r.hi) * (1 + 1e-12)
        for trial in range(30):
            # One layer at a time, or all; each error has a norm of its own over all blocks of its layer.
            scale = rng.exponential(size=len(layers)) * 10.0 ** rng.uniform(-3, 1)
            if trial % 2:
                scale *= np.arange(len(layers)) == rng.integers(len(layers))
            # What happens right at the logits is no test.
            scale[[e == Interval(1) for e in bound.effects]] = 0
            if not scale.any():
                continue
            errors: list[list[np.ndarray]] = []
            for layer, norm in zip(layers, scale, strict=True):
                parts = [rng.normal(size=(7, network.nodes[p].size)) for p in layer]
                total = math.sqrt(sum(np.sum(part**2) for part in parts))
                errors.append([norm * part / total for part in parts])
            moved = np.linalg.norm(values(network, x, layers, errors)[-1] - plain[-1])
            allowed = sum(float(e.hi) * s for e, s in zip(bound.effects, scale, strict=True))
            worst = max(worst, moved / allowed)
            # The difference of two computed logits is rounded.
            assert moved <= allowed + 1e-13 * np.linalg.norm(plain[-1])
    assert worst > 0.005


def test_a_chain_has_the_closed_form():
    def f(p, x):
        h = jax.nn.relu(p[0] @ x + p[1])
        return p[3] @ jax.nn.leaky_relu(p[2] @ h, 3.0)

    params = [normal(*s, seed=i) for i, s in enumerate([(5, 4), (5,), (6, 5), (3, 6)])]
    network = trace(f, params, np.zeros(4, np.float32))
    s, b, x = (2.0, 3.0, 5.0), (0.25, 0.0, 0.0), 7.0
    for layers in (separate(network), stacked(network)):
        found = gains(network, layers, [*map(Interval, s)], [*map(Interval, b)], Interval(x))
        rho = (1.0, 3.0, 1.0)
        r, inputs = x, []
        for i in range(3):
            inputs.append(r)
            r = rho[i] * (s[i] * r + b[i])
        effects = [rho[i] * math.prod(rho[j] * s[j] for j in range(i + 1, 3)) for i in range(3)]
        assert [float(v.lo) for v in found.inputs] == inputs == [float(v.hi) for v in found.inputs]
        assert [float(v.lo) for v in found.effects] == effects


def test_a_chain_attains_its_coefficients():
    """Aligned errors through multiples of orthogonal matrices."""
    turn = jnp.asarray([[0.0, -1.0], [1.0, 0.0]], jnp.float32)
    network = trace(lambda p, x: p[1] @ jnp.abs(p[0] @ x), [2 * turn, 3 * turn], np.zeros(2, np.float32))
    layers = separate(network)
    x = np.array([[1.0, 2.0]])
    found, norms = measured(network, layers, x)
    zero = [[np.zeros((1, 2))]] * 2
    plain = values(network, x, layers, zero)[-1]
    # Grow |p0 x|, then go on in the same direction.
    y = x @ (2 * np.asarray(turn, float)).T
    errors = [[y / np.linalg.norm(y)], [plain / np.linalg.norm(plain)]]
    moved = values(network, x, layers, errors)[-1] - plain
    assert float(norms[1].hi) == pytest.approx(3)
    assert np.linalg.norm(moved) == pytest.approx(sum(float(e.hi) for e in found.effects), rel=1e-9)


def test_recursions_by_hand_on_a_block_beside_a_pool():
    network = network_of("inception")
    layers = stacked(network)
    assert [len(layer) for layer in layers] == [1, 2, 1, 1]
    assert [len(layer) for layer in separate(network)] == [1] * 5
    (pool,) = (f for f in network.nonlinear if isinstance(f, MaxPool))
    mean = (
        next(p for p in network.affine if not p.learned)
        if not all(p.learned for p in network.affine)
        else None
    )
    s, c = (2.0, 3.0, 5.0, 7.0), (0.5, 0.25, 0.0, 1.0)
    found = gains(network, layers, [*map(Interval, s)], [*map(Interval, c)], Interval(1))
    rho = float(pool.lipschitz.hi)
    assert rho == 2
    m = 1.0 if mean is None else float(mean.spectral_norm().hi)
    r1 = s[0] * 1 + c[0]
    r2 = s[1] * r1 + c[1]
    r3 = m * math.hypot(s[2] * r2 + c[2], rho * r2)
    assert [float(v.hi) for v in found.inputs] == pytest.approx([1, r1, r2, r3], rel=1e-12)
    past = s[3] * m * math.hypot(s[2], rho)
    expected = [past * s[1], past, s[3] * m, 1]
    assert [float(v.hi) for v in found.effects] == pytest.approx(expected, rel=1e-12)


def test_parallel_branches_are_one_layer_only_where_they_are_joined():
    layers = stacked(network_of("tangled"))
    assert sorted(map(len, layers)) == [1, 1, 1, 1, 1, 2]
    network = network_of("residual")
    assert all(len(layer) == 1 for layer in stacked(network))
    assert stacked(network) == separate(network)


def test_a_branch_that_is_joined_twice_is_not_one_block():
    """[a; a] is root 2 times as long as a: by the largest it would come out as long as a."""

    def f(p, x):
        a, b = jax.nn.relu(p[0] @ x), jax.nn.relu(p[1] @ x)
        return p[2] @ jnp.concatenate([a, b, a])

    params = [normal(*s, seed=i) for i, s in enumerate([(3, 4), (3, 4), (2, 9)])]
    network = trace(f, params, np.zeros(4, np.float32))
    layers = stacked(network)
    assert sorted(map(len, layers)) == [1, 2]
    found = gains(network, layers, [Interval(1)] * 2, [Interval(0)] * 2, Interval(1))
    assert float(found.effects[0].hi) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("name", NETWORKS)
def test_wider_norms_give_wider_gains(name):
    network = network_of(name)
    layers = stacked(network)
    rng = np.random.default_rng(1)
    points = [Interval(float(v)) for v in rng.uniform(0.5, 2, len(layers))]
    zero = [Interval(0)] * len(layers)
    widths = [0.0, 0.1, 0.5]
    found = [
        gains(network, layers, [Interval.hull(p * (1 - w), p * (1 + w)) for p in points], zero, Interval(1))
        for w in widths
    ]
    for narrow, wide in itertools.pairwise(found):
        for a, b in zip((*narrow.inputs, *narrow.effects), (*wide.inputs, *wide.effects), strict=True):
            assert b.contains(a)


def test_the_norm_of_a_stack_is_that_of_its_matrix():
    network = network_of("inception")
    block = next(layer for layer in stacked(network) if len(layer) == 2)
    truth = np.linalg.norm(np.concatenate([p.matrix for p in pieces_of(network, block)]), 2)
    norm = layer_norm(network, block)
    assert norm.lo <= truth * (1 + 1e-9)
    assert norm.hi >= truth * (1 - 1e-9)
    assert float(norm.hi) < math.sqrt(
        sum(float(p.spectral_norm().hi) ** 2 for p in pieces_of(network, block))
    )
    # Asked for again, it is the same number.
    assert layer_norm(network, block) == norm


def test_the_norm_of_dense_branches_is_that_of_their_rows():
    network = network_of("tangled")
    block = next(layer for layer in stacked(network) if len(layer) == 2)
    truth = np.linalg.norm(np.concatenate([p.matrix for p in pieces_of(network, block)]), 2)
    norm = layer_norm(network, block)
    assert norm.contains(truth)
    assert float(norm.hi) < truth * (1 + 1e-7)


def test_sums_of_pools_are_fixed_maps():
    def f(p, x):
        return p[1] @ sum_pool(jax.nn.relu(conv(x, p[0])), 2, 1).reshape(-1)

    params = [normal(3, 3, 2, 4, seed=0), normal(3, 100, seed=1)]
    network = trace(f, params, np.zeros((6, 6, 2), np.float32))
    assert any(isinstance(f, Relu) for f in network.nonlinear)
    layers = separate(network)
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 2))
    found, norms = measured(network, layers, x)
    fixed = [p for p in network.affine if not p.learned]
    through = math.prod(float(p.spectral_norm().hi) for p in fixed)
    assert float(found.effects[0].hi) == pytest.approx(through * float(norms[-1].hi), rel=1e-9)
