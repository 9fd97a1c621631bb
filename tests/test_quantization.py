"""Weights rounded to 8 bits: what the message holds is what the classifier uses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from boundcheck import evaluate
from boundcheck.quantities.study import Study
from boundcheck.quantization import message_bits, quantized

rng = np.random.default_rng(3)


def levels_of(array):
    """The whole numbers and the scale that a rounded array can be told from, recomputed."""
    scale = np.float32(np.abs(array).max() / 127)
    return np.unique(np.rint(array.astype(np.float64) / scale)), scale


def test_each_weight_is_a_whole_multiple_of_one_scale(small_run):
    rounded = quantized(small_run)
    for name, array in small_run.params.items():
        scale = np.float32(np.abs(array).max() / 127)
        steps = np.rint(rounded.params[name].astype(np.float64) / scale)
        assert np.abs(steps).max() == 127
        assert np.array_equal((steps * np.float64(scale)).astype(np.float32), rounded.params[name])
        assert np.abs(rounded.params[name] - array).max() <= scale * 0.500001


def test_the_message_gives_the_weights_back(small_run):
    """Decoded from int8 and one float32 an array: the same bits."""
    rounded = quantized(small_run)
    for name, array in rounded.params.items():
        scale = np.float32(np.abs(small_run.params[name]).max() / 127)
        message = np.rint(small_run.params[name].astype(np.float64) / scale).astype(np.int8)
        decoded = (message.astype(np.float64) * np.float64(scale)).astype(np.float32)
        assert np.array_equal(decoded, array)
    assert message_bits(small_run.params) == 8 * (12 * 5 + 3 * 12) + 2 * 32


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_other_widths_and_what_is_not_real_stay_themselves(small_run, dtype):
    key = jax.random.key(0)
    params = {
        "w": jnp.asarray(rng.normal(size=7), dtype),
        "zero": jnp.zeros(3, dtype),
        "steps": np.arange(4),
        "key": key,
    }
    run = small_run.with_params(params)
    after = quantized(run).params
    assert after["w"].dtype == dtype
    assert not np.any(np.asarray(after["zero"]))
    assert np.array_equal(after["steps"], np.arange(4))
    assert after["key"] is key
    assert message_bits(params) == 8 * 10 + 2 * 32 + 4 * 64 + 64


def test_rounding_twice_changes_nothing(small_run):
    once = quantized(small_run).params
    twice = quantized(small_run.with_params(once)).params
    assert all(np.array_equal(once[name], twice[name]) for name in once)


def test_a_theorem_on_the_rounded_classifier_is_set_against_its_own_error(small_run):
    """One hidden unit rescaled by 2^7 leaves the function as it is, and few steps for the weights of the others."""
    params = {name: array.copy() for name, array in small_run.params.items()}
    params["first"][0] *= 2.0**7
    params["second"][:, 0] /= 2.0**7
    run = small_run.with_params(params)
    study = Study(run, 1 / 20)
    assert study.of("compressed").run.parameters == run.parameters
    evaluation = evaluate(run, bounds=["langford2005-occam-kl", "langford2005-occam-kl-quantized"])
    by_id = {o.id: o for o in evaluation.outcomes}
    exact, rounded = by_id["langford2005-occam-kl"], by_id["langford2005-occam-kl-quantized"]
    assert exact.observed.hi < rounded.observed.lo
    E = next(s for s in rounded.symbols if s.symbol == "E")
    assert E.hull.lo > 0.05
    assert rounded.object == "compressed"


def test_what_is_cached_of_the_rounded_network_has_a_folder_of_its_own(small_run, tmp_path):
    small_run.directory = tmp_path
    study = Study(small_run, 1 / 20)
    study.margins("train")
    study.of("compressed").margins("train")
    assert (tmp_path / "quantities" / "margins-train.safetensors").is_file()
    assert (tmp_path / "quantities" / "quantized" / "margins-train.safetensors").is_file()
    assert study.of("det") is study
    assert study.of("compressed") is study.of("compressed")


def test_a_classifier_that_is_not_measured_is_refused_in_words(small_run):
    from boundcheck.quantities.quantity import UnavailableError

    with pytest.raises(UnavailableError, match="gibbs classifier"):
        Study(small_run, 1 / 20).of("gibbs")
