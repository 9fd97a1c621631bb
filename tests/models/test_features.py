"""Pixels and random ReLU features, and linear predictors on them: values, kernels, norms, and what a trace makes of them."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import numpy as np
import pytest

from boundcheck.interval import Interval
from boundcheck.models import LinearPredictor, PixelsSpec, RandomReluSpec, build_features, linear_like
from boundcheck.models.features import Pixels, RandomRelu
from boundcheck.network import trace

RNG = np.random.default_rng(11)
INPUTS = RNG.random((20, 5, 4, 1)).astype(np.float32)


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def relu(count: int = 60, seed: int = 2) -> RandomRelu:
    return RandomRelu.draw((5, 4, 1), count, seed)


def arccosine(x: np.ndarray, y: np.ndarray) -> float:
    """E of 2 max(0, <g, x>) max(0, <g, y>), g standard normal; Cho and Saul 2009, equation (6) with n = 1."""
    lengths = float(np.linalg.norm(x) * np.linalg.norm(y))
    angle = math.acos(min(1.0, float(x @ y) / lengths))
    return lengths / math.pi * (math.sin(angle) + (math.pi - angle) * math.cos(angle))


def test_pixels_are_the_input():
    found = np.asarray(Pixels().batch(INPUTS))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.float64(INPUTS.reshape(20, -1)))
    assert Pixels().largest_norm(Interval(3)) == Interval(3)


def test_relu_features_are_what_loops_compute():
    features = relu()
    weight = np.float64(features.weight)
    expected = [
        [max(0.0, sum(w * v for w, v in zip(row, x.reshape(-1), strict=True))) for row in weight]
        for x in np.float64(INPUTS)
    ]
    found = np.asarray(features.batch(INPUTS))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.asarray(features(np.float64(INPUTS[3]))), found[3], rtol=0, atol=1e-13)


def test_inner_products_of_many_relu_features_are_the_arc_cosine_kernel():
    """Within five standard deviations: those of a mean over `count` products of two features."""
    count = 200_000
    centred = INPUTS[:4] - np.float32(0.5)
    found = np.asarray(relu(count).batch(centred))
    kernel = found @ found.T
    for i in range(4):
        for j in range(4):
            x, y = np.float64(centred[i]).reshape(-1), np.float64(centred[j]).reshape(-1)
            spread = np.std(found[i] * found[j]) * math.sqrt(count)
            assert abs(kernel[i, j] - arccosine(x, y)) < 5 * spread
            assert spread < 0.05 * np.linalg.norm(x) * np.linalg.norm(y)
    norms = np.square(centred.reshape(4, -1)).sum(axis=1)
    np.testing.assert_allclose(np.diag(kernel), norms, rtol=0.05)


def test_relu_features_are_positively_homogeneous():
    features = relu()
    np.testing.assert_array_equal(features.batch(INPUTS * np.float32(4)), 4 * features.batch(INPUTS))


@pytest.mark.parametrize("block", [1, 7, 20, 64])
@pytest.mark.parametrize("features", [Pixels(), relu()], ids=["pixels", "relu"])
def test_the_block_changes_nothing(features, block):
    np.testing.assert_allclose(features.batch(INPUTS, block), features.batch(INPUTS), rtol=0, atol=1e-14)


@pytest.mark.parametrize("count", [3, 60, 2000])
def test_the_norm_of_relu_features_is_bounded_and_nearly_attained(count):
    """The spectral norm is a bound; the input at which W x is longest, or its opposite, has half of its square in ReLU."""
    features = relu(count)
    bound = float(features.largest_norm(Interval(2)).hi)
    directions = np.linalg.svd(np.float64(features.weight), full_matrices=False)[2]
    tried = np.concatenate([directions, -directions, RNG.normal(size=(200, 20))])
    tried *= 2 / np.linalg.norm(tried, axis=1, keepdims=True)
    largest = float(np.linalg.norm(features.batch(tried.reshape(-1, 5, 4, 1)), axis=1).max())
    assert largest <= bound <= math.sqrt(2) * largest * (1 + 1e-5)
    assert float(features.largest_norm(Interval(6)).hi) == pytest.approx(3 * bound, rel=1e-12)


def test_a_seed_is_a_map_and_another_is_another():
    np.testing.assert_array_equal(relu().weight, relu().weight)
    assert np.abs(np.asarray(relu().weight) - np.asarray(relu(seed=3).weight)).max() > 0.1


@pytest.mark.parametrize(
    "spec",
    [PixelsSpec(name="pixels"), RandomReluSpec(name="random-relu", count=60)],
    ids=lambda spec: spec.name,
)
class TestLinearPredictor:
    def predictor(self, spec) -> LinearPredictor:
        features = build_features(spec, INPUTS, seed=4)
        return LinearPredictor(features=features, weight=RNG.normal(size=(3, spec.dimension((5, 4, 1)))))

    def network(self, predictor, example):
        params, static = eqx.partition(predictor, eqx.is_array)
        return trace(lambda p, x: eqx.combine(p, static)(x), params, example)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_its_network_computes_the_same(self, spec, dtype):
        predictor = self.predictor(spec)
        network = self.network(predictor, INPUTS[0].astype(dtype))
        centre, radius = network.enclose(INPUTS)
        expected = np.asarray(predictor.features.batch(INPUTS)) @ np.asarray(predictor.weight).T
        np.testing.assert_allclose(centre, expected, rtol=0, atol=1e-12)
        assert np.all(np.abs(centre - expected) <= radius + 1e-13)
        assert radius.max() < 1e-10

    def test_its_network_is_a_chain_whose_last_layer_is_the_weight(self, spec):
        predictor = self.predictor(spec)
        network = self.network(predictor, INPUTS[0])
        assert network.chain()
        weight = np.asarray(predictor.weight)
        norm = network.affine[-1].spectral_norm()
        truth = float(np.linalg.svd(weight, compute_uv=False)[0])
        assert float(norm.lo) <= truth * (1 + 1e-12)
        assert truth * (1 - 1e-12) <= float(norm.hi) <= truth * (1 + 1e-5)
        assert network.parameters == sum(a.size for a in jax.tree.leaves(predictor))

    def test_what_is_read_back_has_the_arrays_that_were_built(self, spec):
        predictor = self.predictor(spec)
        like = linear_like(spec, (5, 4, 1), 3)
        assert jax.tree.structure(like) == jax.tree.structure(predictor)
        for a, b in zip(jax.tree.leaves(like), jax.tree.leaves(predictor), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
