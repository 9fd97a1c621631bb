"""What an experiment may say of a linear or kernel predictor, and in which words it is refused."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from boundcheck.models import (
    KernelSpec,
    LinearSpec,
    PixelsSpec,
    Predictor,
    RandomConvolutionalSpec,
    RandomReluSpec,
    build_features,
    linear_like,
    title_of,
)

READ = TypeAdapter(Predictor).validate_python
IMAGES = np.random.default_rng(0).random((12, 9, 8, 2)).astype(np.float32)


def test_a_name_alone_means_its_defaults():
    assert READ({"name": "linear", "features": "pixels"}) == LinearSpec(
        name="linear", features=PixelsSpec(name="pixels")
    )


def test_tables_are_told_apart_by_their_names():
    relu = READ({"name": "linear", "features": {"name": "random-relu", "count": 100}})
    assert relu.features == RandomReluSpec(name="random-relu", count=100)
    found = READ({"name": "linear", "features": {"name": "random-convolutional", "filters": 9}}).features
    assert found == RandomConvolutionalSpec(
        name="random-convolutional",
        filters=9,
        patch=6,
        threshold=0.25,
        pool=14,
        stride=13,
        patches="train",
    )
    assert READ({"name": "kernel", "bandwidth": 5.0}) == KernelSpec(name="kernel", bandwidth=5.0)


@pytest.mark.parametrize(
    ("bandwidth", "said"),
    [
        (0.0, "greater than 0"),
        (-1.0, "greater than 0"),
        (math.nan, "finite|greater than 0"),
        (math.inf, "finite|less than or equal"),
        ("5", "valid number"),
        (True, "valid number"),
    ],
)
def test_a_bandwidth_is_a_positive_number(bandwidth, said):
    with pytest.raises(ValidationError, match=said):
        READ({"name": "kernel", "bandwidth": bandwidth})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"name": "kernel"}, "Field required"),
        ({"name": "kernel", "bandwidth": 1.0, "bandwith": 2.0}, "Extra inputs"),
        ({"name": "linear"}, "Field required"),
        ({"name": "linear", "features": "pixel"}, "pixel"),
        ({"name": "linear", "features": "random-relu"}, "Field required"),
        ({"name": "linear", "features": {"name": "random-relu", "count": 0}}, "greater than or equal to 1"),
        ({"name": "linear", "features": {"name": "random-relu", "count": 1.5}}, "valid integer"),
        ({"name": "linear", "features": {"name": "pixels", "count": 3}}, "Extra inputs"),
        ({"name": "ridge"}, "ridge"),
    ],
)
def test_what_is_no_predictor_is_refused(entry, said):
    with pytest.raises(ValidationError, match=said):
        READ(entry)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("filters", 0),
        ("patch", 1),
        ("threshold", -0.1),
        ("threshold", math.nan),
        ("pool", 0),
        ("stride", 0),
        ("patches", "test"),
    ],
)
def test_settings_of_the_convolutional_map_have_their_ranges(key, value):
    with pytest.raises(ValidationError, match=key):
        READ({"name": "linear", "features": {"name": "random-convolutional", "filters": 5, key: value}})


def test_specs_are_frozen_and_survive_being_written():
    for entry in (
        {"name": "kernel", "bandwidth": 0.5},
        {"name": "linear", "features": {"name": "random-convolutional", "filters": 4, "patches": "gaussian"}},
    ):
        spec = READ(entry)
        assert READ(spec.model_dump()) == spec
        assert hash(READ(spec.model_dump())) == hash(spec)
        with pytest.raises(ValidationError, match="frozen"):
            spec.name = "other"


CONVOLUTIONAL = {"name": "random-convolutional", "filters": 5, "patch": 3, "pool": 4, "stride": 2}


@pytest.mark.parametrize(
    "features",
    [
        PixelsSpec(name="pixels"),
        RandomReluSpec(name="random-relu", count=31),
        RandomConvolutionalSpec(**CONVOLUTIONAL),
        RandomConvolutionalSpec(**CONVOLUTIONAL, patches="gaussian"),
    ],
    ids=lambda spec: getattr(spec, "patches", spec.name),
)
def test_a_map_has_the_dimension_and_the_arrays_that_its_spec_says(features):
    with jax.enable_x64(True):
        built = build_features(features, IMAGES, seed=1)
        assert built.batch(IMAGES).shape == (12, features.dimension((9, 8, 2)))
        like = linear_like(features, (9, 8, 2), 4)
    assert like.weight.shape == (4, features.dimension((9, 8, 2)))
    assert jax.tree.structure(like.features) == jax.tree.structure(built)
    for a, b in zip(jax.tree.leaves(like.features), jax.tree.leaves(built), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)


def test_titles():
    assert title_of(READ({"name": "kernel", "bandwidth": 2.5})) == "Gaussian kernel, bandwidth 2.5"
    assert title_of(READ({"name": "linear", "features": "pixels"})) == "linear, pixels"
    relu = {"name": "linear", "features": {"name": "random-relu", "count": 12_000}}
    assert title_of(READ(relu)) == "linear, 12,000 random ReLU features"
    assert (
        title_of(READ({"name": "linear", "features": CONVOLUTIONAL}))
        == "linear, 5 random convolutional filters (train)"
    )
