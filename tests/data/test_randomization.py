from typing import Any

import numpy as np
import pytest
import scipy.stats

from boundcheck.data import draw_labels, load_dataset
from boundcheck.data.randomization import corrupt
from boundcheck.data.streams import permutation, words

N = 200_000
ZEROS = np.zeros(N, np.int64)


def test_random_words_are_fixed_for_good():
    # Stored runs record the digests of their labels: were this to change, none of them could be judged again.
    assert words(3, seed=7, stream=1).tolist() == [
        16278639771243212573,
        6807555713146629974,
        9538252321840362231,
    ]


def test_true_labels_are_those_of_the_data_set():
    dataset = load_dataset("digits")
    train, test = draw_labels(
        dataset.train_labels, dataset.test_labels, classes=10, law="true", corruption=0.0, seed=3
    )
    assert np.array_equal(train, dataset.train_labels)
    assert np.array_equal(test, dataset.test_labels)


def test_random_labels_are_corruption_one():
    dataset = load_dataset("digits")
    for random, corrupted in zip(
        draw_labels(
            dataset.train_labels, dataset.test_labels, classes=10, law="random", corruption=0.0, seed=3
        ),
        draw_labels(
            dataset.train_labels, dataset.test_labels, classes=10, law="true", corruption=1.0, seed=3
        ),
        strict=True,
    ):
        assert np.array_equal(random, corrupted)


def test_random_labels_are_uniform_and_independent_of_the_true_ones():
    labels = np.arange(N) % 10
    drawn = corrupt(labels, classes=10, probability=1.0, seed=0, stream=0)
    table = np.zeros((10, 10))
    np.add.at(table, (labels, drawn), 1)
    assert scipy.stats.chisquare(table.sum(axis=0)).pvalue > 1e-6
    outcome: Any = scipy.stats.chi2_contingency(table)
    assert outcome.pvalue > 1e-6


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_corruption_replaces_by_a_uniform_class_the_old_one_included(p: float):
    drawn = corrupt(ZEROS, classes=10, probability=p, seed=1, stream=0)
    expected = np.full(10, N * p / 10)
    expected[0] += N * (1 - p)
    assert scipy.stats.chisquare(np.bincount(drawn, minlength=10), expected).pvalue > 1e-6


def test_more_corruption_keeps_what_less_has_replaced():
    less, more = (corrupt(ZEROS, classes=10, probability=p, seed=1, stream=0) for p in (0.3, 0.6))
    assert np.array_equal(more[less != 0], less[less != 0])


def test_train_and_test_streams_and_seeds_are_unrelated():
    draws = [corrupt(ZEROS, classes=10, probability=1.0, seed=s, stream=t) for s in (0, 1) for t in (0, 1)]
    for i, a in enumerate(draws):
        for b in draws[:i]:
            assert abs(np.mean(a == b) - 0.1) < 5 * np.sqrt(0.09 / N)


def test_the_test_labels_follow_the_law_of_the_training_labels():
    dataset = load_dataset("digits")
    train, test = draw_labels(
        dataset.train_labels, dataset.test_labels, classes=10, law="random", corruption=0.0, seed=0
    )
    assert 0.85 < np.mean(train != dataset.train_labels) < 0.95
    assert 0.82 < np.mean(test != dataset.test_labels) < 0.98


@pytest.mark.parametrize(
    ("law", "corruption"), [("shuffled", 0.0), ("true", 1.5), ("true", -0.1), ("true", float("nan"))]
)
def test_another_law_is_refused(law: str, corruption: float):
    with pytest.raises(ValueError, match="are needed"):
        draw_labels(ZEROS, ZEROS, classes=10, law=law, corruption=corruption, seed=0)


def test_a_permutation_holds_every_place_once():
    assert sorted(permutation(1000, seed=5).tolist()) == list(range(1000))
