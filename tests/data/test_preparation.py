import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck.data import PREPARATIONS, prepare
from boundcheck.errors import DataError, UnknownNameError


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def whitened(image: np.ndarray) -> np.ndarray:
    """One image by the paper's definition, in float64."""
    crop = image[2:30, 2:30].astype(np.float64)
    return (crop - crop.mean()) / max(crop.std(), 1 / np.sqrt(crop.size))


def test_zhang2017_is_the_published_formula():
    x = images(20, 32, 32, 3)
    prepared = prepare("zhang2017", x, np)
    assert prepared.dtype == np.float32
    assert prepared.shape == (20, 28, 28, 3)
    np.testing.assert_allclose(prepared, [whitened(image) for image in x], atol=2e-6)


@pytest.mark.parametrize("base", [0, 1, 128, 255])
def test_a_constant_image_becomes_zero(base: int):
    assert not prepare("zhang2017", np.full((1, 32, 32, 3), base, np.uint8), np).any()


@pytest.mark.parametrize("base", [0, 128, 254])
def test_an_almost_constant_image_is_divided_by_the_floor(base: int):
    image = np.full((1, 32, 32, 3), base, np.uint8)
    image[0, 16, 16, 1] += 1
    prepared = prepare("zhang2017", image, np)
    np.testing.assert_allclose(prepared[0], whitened(image[0]), rtol=1e-3, atol=1e-6)
    assert prepared.max() == pytest.approx(np.sqrt(28 * 28 * 3), rel=1e-3)


def test_low_contrast_far_from_mid_grey_keeps_its_digits():
    x = (images(5, 32, 32, 3) % 4 + 250).astype(np.uint8)
    np.testing.assert_allclose(
        prepare("zhang2017", x, np), [whitened(image) for image in x], rtol=2e-3, atol=1e-4
    )


@pytest.mark.parametrize("name", sorted(PREPARATIONS))
def test_an_input_does_not_depend_on_its_batch(name: str):
    x = images(64, 32, 32, 3)
    together = prepare(name, x, np)
    apart = np.concatenate([prepare(name, x[i : i + 1].copy(), np) for i in range(len(x))])
    assert together.tobytes() == apart.tobytes()


@pytest.mark.parametrize("name", sorted(PREPARATIONS))
def test_the_device_computes_the_same_map(name: str):
    x = images(16, 32, 32, 3)
    on_device = prepare(name, jnp.asarray(x), jnp)
    assert on_device.dtype == jnp.float32
    np.testing.assert_allclose(on_device, prepare(name, x, np), rtol=1e-5, atol=1e-5)


def test_unit_maps_pixels_to_the_unit_interval():
    assert prepare("unit", np.array([[[[0], [255]]]], np.uint8), np).ravel().tolist() == [0, 1]
    assert prepare("unit16", np.array([[[[0], [16]]]], np.uint8), np).ravel().tolist() == [0, 1]


def test_images_smaller_than_the_crop_are_refused():
    with pytest.raises(
        DataError, match=r"shape \[8, 8, 1\] cannot be prepared by `zhang2017`: at least 28x28"
    ):
        prepare("zhang2017", images(1, 8, 8, 1), np)


def test_an_unknown_preparation_suggests_the_nearest():
    with pytest.raises(
        UnknownNameError, match=r"unknown preparation 'zhang2016'; did you mean 'zhang2017'\?"
    ):
        prepare("zhang2016", images(1, 32, 32, 3), np)
