import dataclasses

import numpy as np
import pytest

from boundcheck.data import Law, load_dataset, prepare
from boundcheck.data.dataset import Dataset
from boundcheck.errors import DataError

DIGITS = load_dataset("digits")


def colours(n_train: int = 40, n_test: int = 30) -> Dataset:
    rng = np.random.default_rng(4)
    return Dataset(
        name="colours",
        classes=3,
        train_images=rng.integers(0, 256, (n_train, 32, 32, 3), dtype=np.uint8),
        train_labels=rng.integers(0, 3, n_train),
        test_images=rng.integers(0, 256, (n_test, 32, 32, 3), dtype=np.uint8),
        test_labels=rng.integers(0, 3, n_test),
        preparation="zhang2017",
        source="made up",
    )


def test_the_true_law_changes_nothing():
    train, test = Law().draw(DIGITS, "unit16")
    assert train.images is not None
    for part, images, labels in (
        (train, DIGITS.train_images, DIGITS.train_labels),
        (test, DIGITS.test_images, DIGITS.test_labels),
    ):
        assert np.array_equal(part.images, images)
        assert np.array_equal(part.labels, labels)
        assert np.array_equal(part.clean, labels)
        assert len(part) == len(labels)


def test_a_smaller_subset_is_part_of_a_larger_and_of_every_seed():
    small, _ = Law(examples=10, seed=1).draw(DIGITS, "unit16")
    large, test = Law(examples=300, test_examples=7, seed=2).draw(DIGITS, "unit16")
    assert np.array_equal(small.images, large.images[:10])
    assert np.array_equal(small.labels, large.labels[:10])
    assert (len(large), len(test)) == (300, 7)
    rows = {image.tobytes() for image in DIGITS.train_images}
    assert {image.tobytes() for image in large.images} <= rows
    assert not np.array_equal(large.images[:100], DIGITS.train_images[:100])


def test_more_examples_than_there_are_is_refused():
    with pytest.raises(DataError, match=r"digits has .* training examples and 1,500 are asked for"):
        Law(examples=1500).draw(DIGITS, "unit16")
    with pytest.raises(DataError, match="test examples"):
        Law(test_examples=1500).draw(DIGITS, "unit16")


def test_labels_of_a_subset_follow_the_law_and_the_clean_ones_are_kept():
    law = Law(labels="random", examples=500, seed=5)
    train, test = law.draw(DIGITS, "unit16")
    true, _ = dataclasses.replace(law, labels="true").draw(DIGITS, "unit16")
    assert np.array_equal(train.clean, true.labels)
    assert 0.85 < np.mean(train.labels != train.clean) < 0.95
    assert 0.85 < np.mean(test.labels != test.clean) < 0.95
    half, _ = Law(corruption=0.5, examples=500, seed=5).draw(DIGITS, "unit16")
    replaced = half.labels != half.clean
    assert np.array_equal(half.labels[replaced], train.labels[replaced])  # the same coins


@pytest.mark.parametrize("kind", ["shuffled", "random", "gaussian"])
def test_changed_pixels_are_those_that_the_network_reads(kind: str):
    dataset = colours()
    law = Law(pixels=kind, seed=3)
    train, test = law.draw(dataset, "zhang2017")
    assert train.images.shape == (40, 28, 28, 3)
    assert test.images.shape == (30, 28, 28, 3)
    assert np.array_equal(train.labels, dataset.train_labels)
    again, _ = law.draw(dataset, "zhang2017")
    assert np.array_equal(train.images, again.images)
    other, _ = dataclasses.replace(law, seed=4).draw(dataset, "zhang2017")
    assert not np.array_equal(train.images, other.images)
    assert not np.array_equal(train.images[:30], test.images)


@pytest.mark.parametrize("kind", ["shuffled", "random"])
def test_permuted_pixels_are_whitened_as_the_true_ones_are(kind: str):
    dataset = colours()
    train, _ = Law(pixels=kind, seed=3).draw(dataset, "zhang2017")
    before = prepare("zhang2017", dataset.train_images, np).reshape(40, -1, 3)
    after = prepare("zhang2017", train.images, np).reshape(40, -1, 3)
    for x, y in zip(before, after, strict=True):
        assert np.array_equal(np.unique(x, axis=0), np.unique(y, axis=0))
    assert not np.array_equal(before, after)


def test_shuffled_pixels_are_moved_in_the_test_set_as_in_the_training_set():
    dataset = colours()
    same = dataclasses.replace(dataset, test_images=dataset.train_images[:30].copy())
    train, test = Law(pixels="shuffled").draw(same, "zhang2017")
    assert np.array_equal(train.images[:30], test.images)


def test_gaussian_images_of_the_digits_stay_within_their_format():
    train, test = Law(pixels="gaussian").draw(DIGITS, "unit16")
    assert train.images.max() == test.images.max() == 16
    assert train.images.shape == DIGITS.train_images.shape
    # Zero is far below the mean, so rounding to the format moves the mean up.
    assert abs(float(train.images.mean()) - float(DIGITS.train_images.mean())) < 1.2


def test_an_unknown_law_of_the_pixels_is_refused():
    with pytest.raises(ValueError, match="pixels 'blurred'; one of"):
        Law(pixels="blurred").draw(DIGITS, "unit16")
