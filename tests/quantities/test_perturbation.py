"""Flatness and sharpness: networks whose answer is known in closed form, and what the searches promise."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from three_layers import network, run_of

from boundcheck import Run
from boundcheck.errors import DataError
from boundcheck.quantities import perturbation as flat
from boundcheck.quantities.quantity import Evidence, UnavailableError
from boundcheck.quantities.study import Study


@pytest.fixture(scope="module")
def trained():
    params, init = network()
    return run_of(params, init)


def one_weight(params, x):
    """Two classes, told apart by the sign of w x."""
    return jnp.stack([params["w"] @ x, -(params["w"] @ x)])


@pytest.fixture(scope="module")
def sign():
    x = np.ones((400, 1), np.float32)
    y = np.zeros(400, int)
    return Run.from_arrays(one_weight, {"w": np.ones(1, np.float32)}, train=(x, y), test=(x, y))


def test_noise_that_flips_one_weight_with_known_probability(sign, monkeypatch):
    """The error under noise is P(1 + sigma Z < 0) = Phi(-1/sigma): 0.1 at sigma = 0.78."""
    monkeypatch.setattr(flat, "DRAWS", 2000)
    perturbed = flat.Perturbed(Study(sign, Fraction(1, 20)), 1000, aware=False)
    for sigma in (0.5, 1.0, 3.0):
        assert perturbed.mean(sigma) == pytest.approx(norm.cdf(-1 / sigma), abs=0.03)


WEIGHTS = 1000


def each_its_own(params, x):
    """Example i is classified by the sign of weight i alone."""
    score = (params["w"] * x).sum()
    return jnp.stack([score, -score])


@pytest.fixture(scope="module")
def independent():
    """As many examples as weights, the weights from 0.5 to 2: under noise each errs by itself."""
    w = np.linspace(0.5, 2, WEIGHTS).astype(np.float32)
    x, y = np.eye(WEIGHTS, dtype=np.float32), np.zeros(WEIGHTS, int)
    return Run.from_arrays(each_its_own, {"w": w}, train=(x, y), test=(x, y)), w


def test_flatness_is_the_root_of_the_error_in_closed_form(independent):
    """The mean of Phi(-w/sigma) over the weights is 0.1; relative noise errs with Phi(-w/(sigma (w + 0.001))).

    8000 independent flips at an error of 0.1 have a standard deviation of 0.0034, which moves sigma by 0.015.
    """
    run, w = independent
    study = Study(run, Fraction(1, 20))
    noise, relative = study.measure(flat.flatness).value, study.measure(flat.relative_flatness).value
    sigma = brentq(lambda s: norm.cdf(-w / s).mean() - 0.1, 0.1, 5)
    assert float(noise.midpoint()) == pytest.approx(sigma, rel=0.06)
    sigma = brentq(lambda s: norm.cdf(-w / (s * (w + 1e-3))).mean() - 0.1, 0.1, 5)
    assert float(relative.midpoint()) == pytest.approx(sigma, rel=0.06)


def test_sharpness_is_the_quantile_of_the_weights(independent):
    """A box of radius alpha flips every weight up to alpha: a tenth of them lie below 0.65."""
    run, _ = independent
    box = Study(run, Fraction(1, 20)).measure(flat.sharpness_radius).value
    assert float(box.lo) <= 0.65 <= float(box.hi) * 1.01
    assert float(box.hi) < float(box.lo) * 1.01


def test_the_box_that_flips_one_weight(sign):
    """w = 1 is flipped from alpha = 1 on, relative to |w| + 0.001."""
    study = Study(sign, Fraction(1, 20))
    box = study.measure(flat.sharpness_radius)
    assert box.evidence is Evidence.ESTIMATED
    assert float(box.value.lo) <= 1.0 <= float(box.value.hi) * 1.01
    relative = study.measure(flat.relative_sharpness_radius).value
    assert float(relative.midpoint()) == pytest.approx(1 / 1.001, rel=0.02)


def test_the_safe_end_is_returned_and_the_search_repeats_itself(trained):
    study, again = (Study(trained, Fraction(1, 20)) for _ in range(2))
    perturbed = flat.Perturbed(study, 1000, aware=False)
    value = study.measure(flat.flatness).value
    assert perturbed.mean(float(value.lo)) <= perturbed.error + flat.TOLERANCE
    assert perturbed.mean(float(value.hi)) > perturbed.error + flat.TOLERANCE
    assert again.measure(flat.flatness).value == value


def test_more_tolerance_means_more_noise(trained, monkeypatch):
    strict = Study(trained, Fraction(1, 20)).measure(flat.flatness).value
    monkeypatch.setattr(flat, "TOLERANCE", 0.3)
    assert Study(trained, Fraction(1, 20)).measure(flat.flatness).value > strict


def test_scaling_every_weight_scales_flatness_and_not_the_relative_one(trained):
    params, init = network(scale=8.0)
    big = run_of(params, init)
    a, b = (Study(run, Fraction(1, 20)) for run in (trained, big))
    ratio = float(b.measure(flat.flatness).value.midpoint()) / float(
        a.measure(flat.flatness).value.midpoint()
    )
    assert ratio == pytest.approx(8, rel=0.05)
    ratio = float(b.measure(flat.relative_flatness).value.midpoint()) / float(
        a.measure(flat.relative_flatness).value.midpoint()
    )
    assert ratio == pytest.approx(1, rel=0.05)


def test_the_ascent_that_stops_early_finds_the_same_radius(trained):
    perturbed = flat.Perturbed(Study(trained, Fraction(1, 20)), 1000, aware=False)
    limit = perturbed.error + flat.TOLERANCE
    for alpha in (2.0**-8, 2.0**-4, 2.0**-2, 1.0):
        assert (perturbed.worst(alpha, limit) > limit) == (perturbed.worst(alpha) > limit)
    assert perturbed.worst(1.0) > limit > perturbed.worst(2.0**-16)


def logits_of_a_root(params, x):
    """A variance that noise makes negative: the logits are not numbers then."""
    return jnp.stack([x[0] / jnp.sqrt(params["variance"][0]), -x[0]])


def test_logits_that_are_no_numbers_are_wrong():
    x, y = np.ones((50, 1), np.float32), np.zeros(50, int)
    run = Run.from_arrays(logits_of_a_root, {"variance": np.ones(1, np.float32)}, train=(x, y), test=(x, y))
    perturbed = flat.Perturbed(Study(run, Fraction(1, 20)), 1000, aware=False)
    assert perturbed.error == 0
    assert float(perturbed._error([-jnp.ones(1)], 2.0)) == 1


def test_without_the_examples_there_is_no_value(trained, monkeypatch):
    def missing(split):
        raise DataError("the images are not at hand")

    study = Study(trained, Fraction(1, 20))
    monkeypatch.setattr(Run, "sample", lambda run, split: missing(split))
    with pytest.raises(UnavailableError, match="not at hand"):
        study.measure(flat.flatness)


def test_a_costly_network_is_searched_on_fewer_examples_and_its_statistics_stay(tmp_path):
    from types import SimpleNamespace

    from boundcheck.models import build, find_model, split, statistics

    def examples(name: str, shape: tuple[int, ...], n: int) -> int:
        predict, params = split(build(find_model(name), shape, 10, jax.random.key(0)))
        run = SimpleNamespace(
            predict=predict,
            params=params,
            example=np.zeros(shape, np.float32),
            parameters=1,
            sizes={"train": n},
        )
        return flat._examples(SimpleNamespace(run=run))  # pyright: ignore[reportArgumentType]

    assert examples("mlp-3x512", (28, 28, 3), 50_000) == 1000
    assert examples("mlp-3x512", (28, 28, 3), 300) == 300
    assert 32 < examples("inception", (28, 28, 3), 50_000) <= 50
    assert examples("wide-resnet-16-4", (32, 32, 3), 50_000) == 32

    predict, params = split(build(find_model("wide-resnet-10-1"), (4, 4, 1), 3, jax.random.key(0)))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4, 4, 1)).astype(np.float32), rng.integers(0, 3, 20)
    run = Run.from_arrays(predict, params, train=(x, y), test=(x, y))
    perturbed = flat.Perturbed(Study(run, Fraction(1, 20)), 20, aware=False)
    moving = sum(not aside for aside in jax.tree.leaves(statistics(params)))
    assert len(perturbed._weights) == moving < len(jax.tree.leaves(params))
