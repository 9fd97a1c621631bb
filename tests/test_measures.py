"""Measures: values against plain NumPy, invariances, and how they are listed, isolated and ranked."""

import dataclasses
import itertools
import json
import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from scipy.stats import kendalltau, norm

import boundcheck as bc
from boundcheck import Example, Interval, Measure, Run
from boundcheck.errors import PluginError
from boundcheck.quantities import perturbation as flat
from boundcheck.quantities.quantity import Evidence, Quantity
from boundcheck.quantities.study import Study
from boundcheck.ranking import kendall, order
from boundcheck.reading import read
from boundcheck.registry import installed
from boundcheck.report import markdown, measures, plots
from boundcheck.report.report import Judged, Report

MEASURES = installed().measures


def mlp(params, x):
    for name in ("a", "b"):
        x = jnp.maximum(params[name] @ x, 0)
    return params["c"] @ x


def network(seed=0, scale=1.0):
    """A chain 6-9-7-3 that fits its own labels, with its initial weights."""
    rng = np.random.default_rng(seed)
    shapes = {"a": (9, 6), "b": (7, 9), "c": (3, 7)}
    init = {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}
    params = {k: (scale * (w + 0.3 * rng.normal(size=w.shape))).astype(np.float32) for k, w in init.items()}
    return params, init


def run_of(params, init, seed=0):
    rng = np.random.default_rng(seed + 1)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    h = np.maximum(np.maximum(x @ params["a"].T, 0) @ params["b"].T, 0) @ params["c"].T
    y = h.argmax(axis=1)
    return Run.from_arrays(mlp, params, init_params=init, train=(x[:150], y[:150]), test=(x[150:], y[150:]))


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
    assert {m for m in MEASURES if not m.startswith("dziugaite")} == set(expected)
    for identifier, number in expected.items():
        value = reading(identifier, trained).value
        # The two ends of a spectral norm are 2e-9 apart; three of them, squared.
        assert float(value.lo) * (1 - 1e-12) <= number <= float(value.hi) * (1 + 1e-12), identifier
        assert float(value.hi) <= float(value.lo) * (1 + 2e-8), identifier


def test_all_parameters_count_in_norm_and_distance(trained):
    study = Study(trained, Fraction(1, 20))
    flat_now = np.concatenate([np.float64(w).ravel() for w in trained.params.values()])
    flat_then = np.concatenate([np.float64(w).ravel() for w in trained.init_params.values()])
    for m, number in (
        (bc.quantities.parameter_norm, np.linalg.norm(flat_now)),
        (bc.quantities.parameter_distance, np.linalg.norm(flat_now - flat_then)),
    ):
        assert float(study.measure(m).value.lo) == pytest.approx(number, rel=1e-12)


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


# Flatness ------------------------------------------------------------------------------------------------------------


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
    perturbed = flat.Perturbed(Study(sign, Fraction(1, 20)), aware=False)
    for sigma in (0.5, 1.0, 3.0):
        assert perturbed.mean(sigma) == pytest.approx(norm.cdf(-1 / sigma), abs=0.03)


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
    perturbed = flat.Perturbed(study, aware=False)
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


# Plugins, listing, reports --------------------------------------------------------------------------------------------


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


# Ranking --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "tau"),
    [
        ([(1, ".1"), (2, ".3"), (3, ".2"), (4, ".4")], Fraction(2, 3)),
        ([(1, 3), (1, 2), (2, 1)], Fraction(-2, 3)),
    ],
)
def test_kendall_check_values(pairs, tau):
    first, second = ([Interval(Fraction(v)) for v in column] for column in zip(*pairs, strict=True))
    assert kendall(first, second).contains(tau)
    assert kendall(first, second).hi - kendall(first, second).lo < 1e-30


def test_kendall_without_ties_is_that_of_scipy():
    rng = np.random.default_rng(2)
    for _ in range(20):
        a, b = rng.normal(size=(2, 7))
        ours = kendall([Interval(float(v)) for v in a], [Interval(float(v)) for v in b])
        assert float(ours.lo) == pytest.approx(kendalltau(a, b).statistic)


def test_kendall_of_intervals_contains_that_of_every_choice():
    rng = np.random.default_rng(3)
    low = rng.normal(size=(2, 5))
    high = low + rng.choice([0.0, 0.5], size=(2, 5))
    a, b = ([Interval(float(x), float(y)) for x, y in zip(low[r], high[r], strict=True)] for r in range(2))
    tau = kendall(a, b)
    for bits in itertools.product((0, 1), repeat=10):
        pick = np.where(np.array(bits).reshape(2, 5), high, low)
        one = kendall([Interval(float(v)) for v in pick[0]], [Interval(float(v)) for v in pick[1]])
        assert tau.contains(one)


def test_order_is_only_as_certain_as_the_intervals():
    assert order(Interval(2), Interval(1)) == Interval(1)
    assert order(Interval(1), Interval(1)) == Interval(0)
    assert order(Interval(1, 2), Interval(2, 3)) == Interval(-1, 1)
    with pytest.raises(ValueError, match="at least two"):
        kendall([Interval(1)], [Interval(1)])


def judged(run, name):
    evaluation = json.loads(json.dumps(bc.evaluate(run, bounds=list(MEASURES)).to_json()))
    evaluation["run"] = name
    return Judged(evaluation=evaluation, history=())


def test_the_report_ranks_from_three_runs_on_and_never_judges(trained):
    runs = []
    for index in range(3):
        params, init = network(seed=index)
        runs.append(judged(run_of(params, init, seed=index), f"run{index}"))
    two, three = Report(runs=tuple(runs[:2])), Report(runs=tuple(runs))
    assert "τ" not in "\n".join(measures.section(two))
    page = "\n".join(measures.section(three))
    assert "over 3 pairs" in page
    assert "vacuous" not in page
    for identifier in MEASURES:
        tau = measures.correlation(three, identifier)
        assert tau is None or -1 <= float(tau.lo) <= float(tau.hi) <= 1
    figure = plots.measures(three)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [*reversed(three.measures)]
    assert markdown.render(three, title="t") == markdown.render(three, title="t")


def test_evaluations_without_measures_still_render(trained):
    old = judged(trained, "old")
    del old.evaluation["measures"]
    report = Report(runs=(old,))
    assert report.measures == ()
    assert "## Measures" not in markdown.render(report, title="t")


def test_infinite_values_have_a_place_in_the_order():
    assert measures.position({"value": None}) is None
    huge = {"value": {"lo": None, "hi": None, "log10_lo": 400.0, "log10_hi": 400.0}}
    small = {"value": {"lo": 1.0, "hi": 2.0, "log10_lo": 0.0, "log10_hi": math.log10(2)}}
    assert measures.position(huge) > measures.position(small)


def test_the_page_of_measures_lists_them_all():
    from pathlib import Path

    page = (Path(__file__).parents[1] / "docs" / "measures.md").read_text()
    for measure in MEASURES.values():
        assert f"| `{measure.id}` | {measure.title} |" in page
