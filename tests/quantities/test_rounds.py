"""Rounds of sign tests, counted on traced networks against counts by hand."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.network import trace
from boundcheck.quantities import UnavailableError
from boundcheck.quantities.capacity import rounds_of


class LeNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        for channels in (6, 16):
            x = nn.relu(nn.Conv(channels, (5, 5), padding="VALID")(x))
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(-1)
        for width in (120, 84):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(10)(x)


def counts(f, shape):
    x = np.zeros(shape, np.float32)
    params = f.init(jax.random.key(0), x)
    rounds = rounds_of(trace(f.apply, params, x))
    return [(r.tests, r.degree, r.parameters) for r in rounds]


def test_shared_weights_count_once_and_pooling_shares_the_round_of_its_relu():
    assert counts(LeNet(), (28, 28, 1)) == [
        (8640, 1, 156),
        (2560, 2, 2572),
        (120, 3, 33_412),
        (84, 4, 43_576),
        (9, 5, 44_426),
    ]


def test_a_multilayer_perceptron_tests_each_unit_once():
    params = [
        jnp.ones((512, 784)),
        jnp.ones(512),
        jnp.ones((512, 512)),
        jnp.ones(512),
        jnp.ones((10, 512)),
        jnp.ones(10),
    ]

    def f(p, x):
        h = jax.nn.relu(p[0] @ x + p[1])
        return p[4] @ jax.nn.relu(p[2] @ h + p[3]) + p[5]

    rounds = rounds_of(trace(f, params, np.zeros(784, np.float32)))
    assert [(r.tests, r.degree, r.parameters) for r in rounds] == [
        (512, 1, 401_920),
        (512, 2, 664_576),
        (9, 3, 669_706),
    ]


class Skips(nn.Module):
    """A residual block, an average pool and a pool of affine values."""

    @nn.compact
    def __call__(self, x):
        h = nn.relu(nn.Conv(4, (3, 3), use_bias=False)(x))
        y = nn.relu(nn.Conv(4, (3, 3), use_bias=False)(h))
        h = nn.leaky_relu(h + nn.Conv(4, (3, 3), use_bias=False)(y))
        h = nn.max_pool(nn.Conv(2, (1, 1))(h), (3, 3), strides=(1, 1))
        h = nn.avg_pool(h, (2, 2), strides=(2, 2))
        return nn.Dense(3)(jnp.clip(h.reshape(-1), -1, 1))


def test_skips_and_average_pools_make_no_tests():
    found = counts(Skips(), (6, 6, 1))
    unit = 6 * 6 * 4
    # Windows 3x3 at stride 1 on a 6x6 map: unordered pairs of cells at distance at most 2 on both axes.
    cells = [(r, c) for r in range(6) for c in range(6)]
    pairs = {
        frozenset((a, b))
        for a in cells
        for b in cells
        if a != b and max(abs(a[0] - b[0]), abs(a[1] - b[1])) <= 2
    }
    conv = [36, 36 + 144, 36 + 288, 36 + 288 + 10]
    assert found == [
        (unit, 1, conv[0]),
        (unit, 2, conv[1]),
        (unit, 3, conv[2]),
        (2 * len(pairs), 4, conv[3]),
        (2 * 8, 4, conv[3]),
        (2, 5, conv[3] + 27),
    ]


def test_what_is_not_piecewise_linear_is_named():
    with pytest.raises(UnavailableError, match="Tanh"):
        rounds_of(trace(lambda p, x: p @ jnp.tanh(p @ x), jnp.eye(3), np.ones(3, np.float32)))
