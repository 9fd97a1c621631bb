"""Measures: values against plain NumPy, invariances, and how they are listed and isolated."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from three_layers import mlp, network, run_of

import boundcheck as bc
from boundcheck import Example, Interval, Measure, Run
from boundcheck.errors import PluginError
from boundcheck.quantities.quantity import Evidence, Quantity
from boundcheck.quantities.study import Study
from boundcheck.reading import read
from boundcheck.registry import installed

MEASURES = installed().measures
SEARCHED = {m for m in MEASURES if m.startswith(("jiang2020-flatness", "jiang2020-sharpness"))}
SOLVED = {m for m in MEASURES if m.startswith(("bartlett", "zhang2017"))}
"""Of the exact solution of a linear or kernel problem, which a trained network has none of."""


@pytest.fixture(scope="module")
def trained():
    params, init = network()
    return run_of(params, init)


def reading(identifier, run):
    return read(MEASURES[identifier], Study(run, Fraction(1, 20)), "")


def by_numpy(run):
    """What each closed measure is, from the matrices and margins alone."""
    W = [np.float64(run.params[k]) for k in "abc"]
    D = [w - np.float64(run.init_params[k]) for w, k in zip(W, "abc", strict=True)]
    x, y = run.sample("train").inputs(0, 150).astype(np.float64), run.sample("train").labels
    logits = np.maximum(np.maximum(x @ W[0].T, 0) @ W[1].T, 0) @ W[2].T
    own = logits[np.arange(150), y]
    logits[np.arange(150), y] = -np.inf
    gamma = np.sort(own - logits.max(axis=1))[14]
    s = [np.linalg.norm(w, 2) for w in W]
    F = [np.linalg.norm(w) for w in W]
    dF = [np.linalg.norm(d) for d in D]
    spec, fro = np.prod(s) ** 2, np.prod(F) ** 2
    squares = (W[2] ** 2 @ (W[1] ** 2 @ (W[0] ** 2 @ np.ones(6)))).sum()
    l1 = (np.abs(W[2]) @ (np.abs(W[1]) @ (np.abs(W[0]) @ np.ones(6)))).sum()
    return {
        "jiang2020-parameters": 9 * 6 + 7 * 9 + 3 * 7,
        "jiang2020-inverse-margin": gamma**-2,
        "jiang2020-spectral-product": spec,
        "jiang2020-spectral-product-margin": spec / gamma**2,
        "jiang2020-spectral-sum": 3 * spec ** (1 / 3),
        "jiang2020-spectral-sum-margin": 3 * (spec / gamma**2) ** (1 / 3),
        "jiang2020-spectral-distance": sum(np.linalg.norm(d, 2) ** 2 for d in D),
        "jiang2020-spectral-initial": spec / gamma**2 * sum((d / a) ** 2 for d, a in zip(dF, s, strict=True)),
        "jiang2020-spectral-origin": spec / gamma**2 * sum((f / a) ** 2 for f, a in zip(F, s, strict=True)),
        "jiang2020-spectral-ranks": sum((f / a) ** 2 for f, a in zip(F, s, strict=True)),
        "jiang2020-frobenius-product": fro,
        "jiang2020-frobenius-product-margin": fro / gamma**2,
        "jiang2020-frobenius-sum": 3 * fro ** (1 / 3),
        "jiang2020-frobenius-sum-margin": 3 * (fro / gamma**2) ** (1 / 3),
        "jiang2020-frobenius-distance": sum(d**2 for d in dF),
        "jiang2020-parameter-norm": sum(f**2 for f in F),
        "neyshabur2015-path-norm": squares,
        "neyshabur2015-path-norm-margin": squares / gamma**2,
        "neyshabur2015-path-norm-l1-margin": l1 / gamma,
    }


def test_there_are_at_least_fifteen():
    assert len(MEASURES) >= 15
    assert installed().failures == ()


@pytest.mark.parametrize("measure", MEASURES.values(), ids=lambda m: m.id)
def test_every_measure_agrees_with_its_example(measure):
    value, printed = measure.example_value(), Fraction(measure.example.value)
    digits = len(measure.example.value.partition(".")[2])
    half = Fraction(1, 2 * 10**digits)
    assert Interval(printed - half, printed + half).contains(value)


def test_every_closed_measure_against_plain_numpy(trained):
    expected = by_numpy(trained)
    assert set(MEASURES) - SEARCHED - SOLVED == set(expected)
    for identifier, number in expected.items():
        value = reading(identifier, trained).value
        # The two ends of a spectral norm are 2e-9 apart; three of them, squared.
        assert float(value.lo) * (1 - 1e-12) <= number <= float(value.hi) * (1 + 1e-12), identifier
        assert float(value.hi) <= float(value.lo) * (1 + 2e-8), identifier


@pytest.mark.parametrize("identifier", sorted(SOLVED))
def test_a_measure_of_solutions_has_no_value_for_a_trained_network(identifier, trained):
    found = reading(identifier, trained)
    assert found.value is None
    assert not found.failed
    assert "linear or kernel problem" in found.reasons[0]


def test_all_parameters_count_in_norm_and_distance(trained):
    study = Study(trained, Fraction(1, 20))
    flat_now = np.concatenate([np.float64(w).ravel() for w in trained.params.values()])
    flat_then = np.concatenate([np.float64(w).ravel() for w in trained.init_params.values()])
    for m, number in (
        (bc.quantities.parameter_norm, np.linalg.norm(flat_now)),
        (bc.quantities.parameter_distance, np.linalg.norm(flat_now - flat_then)),
    ):
        assert float(study.measure(m).value.lo) == pytest.approx(number, rel=1e-12)


def convolutional(params, x):
    """A strided convolution with padding, ReLU, and a dense layer."""
    y = jax.lax.conv_general_dilated(x[None, None], params["kernel"], (2, 2), "SAME")
    return params["dense"] @ jnp.maximum(y, 0).reshape(-1)


def test_a_convolution_counts_its_kernel_once_and_acts_at_its_real_shape():
    rng = np.random.default_rng(5)
    params = {
        "kernel": rng.normal(size=(3, 1, 3, 3)).astype(np.float32),
        "dense": rng.normal(size=(4, 27)).astype(np.float32),
    }
    x, y = rng.normal(size=(40, 6, 6)).astype(np.float32), rng.integers(0, 4, 40)
    run = Run.from_arrays(convolutional, params, train=(x, y), test=(x, y))
    study = Study(run, Fraction(1, 20))
    kernel, dense = (np.float64(params[k]) for k in ("kernel", "dense"))
    unrolled = jax.jacobian(
        lambda v: jax.lax.conv_general_dilated(v[None, None], kernel, (2, 2), "SAME").ravel()
    )(np.zeros((6, 6))).reshape(27, 36)
    spectral = [np.linalg.norm(np.asarray(unrolled), 2), np.linalg.norm(dense, 2)]
    frobenius = [np.linalg.norm(kernel), np.linalg.norm(dense)]
    for m, numbers in (
        (bc.quantities.layer_spectral_norms, spectral),
        (bc.quantities.layer_frobenius_norms, frobenius),
    ):
        measured = study.measure(m).value
        assert [float(v.midpoint()) for v in measured] == pytest.approx(numbers, rel=1e-6)
    ranks = sum((f / s) ** 2 for f, s in zip(frobenius, spectral, strict=True))
    assert float(reading("jiang2020-spectral-ranks", run).value.midpoint()) == pytest.approx(ranks, rel=1e-6)


def test_permuting_hidden_units_changes_nothing(trained):
    order_ = np.random.default_rng(3).permutation(9)

    def permuted(p):
        return {"a": p["a"][order_], "b": p["b"][:, order_], "c": p["c"]}

    other = run_of(permuted(trained.params), permuted(trained.init_params))
    for identifier in by_numpy(trained):
        a, b = (reading(identifier, run).value for run in (trained, other))
        assert float(a.midpoint()) == pytest.approx(float(b.midpoint()), rel=1e-6), identifier


def test_rescaling_a_relu_leaves_path_norms_and_moves_products(trained):
    p = trained.params
    scaled = {"a": p["a"] * np.float32(4), "b": p["b"] / np.float32(4), "c": p["c"]}
    other = run_of(scaled, trained.init_params)
    for identifier, same in (("neyshabur2015-path-norm", True), ("jiang2020-parameter-norm", False)):
        a, b = (float(reading(identifier, run).value.midpoint()) for run in (trained, other))
        assert (a == pytest.approx(b, rel=1e-9)) is same


def test_a_margin_that_is_not_positive_is_no_number(trained):
    sample = trained.sample("train")
    wrong = Run.from_arrays(
        mlp,
        trained.params,
        train=(sample.inputs(0, 150), (sample.labels + 1) % 3),
        test=(sample.inputs(0, 150), sample.labels),
    )
    found = reading("jiang2020-inverse-margin", wrong)
    assert found.value is None
    assert "not positive" in found.reasons[0]
    assert not found.failed
    assert "init_params" in reading("jiang2020-frobenius-distance", wrong).reasons[0]


def test_no_bound_may_rest_on_an_estimate(small_run):
    right = installed().bounds["langford2005-occam-hoeffding"]
    (B,) = (s for s in right.symbols if str(s) == "B")
    guess = dataclasses.replace(
        right.symbols[B],
        name="guess",
        measure=lambda study: Quantity(value=Interval(1), evidence=Evidence.ESTIMATED, method="guessed"),
    )
    wrong = dataclasses.replace(
        right, id="wrong2020-estimate", aliases=(), symbols={**right.symbols, B: guess}
    )
    (outcome,) = bc.evaluate(small_run, bounds=[wrong]).outcomes
    assert outcome.verdict == "failed"
    assert "estimate" in outcome.reasons[0]


def test_a_measure_needs_its_symbols_filled_and_nothing_to_choose():
    right = MEASURES["jiang2020-inverse-margin"]
    with pytest.raises(PluginError, match="not filled: extra"):
        dataclasses.replace(right, value=right.value + sympy.Symbol("extra"))
    (gamma,) = right.symbols
    with pytest.raises(PluginError, match="margin to choose"):
        dataclasses.replace(right, symbols={gamma: bc.quantities.margin})
    with pytest.raises(PluginError, match="lower-case"):
        dataclasses.replace(right, id="Bad Name")


def test_a_measure_that_raises_is_a_row_of_its_own(small_run):
    def broken(study):
        raise RuntimeError("boom")

    x = sympy.Symbol("x", positive=True)
    bad = Measure(
        id="wrong2020-broken",
        title="raises",
        value=x,
        symbols={x: bc.quantities.Measurement("broken", "raises", broken)},
        citation=MEASURES["jiang2020-parameters"].citation,
        example=Example({x: 1}, "1"),
    )
    evaluation = bc.evaluate(small_run, bounds=[bad, "jiang2020-parameters"])
    first, second = evaluation.readings
    assert first.failed
    assert "boom" in first.reasons[0]
    assert "boom" in first.traceback
    assert second.value.contains(96)
    assert evaluation.alarming
    json.dumps(evaluation.to_json(), allow_nan=False)


def test_measures_are_stored_without_a_verdict(small_run):
    stored = bc.evaluate(small_run).to_json()
    assert {m["id"] for m in stored["measures"]} == set(MEASURES)
    assert all("verdict" not in m for m in stored["measures"])
    assert not {b["id"] for b in stored["bounds"]} & set(MEASURES)


def test_the_page_of_measures_lists_them_all():
    page = (Path(__file__).parents[1] / "docs" / "measures.md").read_text()
    for measure in MEASURES.values():
        assert f"| `{measure.id}` | {measure.title} |" in page
