"""Path norms against the sum over every single path, and far beyond the largest float."""

from __future__ import annotations

from fractions import Fraction

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.interval import Interval
from boundcheck.network import Affine, Network, PathNorms, Refusal, trace
from boundcheck.network.graph import Input, Join
from boundcheck.network.nonlinear import MaxPool, Slopes

_RNG = np.random.default_rng(3)


def every_path(network: Network) -> list[Fraction]:
    """The product of the weights on each path from an input coordinate or a bias to a logit, one by one."""

    def arriving(position: int, unit: int) -> list[Fraction]:
        node = network.nodes[position]
        match node.operation:
            case Input():
                return [Fraction(1)]
            case Affine() as piece:
                matrix = piece.matrix
                paths = [
                    Fraction(float(matrix[unit, j])) * path
                    for j in np.flatnonzero(matrix[unit])
                    for path in arriving(node.inputs[0], int(j))
                ]
                bias = Fraction(float(piece.bias[unit]))
                return [*paths, bias] if piece.has_bias and bias else paths
            case MaxPool(windows=windows):
                read = windows[unit]
                return [path for j in read[read >= 0] for path in arriving(node.inputs[0], int(j))]
            case Join(places=places):
                paths = []
                for i, place in zip(node.inputs, places, strict=True):
                    source = np.arange(network.nodes[i].size) if place is None else place
                    for j in np.flatnonzero(source == unit):
                        paths += arriving(i, int(j))
                return paths
            case _:
                return [path for i in node.inputs for path in arriving(i, unit)]

    last = len(network.nodes) - 1
    return [path for unit in range(network.classes) for path in arriving(last, unit)]


def hybrid_by_hand(network: Network) -> float:
    """l2 norms of the units that read the input, then absolute weights, from unrolled matrices alone."""
    masses = [np.ones(network.nodes[0].size)]
    for node in network.nodes[1:]:
        m, *others = [masses[i] for i in node.inputs]
        match node.operation:
            case Affine(learned=True) as piece if node.inputs == (0,):
                y = np.sqrt((piece.matrix**2).sum(axis=1)) + np.abs(piece.bias)
            case Affine() as piece:
                y = np.abs(piece.matrix) @ m + np.abs(piece.bias)
            case MaxPool(windows=windows):
                y = np.append(m, 0.0)[windows].sum(axis=1)
            case Slopes() as f:
                y = m * max(1.0, abs(f.below), abs(f.above))
            case Join(places=places, size=size):
                y = np.zeros(size)
                for part, place in zip([m, *others], places, strict=True):
                    y[np.arange(size) if place is None else place] += part
            case _:
                y = m + sum(others)
        masses.append(y)
    return float(masses[-1].sum())


def check(network: Network, tight: float = 1e-11) -> PathNorms:
    paths = every_path(network)
    norms = network.path_norms()
    assert isinstance(norms, PathNorms)
    assert float(norms.hybrid.lo) <= hybrid_by_hand(network) * (1 + 1e-13)
    assert (
        hybrid_by_hand(network) * (1 - 1e-13)
        <= float(norms.hybrid.hi)
        <= float(norms.hybrid.lo) * (1 + tight)
    )
    l1, squared = sum(map(abs, paths)), sum(p * p for p in paths)
    assert norms.l1.contains(Interval(l1))
    assert (norms.l2 * norms.l2).contains(Interval(squared))
    for norm in (norms.l1, norms.l2):
        assert norm.hi <= norm.lo * (1 + tight)
    return norms


def traced(module: nn.Module, shape: tuple[int, ...]) -> Network:
    x = np.zeros(shape, np.float32)
    params = jax.tree.map(
        lambda a: a + 0.3 * _RNG.normal(size=a.shape).astype(np.float32), module.init(jax.random.key(1), x)
    )
    return trace(module.apply, params, x)


class Dense(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(4)(x))
        x = jnp.abs(nn.Dense(3, use_bias=False)(x))
        return nn.Dense(2)(nn.leaky_relu(nn.Dense(3)(x)))


class Image(nn.Module):
    """Padding, overlapping max pooling, a skip, a concatenation, a maximum and an average."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(2, (3, 3))(x))
        h = nn.max_pool(nn.Conv(2, (1, 1))(x), (3, 3), strides=(2, 2), padding="SAME")
        y = nn.relu(nn.Conv(2, (2, 2), strides=2)(x))
        x = nn.relu(nn.Conv(2, (2, 2))(y) + h)
        x = jnp.maximum(nn.Conv(2, (1, 1), use_bias=False)(x), nn.Conv(2, (1, 1))(y))
        return nn.Dense(2)(jnp.concatenate([x, h], -1).mean((0, 1)))


@pytest.mark.parametrize(("module", "shape"), [(Dense(), (3,)), (Image(), (4, 4, 1))])
def test_path_norms_are_sums_over_paths(module, shape):
    check(traced(module, shape))


def test_a_slope_above_one_counts_on_every_path():
    params = [jnp.asarray(_RNG.normal(size=s), jnp.float32) for s in ((3, 2), (2, 3))]

    def plain(p, x):
        return p[1] @ jnp.abs(p[0] @ x)

    def steep(p, x):
        h = p[0] @ x
        return p[1] @ jnp.where(h > 0, h, -4 * h)

    one, four = (trace(f, params, np.zeros(2, np.float32)) for f in (plain, steep))
    assert any(isinstance(f, Slopes) for f in four.nonlinear)
    a, b = one.path_norms(), four.path_norms()
    assert isinstance(a, PathNorms)
    assert isinstance(b, PathNorms)
    assert (a.l1 * 4).intersects(b.l1)
    assert (a.l2 * 4).intersects(b.l2)


def test_batch_norm_counts_folded_and_not_as_a_subtraction():
    """w = 0.7, scale 1.3, mean 0.5, deviation 2, shift 0.1: |1.3 * 0.7 / 2| + |0.1 - 1.3 * 0.5 / 2|."""
    p = jnp.asarray([[0.7], [0.7]], jnp.float32)

    def f(p, x):
        return (p @ x - 0.5) / 2 * 1.3 + 0.1

    norms = check(trace(f, p, np.zeros(1, np.float32)))
    assert float(norms.l1.hi) == pytest.approx(2 * 0.68, rel=1e-6)


@pytest.mark.parametrize(("depth", "scale"), [(34, 16.0), (400, 1e3), (300, 1e-6)])
def test_no_depth_overflows_and_none_vanishes(depth, scale):
    width = 8
    layers = [jnp.full((width, width), scale, jnp.float32)] * depth

    def f(p, x):
        for w in p[:-1]:
            x = jax.nn.relu(w @ x)
        return p[-1] @ x

    norms = trace(f, layers, np.zeros(width, np.float32)).path_norms()
    assert isinstance(norms, PathNorms)
    s = Interval(Fraction(float(np.float32(scale))))
    l1 = (s * width) ** depth * width
    l2 = (s * s * width) ** depth * width
    assert norms.l1.intersects(l1)
    assert (norms.l2 * norms.l2).intersects(l2)
    assert norms.l1.hi <= norms.l1.lo * (1 + 1e-9)
    assert norms.l1.is_finite
    assert norms.l1.lo > 0


def test_other_nonlinearities_are_named():
    params = jnp.eye(3, dtype=jnp.float32)
    network = trace(lambda p, x: p @ jnp.clip(p @ jnp.tanh(p @ x), -1, 1), params, np.zeros(3, np.float32))
    refusal = network.path_norms()
    assert isinstance(refusal, Refusal)
    assert len(refusal.reasons) == 2
    assert all("test_path_norms.py" in reason for reason in refusal.reasons)
