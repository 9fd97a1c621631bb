"""All eight steps of Coates and Ng's features against loops over single numbers, and what must not change them."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import numpy as np
import pytest

from boundcheck.errors import DataError
from boundcheck.interval import Interval
from boundcheck.models import LinearPredictor
from boundcheck.models.predictor_spec import RandomConvolutionalSpec
from boundcheck.models.random_convolutional import EPSILON, RandomConvolutional, pooled_positions
from boundcheck.network import trace

RNG = np.random.default_rng(3)
IMAGES = (RNG.integers(0, 256, (30, 9, 8, 2)) / np.float32(255)).astype(np.float32)


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def built(images: np.ndarray = IMAGES, seed: int = 5, **changes) -> RandomConvolutional:
    settings = {"filters": 7, "patch": 3, "threshold": 0.25, "pool": 4, "stride": 2, "patches": "train"}
    spec = RandomConvolutionalSpec(name="random-convolutional", **settings | changes)
    return spec.build(images, seed)


def normalized(patch: np.ndarray) -> np.ndarray:
    """A patch of pixels 0..255: less its mean, over the root of its variance and 10."""
    flat = [float(v) for v in patch.reshape(-1)]
    mean = sum(flat) / len(flat)
    variance = sum((v - mean) ** 2 for v in flat) / len(flat)
    return np.array([(v - mean) / math.sqrt(variance + 10) for v in flat])


def pooled(image: np.ndarray, features: RandomConvolutional) -> list[float]:
    """Window by window, sign by sign, filter by filter."""
    p, pool, stride, a = features.patch, features.pool, features.stride, features.threshold
    pixels = image.astype(np.float64) * 255
    filters, offset = np.float64(features.filters), np.float64(features.offset)
    height, width = image.shape[0] - p + 1, image.shape[1] - p + 1
    found = []
    for top in range(0, height - min(pool, height) + 1, stride):
        for left in range(0, width - min(pool, width) + 1, stride):
            for sign in (1, -1):
                for f in range(filters.shape[1]):
                    total = 0.0
                    for i in range(top, min(top + pool, height)):
                        for j in range(left, min(left + pool, width)):
                            z = normalized(pixels[i : i + p, j : j + p]) @ filters[:, f] - offset[f]
                            total += max(0.0, sign * z - a)
                    found.append(total)
    return found


def test_the_map_is_what_loops_compute():
    features = built()
    expected = np.array([pooled(image, features) for image in IMAGES])
    expected = (expected - np.float64(features.mean)) / np.float64(features.deviation)
    found = np.asarray(features.batch(IMAGES))
    assert found.dtype == np.float64
    assert found.shape == (30, 2 * 7 * pooled_positions(9, 3, 4, 2) * pooled_positions(8, 3, 4, 2))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(np.asarray(features(IMAGES[4])), found[4], rtol=0, atol=1e-12)


def test_more_filters_than_are_applied_at_a_time_stand_in_the_same_places():
    features = built(filters=300, pool=3)
    expected = np.array(pooled(IMAGES[0], features))
    expected = (expected - np.float64(features.mean)) / np.float64(features.deviation)
    np.testing.assert_allclose(np.asarray(features.batch(IMAGES))[0], expected, rtol=0, atol=1e-10)


def test_filters_are_whitened_patches_of_unit_norm():
    """With whitening W = (C + eps I)^(-1/2) a stored filter is W u, |u| = 1, and u is a whitened patch of the training set.

    A training set of few patches is sampled whole, so that C is known: one image of 3 x 4 pixels holds two.
    """
    image = IMAGES[:1, :3, :4, :1]
    features = built(image, filters=6, pool=1, stride=1)
    two = np.array([normalized(np.float64(image[0, :, j : j + 3]) * 255) for j in range(2)])
    apart = two[0] - two[1]
    # Either of two points with frequency q: the covariance has one eigenvalue, q (1 - q) |apart|^2, q near 1/2.
    unit = apart / np.linalg.norm(apart)
    root = 1 / np.sqrt(np.square(apart).sum() / 4 + EPSILON)
    for column in np.float64(features.filters).T:
        assert abs(column @ unit) / np.linalg.norm(column) == pytest.approx(1, abs=1e-6)
        assert np.linalg.norm(column) == pytest.approx(root, rel=1e-3)
    middle = two.mean(axis=0) @ np.float64(features.filters)
    np.testing.assert_allclose(features.offset, middle, atol=2e-2 * root * np.linalg.norm(apart))


def test_training_features_are_standardized():
    features = built()
    found = np.asarray(features.batch(IMAGES))
    d = found.shape[1]
    spread = found.std(axis=0) * math.sqrt(2 * d)
    assert np.all((np.abs(spread - 1) < 1e-5) | (spread < 1e-30))
    # To mean 1, so that the Gram matrix of the training set is not singular: constants are among the functions.
    np.testing.assert_allclose(found.mean(axis=0)[spread > 0.5] * math.sqrt(2 * d), 1, atol=1e-5)
    assert np.square(found).sum(axis=1).mean() == pytest.approx(np.mean(spread > 0.5), abs=1e-4)


def test_features_that_are_constant_on_the_training_set_are_left_out():
    """A threshold that no response reaches."""
    features = built(threshold=1e6)
    assert not np.asarray(features.batch(IMAGES)).any()
    assert np.isfinite(np.asarray(features.batch(IMAGES * 0))).all()


@pytest.mark.parametrize(("side", "across"), [(32, 2), (28, 1), (6, 1), (8, 1), (45, 3)])
def test_pooled_positions(side, across):
    """27 x 27 responses, windows of 14 at distance 13: two along each axis."""
    assert pooled_positions(side, 6, 14, 13) == across


@pytest.mark.parametrize(("filters", "dimension"), [(10_000, 80_000), (32_000, 256_000)])
def test_dimensions_at_the_usual_settings(filters, dimension):
    spec = RandomConvolutionalSpec(name="random-convolutional", filters=filters)
    assert spec.dimension((32, 32, 3)) == dimension


def test_a_patch_larger_than_the_image_is_refused():
    with pytest.raises(DataError, match=r"5 pixels holds no patch of 6"):
        pooled_positions(5, 6, 14, 13)


@pytest.mark.parametrize("block", [1, 7, 30, 64])
def test_the_block_changes_nothing(block):
    features = built()
    found = np.asarray(features.batch(IMAGES, block))
    np.testing.assert_allclose(found, np.asarray(features.batch(IMAGES)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("patches", ["train", "gaussian"])
def test_brightness_does_not_matter(patches):
    """Contrast normalization takes the mean of every patch away."""
    features = built(patches=patches)
    dim = IMAGES * np.float32(0.5)
    found = features.batch(dim + np.float32(0.25)), features.batch(dim)
    # In pixels a shift is exact up to the rounding of float32 inputs.
    np.testing.assert_allclose(np.asarray(found[0]), np.asarray(found[1]), atol=1e-5)


def test_contrast_matters_less_and_less():
    """c x against x: the 10 under the root is all that tells them apart."""
    features = built(patches="gaussian")

    def apart(scale: float) -> float:
        parts = features.batch(IMAGES * np.float32(scale)), features.batch(IMAGES * np.float32(2 * scale))
        return float(np.abs(np.asarray(parts[0]) - np.asarray(parts[1])).max())

    assert apart(8) < apart(0.25) / 100
    assert apart(0.25) > 1e-5


def test_a_seed_is_a_map_and_another_is_another():
    one, same, other = built(), built(), built(seed=6)
    np.testing.assert_array_equal(one.filters, same.filters)
    np.testing.assert_array_equal(one.deviation, same.deviation)
    assert np.abs(np.float64(one.filters) - np.float64(other.filters)).max() > 0.1


def test_noise_filters_depend_on_the_shape_of_the_images_alone():
    one, other = built(patches="gaussian"), built(IMAGES[::-1] * 0.5, patches="gaussian")
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(np.linalg.norm(np.float64(one.filters), axis=0), 1, rtol=1e-6)
    assert not np.asarray(one.mean).any()
    assert not np.asarray(one.offset).any()
    fitted, elsewhere = built(), built(IMAGES[::-1] * 0.5)
    assert (np.asarray(fitted.filters) != np.asarray(elsewhere.filters)).any()


def test_the_norm_of_noise_features_is_bounded_for_every_image():
    features = built(filters=200, patches="gaussian")
    bound = features.largest_norm(Interval(1))
    assert bound == features.largest_norm(Interval(1e9))
    extreme = np.where(IMAGES > 0.5, np.float32(1e6), np.float32(0))
    largest = max(
        float(np.linalg.norm(np.asarray(features.batch(x)), axis=1).max()) for x in (IMAGES, extreme)
    )
    assert largest <= float(bound.hi) <= 4 * largest
    assert built().largest_norm(Interval(1)) is None


def test_the_bound_holds_at_the_worst_image_that_a_search_finds():
    features = built(IMAGES[:, :4, :4, :1], filters=5, pool=2, stride=1, patches="gaussian", threshold=0.0)
    bound = float(features.largest_norm(Interval(1)).hi)
    square = jax.jit(lambda x: (features(x) ** 2).sum())
    climb = jax.jit(jax.grad(lambda x: (features(x) ** 2).sum()))
    x = jax.numpy.asarray(IMAGES[0, :4, :4, :1], float)
    first = float(square(x))
    for _ in range(300):
        g = climb(x)
        x = x + 0.5 * g / jax.numpy.linalg.norm(g)
    assert first < float(square(x)) <= bound**2
    assert float(square(x)) > bound**2 / 8


def test_a_trace_expresses_the_map_with_its_contrast_normalization_and_gives_no_chain():
    weight = RNG.normal(size=(3, built().mean.size))
    predictor = LinearPredictor(features=built(), weight=weight)
    params, static = eqx.partition(predictor, eqx.is_array)
    network = trace(lambda p, x: eqx.combine(p, static)(x), params, IMAGES[0])
    centre, radius = network.enclose(IMAGES[:6])
    expected = np.asarray(predictor.features.batch(IMAGES[:6])) @ weight.T
    assert np.all(np.abs(centre - expected) <= radius + 1e-12)
    np.testing.assert_allclose(centre, expected, rtol=0, atol=1e-12)
    assert radius.max() < 1e-8
    refusal = network.chain()
    assert not refusal
    assert "random_convolutional.py" in str(refusal)


def test_the_logits_of_a_predictor_are_those_of_its_features():
    features = built()
    weight = RNG.normal(size=(3, features.mean.size))
    predictor = LinearPredictor(features=features, weight=weight)
    found = np.array([predictor(x) for x in IMAGES[:4]])
    np.testing.assert_allclose(
        found, np.asarray(features.batch(IMAGES[:4])) @ weight.T, rtol=1e-10, atol=1e-12
    )
