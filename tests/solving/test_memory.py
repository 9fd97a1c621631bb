"""More features than memory holds are refused before one is computed, and what is advised fits."""

import re

import pytest

from boundcheck.errors import RunError
from boundcheck.models import PixelsSpec, RandomConvolutionalSpec, RandomReluSpec
from boundcheck.solving.memory import check_features_fit, features_needed

GIB = 2**30


@pytest.fixture(autouse=True)
def _free(monkeypatch):
    monkeypatch.setattr("boundcheck.solving.memory.available", lambda: 4 * GIB)


def test_features_are_counted_in_float64():
    assert features_needed(20_000, 80_000) == 2 * 20_000 * 80_000 * 8


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (RandomConvolutionalSpec(name="random-convolutional", filters=10_000), "filters"),
        (RandomReluSpec(name="random-relu", count=100_000), "count"),
    ],
)
def test_what_is_advised_fits_and_hardly_more_does(spec, key):
    with pytest.raises(RunError, match=r"GiB while they are computed, and 4\.0 GiB are free") as refused:
        check_features_fit(spec, (32, 32, 3), 20_000)
    most = int(re.search(rf"`{key} = (\d+)`", str(refused.value)).group(1))
    check_features_fit(spec.model_copy(update={key: most}), (32, 32, 3), 20_000)
    with pytest.raises(RunError):
        check_features_fit(spec.model_copy(update={key: most + 1}), (32, 32, 3), 20_000)
    fewer = int(re.search(r"About ([\d,]+) examples", str(refused.value)).group(1).replace(",", ""))
    check_features_fit(spec, (32, 32, 3), fewer)
    with pytest.raises(RunError):
        check_features_fit(spec, (32, 32, 3), fewer + 1)


def test_pixels_have_only_their_examples_to_give():
    with pytest.raises(RunError) as refused:
        check_features_fit(PixelsSpec(name="pixels"), (32, 32, 3), 1_000_000)
    assert "`" not in str(refused.value)
    check_features_fit(PixelsSpec(name="pixels"), (32, 32, 3), 50_000)
