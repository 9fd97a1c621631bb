"""The kernel path norm: against the formula by hand, and never below the hybrid path norm."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from independent import normal

from boundcheck.interval import Interval
from boundcheck.network import Network, trace
from boundcheck.network.kernel_path import kernel_path_norm
from boundcheck.network.recentring import geometric_median, median, recentred_network


class Pooled(nn.Module):
    """5x5 convolution, ReLU, 2x2 max pool, 3x3 convolution with stride 2, ReLU, dense."""

    biases: bool

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(6, (5, 5), use_bias=self.biases)(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Conv(7, (3, 3), strides=2, use_bias=self.biases)(x))
        return nn.Dense(4, use_bias=self.biases)(x.reshape(-1))


class Average(nn.Module):
    """The mean over the map in place of the dense layer's positions."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(6, (3, 3), use_bias=False)(x))
        x = nn.relu(nn.Conv(6, (3, 3), use_bias=False)(nn.avg_pool(x, (2, 2), strides=(2, 2))))
        return nn.Dense(3, use_bias=False)(x.mean((0, 1)))


class Wide(nn.Module):
    """Everything at once: skips, concatenation, a pool beside a convolution, padding, groups, a maximum, |x|, the input again."""

    @nn.compact
    def __call__(self, x):
        h = nn.relu(nn.Conv(4, (3, 3))(x))
        beside = nn.max_pool(h, (3, 3), strides=(2, 2), padding="SAME")
        h = nn.relu(jnp.concatenate([nn.Conv(5, (3, 3), strides=2)(h), beside], axis=-1))
        h = h + jnp.abs(nn.Conv(9, (1, 1), use_bias=False)(h))
        h = jnp.maximum(nn.Conv(6, (2, 2), feature_group_count=3)(h), nn.Conv(6, (1, 1))(h))
        return nn.Dense(3)(jnp.concatenate([h.reshape(-1), x.reshape(-1)]))


def traced(
    module: nn.Module, shape: tuple[int, ...], seed: int = 1, bias: float = 0.3
) -> tuple[Network, dict]:
    rng = np.random.default_rng(seed)
    x = np.zeros(shape, np.float32)
    params = jax.tree.map(
        lambda a: a + (bias if a.ndim == 1 else 0.1) * rng.normal(size=a.shape).astype(np.float32),
        module.init(jax.random.key(seed), x),
    )
    return trace(module.apply, params, x), params["params"]


def filters(layer, biases):
    kernel = np.asarray(layer["kernel"], np.float64)
    norms = np.sqrt((kernel**2).reshape(-1, kernel.shape[-1]).sum(axis=0))
    return norms, np.abs(np.asarray(layer["bias"], np.float64)) if biases else 0.0


@pytest.mark.parametrize("biases", [False, True])
def test_the_recursion_by_hand(biases):
    network, params = traced(Pooled(biases), (32, 32, 2))
    (k1, b1), (k2, b2) = (filters(params[f"Conv_{i}"], biases) for i in (0, 1))
    t = np.sqrt(np.sum((k1 + b1) ** 2))
    t = 4 * t
    t = np.sqrt(np.sum((3 * t * k2 + b2) ** 2))
    dense = np.asarray(params["Dense_0"]["kernel"], np.float64).reshape(8 * 8, 7, 4)
    total = t * np.sqrt((dense**2).sum(axis=1)).sum()
    if biases:
        total += np.abs(np.asarray(params["Dense_0"]["bias"], np.float64)).sum()
    found = kernel_path_norm(network)
    assert float(found.lo) <= total * (1 + 1e-12)
    assert total * (1 - 1e-12) <= float(found.hi) <= float(found.lo) * (1 + 1e-9)


def test_an_average_pool_costs_nothing():
    network, params = traced(Average(), (40, 40, 2))
    k1, k2 = (np.linalg.norm(np.asarray(params[f"Conv_{i}"]["kernel"], np.float64)) for i in (0, 1))
    # The mean is folded into the last matrix, whose 20 x 20 positions have a 400th of the weights each.
    rows = np.linalg.norm(np.asarray(params["Dense_0"]["kernel"], np.float64), axis=0).sum()
    found = kernel_path_norm(network)
    assert float(found.lo) == pytest.approx(k1 * 3 * k2 * rows, rel=1e-6)
    assert found.hi <= found.lo * (1 + 1e-9)


def test_on_dense_layers_it_is_the_product_of_frobenius_norms():
    params = [normal(9, 5, seed=0), normal(8, 9, seed=1), normal(3, 8, seed=2)]
    network = trace(
        lambda p, x: p[2] @ jax.nn.relu(p[1] @ jax.nn.relu(p[0] @ x)), params, jnp.ones(5, jnp.float32)
    )
    a, b, c = (np.asarray(p, np.float64) for p in params)
    product = np.linalg.norm(a) * np.linalg.norm(b) * np.linalg.norm(c, axis=1).sum()
    found = kernel_path_norm(network)
    assert float(found.lo) == pytest.approx(product, rel=1e-12)
    assert found.hi <= found.lo * (1 + 1e-11)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("module", "shape"), [(Pooled(True), (20, 20, 2)), (Average(), (12, 12, 3)), (Wide(), (9, 8, 2))]
)
def test_it_is_never_below_the_hybrid_path_norm(module, shape, seed):
    network, _ = traced(module, shape, seed, bias=float(seed))
    assert network.path_norms().hybrid.lo <= kernel_path_norm(network).hi
    # Recentred each in its own way, too: the median is the best for weighted sums.
    best = recentred_network(network, median).path_norms().hybrid
    assert best.lo <= kernel_path_norm(recentred_network(network, geometric_median)).hi


def test_cells_that_all_look_alike_attain_the_bound():
    """One channel, equal weights, no padding: the inequality of Cauchy and Schwarz is an equality."""

    def f(p, x):
        dims = ("NHWC", "HWIO", "NHWC")
        h = x[None]
        for kernel in p[:2]:
            h = jax.nn.relu(jax.lax.conv_general_dilated(h, kernel, (1, 1), "VALID", dimension_numbers=dims))
        return p[2] @ h.reshape(-1)

    ones = [jnp.ones((3, 3, 1, 1)), jnp.ones((2, 2, 1, 1)), jnp.ones((2, 21 * 21))]
    network = trace(f, ones, jnp.ones((24, 24, 1), jnp.float32))
    hybrid, kernels = network.path_norms().hybrid, kernel_path_norm(network)
    assert float(kernels.hi) == pytest.approx(3 * 4 * 2 * 441, rel=1e-9)
    assert float(hybrid.hi) == pytest.approx(float(kernels.lo), rel=1e-9)


@pytest.mark.parametrize(("depth", "scale"), [(40, 1e12), (40, 1e-12)])
def test_no_depth_overflows_and_none_vanishes(depth, scale):
    width = 6
    layers = [jnp.full((width, width), scale, jnp.float32)] * depth

    def f(p, x):
        for w in p[:-1]:
            x = jax.nn.relu(w @ x)
        return p[-1] @ x

    found = kernel_path_norm(trace(f, layers, np.zeros(width, np.float32)))
    s = Interval(float(np.float32(scale)))
    # Of a constant matrix: s * width, for each of depth - 1 layers; the last one sums rows of norm s * width^(1/2).
    exact = (s * width) ** (depth - 1) * s * Interval(width).sqrt() * width
    assert found.intersects(exact)
    assert found.hi <= found.lo * (1 + 1e-9)


@pytest.mark.parametrize("power", [-3, 5])
def test_it_scales_with_the_last_layer(power):
    network, params = traced(Pooled(False), (20, 20, 2))
    scaled = {**params, "Dense_0": {"kernel": params["Dense_0"]["kernel"] * 2.0**power}}
    module = Pooled(False)
    other = trace(module.apply, {"params": scaled}, np.zeros((20, 20, 2), np.float32))
    a, b = kernel_path_norm(network) * 2.0**power, kernel_path_norm(other)
    assert float(a.lo) == pytest.approx(float(b.lo), rel=1e-12)
