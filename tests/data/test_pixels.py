import numpy as np
import pytest
import scipy.stats

from boundcheck.data import pixels

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (50, 6, 5, 3), dtype=np.uint8)


def positions(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1, images.shape[-1])


def test_one_permutation_moves_the_positions_of_every_image():
    numbered = np.broadcast_to(np.arange(30, dtype=np.uint8).reshape(1, 6, 5, 1), (4, 6, 5, 3))
    moved = positions(pixels.shuffled(numbered, seed=3, stream=2))
    order = moved[0, :, 0]
    assert sorted(order) == list(range(30))
    assert not np.array_equal(order, np.arange(30))
    assert (moved == order[None, :, None]).all()  # every image, and the channels together
    assert np.array_equal(positions(pixels.shuffled(IMAGES, seed=3, stream=2)), positions(IMAGES)[:, order])


def test_each_image_has_its_own_uniform_permutation():
    n = 20_000
    numbered = np.broadcast_to(np.arange(6, dtype=np.uint8).reshape(1, 3, 2, 1), (n, 3, 2, 2))
    moved = positions(pixels.permuted_each(numbered, seed=1, stream=3))
    assert (moved[:, :, 0] == moved[:, :, 1]).all()
    assert (np.sort(moved[:, :, 0], axis=1) == np.arange(6)).all()
    _, counts = np.unique(moved[:, :, 0] @ 6 ** np.arange(6), return_counts=True)
    assert len(counts) == 720  # every permutation of six positions
    assert scipy.stats.chisquare(counts).pvalue > 1e-6


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch):
    whole = pixels.permuted_each(IMAGES, seed=1, stream=3)
    monkeypatch.setattr(pixels, "_BLOCK", 7)
    assert np.array_equal(pixels.permuted_each(IMAGES, seed=1, stream=3), whole)


def test_gaussian_images_have_the_rounded_normal_law_of_each_channel():
    like = np.clip(RNG.normal((120, 60, 200), (30, 50, 1), (4000, 5, 5, 3)), 0, 255).astype(np.uint8)
    drawn = pixels.gaussian(like, 4000, brightest=255, seed=2, stream=16)
    for channel in range(3):
        source, found = like[..., channel].astype(float), drawn[..., channel].ravel()
        mean, deviation = source.mean(), source.std()
        edges = np.concatenate([[-np.inf], np.arange(255) + 0.5, [np.inf]])
        expected = np.diff(scipy.stats.norm.cdf(edges, mean, deviation)) * len(found)
        counts = np.bincount(found, minlength=256).astype(float)
        few = expected < 5
        observed, wanted = (np.append(x[~few], x[few].sum()) for x in (counts, expected))
        kept = wanted > 0
        scaled = wanted[kept] * observed[kept].sum() / wanted[kept].sum()
        assert scipy.stats.chisquare(observed[kept], scaled).pvalue > 1e-6
    flat = positions(drawn).reshape(len(drawn), -1).astype(float)
    correlations = np.corrcoef(flat[:, :12].T)[np.triu_indices(12, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(len(drawn))


def test_gaussian_images_stay_within_the_format():
    like = RNG.integers(0, 17, (100, 3, 3, 1), dtype=np.uint8)
    drawn = pixels.gaussian(like, 3000, brightest=16, seed=2, stream=16)
    assert (drawn.min(), drawn.max()) == (0, 16)


def test_a_constant_channel_stays_constant():
    like = np.full((10, 3, 3, 2), (7, 200), np.uint8)
    assert (pixels.gaussian(like, 5, brightest=255, seed=0, stream=16) == np.array([7, 200])).all()


def test_what_is_drawn_is_fixed_for_good():
    # Stored runs record digests of their images: were this to change, none of them could be judged again.
    like = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert pixels.gaussian(like, 1, brightest=255, seed=1, stream=16).ravel()[:6].tolist() == [
        39,
        74,
        123,
        111,
        255,
        158,
    ]
    assert pixels.permuted_each(like[:, :2, :3], seed=1, stream=3).ravel().tolist() == [16, 2, 18, 17, 1, 0]
