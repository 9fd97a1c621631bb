"""Bounds on runs: honest verdicts, isolation of errors, and certification over every margin."""

import dataclasses
import json
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import sympy

import boundcheck as bc
from boundcheck import Interval, Run, Verdict
from boundcheck.errors import said
from boundcheck.functions import IntervalFunction
from boundcheck.instance import OCTAVES, Instance
from boundcheck.quantities.study import Study
from boundcheck.registry import installed
from boundcheck.report import markdown, text
from boundcheck.report.report import Judged, Report

ASSERTED = ("iid", "fixed-in-advance", "fresh-test-set")


def by_id(evaluation):
    return {o.id: o for o in evaluation.outcomes}


def rendered(evaluation):
    """The report on one run, from what would be stored of it."""
    stored = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    return markdown.render(Report(runs=(Judged(evaluation=stored),)), title="t")


def test_every_bound_speaks_on_a_run_from_arrays(small_run):
    outcomes = by_id(bc.evaluate(small_run))
    assert set(outcomes) == set(installed().bounds)
    assert outcomes["clopper1934-test-set"].verdict is Verdict.NON_VACUOUS
    assert outcomes["mohri2018-rademacher"].verdict is Verdict.NOT_APPLICABLE
    assert "no recipe" in outcomes["mohri2018-rademacher"].reasons[0]
    assert outcomes["langford2005-occam-hoeffding"].verdict is Verdict.VACUOUS
    assert outcomes["golowich2018-frobenius"].verdict in (Verdict.VACUOUS, Verdict.INCONCLUSIVE)
    assert not any(o.verdict is Verdict.FAILED for o in outcomes.values())


def test_the_occam_value_is_the_one_computed_by_hand(small_run):
    outcome = by_id(bc.evaluate(small_run, bounds=["blumer1987-realizable-linear"]))[
        "blumer1987-realizable-linear"
    ]
    bits = 32 * (12 * 5 + 3 * 12)
    assert float(outcome.value.lo) == pytest.approx((bits * np.log(2) + np.log(20)) / 300, rel=1e-14)


def test_the_test_set_bound_is_the_beta_quantile_of_the_observed_errors(small_run):
    evaluation = bc.evaluate(small_run, bounds=["test-binom-upper"], delta=0.01)
    errors = int(evaluation.observed.test.integers()[1])
    expected = scipy.stats.beta.ppf(0.99, errors + 1, 200 - errors)
    assert float(evaluation.outcomes[0].value.hi) == pytest.approx(expected, rel=1e-9)


def test_without_assertions_nothing_is_guaranteed(small_run):
    silent = Run.from_arrays(
        small_run.predict,
        small_run.params,
        train=_pair(small_run, "train"),
        test=_pair(small_run, "test"),
    )
    outcome = bc.evaluate(silent, bounds=["clopper1934-test-set"]).outcomes[0]
    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert any("Assert it" in reason for reason in outcome.reasons)
    assert by_id(bc.evaluate(silent))["langford2005-occam-hoeffding"].verdict is Verdict.VACUOUS


def _pair(run, split):
    sample = run.sample(split)
    return sample.inputs(0, len(sample)), sample.labels


def test_a_bias_refutes_golowich_and_names_its_layer(small_run):
    params = {**small_run.params, "offset": np.ones(12, np.float32)}

    def with_bias(p, x):
        return p["second"] @ jnp.maximum(p["first"] @ x + p["offset"], 0)

    run = Run.from_arrays(
        with_bias, params, train=_pair(small_run, "train"), test=_pair(small_run, "test"), assume=ASSERTED
    )
    outcomes = by_id(bc.evaluate(run))
    golowich = outcomes["golowich2018-frobenius"]
    assert golowich.verdict is Verdict.NOT_APPLICABLE
    assert "first" in golowich.reasons[0]
    assert "bias" in golowich.reasons[0]
    assert outcomes["bartlett2017-spectral"].value is not None
    assert outcomes["bartlett2017-spectral-initial"].verdict is Verdict.NOT_APPLICABLE


def test_what_cannot_be_traced_is_listed_whole_and_other_bounds_go_on(small_run):
    def odd(p, x):
        return p["second"] @ jnp.sin(jnp.cumsum(p["first"] @ x))

    run = Run.from_arrays(
        odd, small_run.params, train=_pair(small_run, "train"), test=_pair(small_run, "test"), assume=ASSERTED
    )
    outcomes = by_id(bc.evaluate(run))
    reasons = " ".join(outcomes["bartlett2017-spectral"].reasons)
    assert "sin" in reasons
    assert "cumsum" in reasons
    assert "test_evaluation.py" in reasons
    assert outcomes["clopper1934-test-set"].value is not None
    assert outcomes["langford2005-occam-binomial"].value is not None


def test_a_plugin_that_raises_is_one_failed_row(small_run):
    def explode(study):
        raise ZeroDivisionError("a slip in the plugin")

    right = installed().bounds["langford2005-occam-hoeffding"]
    broken = dataclasses.replace(
        right,
        id="broken2024-plugin",
        aliases=(),
        symbols={
            s: dataclasses.replace(m, name="broken", measure=explode) if str(s) == "E" else m
            for s, m in right.symbols.items()
        },
    )
    evaluation = bc.evaluate(small_run, bounds=["clopper1934-test-set", broken])
    outcome = by_id(evaluation)["broken2024-plugin"]
    assert outcome.verdict is Verdict.FAILED
    assert outcome.reasons == ("ZeroDivisionError: a slip in the plugin",)
    assert "explode" in outcome.traceback
    assert by_id(evaluation)["clopper1934-test-set"].verdict is Verdict.NON_VACUOUS
    assert evaluation.alarming


def test_a_false_theorem_is_violated(small_run):
    """A bound below the observed error is caught by the data."""
    right = installed().bounds["clopper1934-test-set"]
    flipped = Run.from_arrays(
        small_run.predict,
        small_run.params,
        train=_pair(small_run, "train"),
        test=(_pair(small_run, "test")[0], (_pair(small_run, "test")[1] + 1) % 3),
        assume=ASSERTED,
    )
    false = dataclasses.replace(
        right,
        id="false2024-claim",
        aliases=(),
        theorem=dataclasses.replace(right.theorem, value=right.theorem.value / 100),
    )
    outcome = bc.evaluate(flipped, bounds=[false]).outcomes[0]
    assert outcome.verdict is Verdict.VIOLATED
    assert "wrong" in outcome.reasons[0]


def instance(run, identifier):
    bound = installed().bounds[identifier]
    study = Study(run, Fraction(1, 20))
    return Instance(
        bound, {s: study.measure(m) for s, m in bound.symbols.items() if m.role == "measured"}, study
    )


@pytest.mark.parametrize("identifier", ["golowich2018-frobenius", "bartlett2017-spectral"])
def test_the_floor_lies_below_the_bound_at_random_margins(small_run, identifier):
    """Certified over every margin: also those that are not on the declared grid, tiny and huge ones."""
    whole = instance(small_run, identifier)
    floor = whole.floor()
    rng = np.random.default_rng(3)
    largest = small_run and Study(small_run, Fraction(1, 20)).margins("train").largest
    for exponent in rng.uniform(-OCTAVES - 10, 40, 60):
        value = whole._at(Interval(float(largest * 2.0**exponent)))
        assert value.hi >= floor.lo
    assert floor.lo <= whole.best.lo


def test_the_best_margin_is_no_worse_than_any_declared_one(small_run):
    whole = instance(small_run, "golowich2018-frobenius")
    values = [whole._at(gamma) for gamma in whole._margins(step=1)]
    assert whole.best.hi == min(v.hi for v in values)
    assert whole.best.lo == min(v.lo for v in values)


def test_elasticities_are_octave_averages_of_the_symbolic_ones(small_run):
    """log2 f(sqrt2 x)/f(x/sqrt2) is the mean of x f'/f over the octave, which SymPy integrates."""
    whole = instance(small_run, "langford2005-occam-hoeffding")
    theorem = whole.bound.theorem
    values = {
        s: sympy.Float(str(v.midpoint().str(30, radius=False)), 30) for s, v in whole.values(None).items()
    }
    for name in ("n", "B"):
        symbol = next(s for s in whole.bound.symbols if str(s) == name)
        f = theorem.closed_form.subs({s: v for s, v in values.items() if s != symbol})
        u = sympy.Symbol("u")
        slope = (symbol * sympy.diff(f, symbol) / f).subs(symbol, values[symbol] * 2**u)
        mean = sympy.Integral(slope, (u, -sympy.Rational(1, 2), sympy.Rational(1, 2))).evalf(12)
        # n and B are whole numbers, so the octave is rounded to them.
        assert whole.elasticities()[name] == pytest.approx(float(mean), abs=2e-3)


def test_the_sample_size_is_where_the_bound_crosses_the_error_of_guessing(small_run):
    whole = instance(small_run, "langford2005-occam-hoeffding")
    guess = Interval(Fraction(2, 3))
    log10_n = whole.sample_size(guess)
    bits = 32 * 96
    E = float(whole.quantities[next(s for s in whole.bound.symbols if str(s) == "E")].value.hi)
    exact = (bits * np.log(2) + np.log(20)) / (2 * (2 / 3 - E) ** 2)
    assert log10_n == pytest.approx(np.log10(exact), abs=2e-3)


def test_the_json_has_the_promised_keys_and_is_json(small_run):
    stored = json.loads(json.dumps(bc.evaluate(small_run).to_json(), allow_nan=False))
    assert {"run", "n", "classes", "parameters", "delta", "observed", "bounds", "confidence"} <= set(stored)
    assert {"train_error", "test_error", "test_error_interval", "clean_test_error"} <= set(stored["observed"])
    for b in stored["bounds"]:
        assert {
            "id",
            "family",
            "verdict",
            "value",
            "reasons",
            "symbols",
            "elasticities",
            "sample_size_needed",
        } <= set(b)
        if b["value"] is not None:
            assert set(b["value"]) == {"lo", "hi", "log10_lo", "log10_hi", "log10_below_one"}
            for symbol in b["symbols"].values():
                assert {"lo", "hi", "evidence"} <= set(symbol)
    assert all({"spent_on", "delta"} == set(entry) for entry in stored["confidence"])


def test_the_frame_has_one_row_a_bound_sorted_by_value(small_run):
    frame = bc.evaluate(small_run).to_frame()
    assert len(frame) == len(installed().bounds)
    heights = frame["log10_hi"].dropna()
    assert (heights.round(9).diff().dropna() >= 0).all()


@pytest.mark.parametrize("delta", [0, 1, -0.1, 2, float("nan"), float("inf")])
def test_delta_outside_the_unit_interval_is_refused(small_run, delta):
    with pytest.raises(bc.BoundcheckError, match="strictly between 0 and 1"):
        bc.evaluate(small_run, delta=delta)


def test_evaluating_does_not_change_the_run(small_run):
    before = {key: value.copy() for key, value in small_run.params.items()}
    first = bc.evaluate(small_run).to_json()
    second = bc.evaluate(small_run).to_json()
    assert first == second
    for key, value in before.items():
        assert np.array_equal(value, small_run.params[key])


@pytest.mark.parametrize("classes", [2, 3])
def test_a_linear_classifier_is_a_chain_of_one_layer(classes):
    rng = np.random.default_rng(classes)
    W = rng.normal(size=(classes, 4)).astype(np.float32)
    x = rng.normal(size=(400, 4)).astype(np.float32)
    y = (x @ W.T).argmax(axis=1)
    run = Run.from_arrays(
        lambda p, v: p @ v,
        W,
        init_params=W * 0,
        train=(x[:200], y[:200]),
        test=(x[200:], y[200:]),
        assume=ASSERTED,
    )
    outcomes = by_id(bc.evaluate(run))
    assert {o.verdict for o in outcomes.values()} <= set(Verdict) - {Verdict.FAILED, Verdict.VIOLATED}
    assert outcomes["golowich2018-frobenius"].value is not None
    assert outcomes["leboeuf2021-hypergeometric"].value is not None


def test_constant_logits_leave_every_example_undecided():
    x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1])
    run = Run.from_arrays(
        lambda p, v: p @ v, np.zeros((2, 4), np.float32), train=(x, y), test=(x, y), assume=ASSERTED
    )
    evaluation = bc.evaluate(run)
    assert evaluation.observed.train == Interval(0, 4)
    assert not any(o.verdict is Verdict.FAILED for o in evaluation.outcomes)


def test_a_function_that_remembers_the_data_proves_nothing(small_run):
    """Numbers hidden in a closure are not counted, so the description must be asserted, not proven."""
    silent = Run.from_arrays(
        small_run.predict,
        small_run.params,
        init_params=small_run.params,
        train=_pair(small_run, "train"),
        test=_pair(small_run, "test"),
        assume=("iid",),
    )
    for identifier in ("langford2005-occam-binomial", "bartlett2017-spectral-initial"):
        (outcome,) = bc.evaluate(silent, bounds=[identifier]).outcomes
        assert any(r.status == "undecided" for _, _, r in outcome.assumptions)
        assert outcome.verdict is not Verdict.NON_VACUOUS


def test_measurements_of_one_name_are_kept_apart(small_run):
    right = installed().bounds["langford2005-occam-binomial"]

    def all_wrong(study):
        return bc.quantities.Quantity(
            value=Interval(1), evidence=bc.quantities.Evidence.EXACT, method="made up"
        )

    imposter = dataclasses.replace(
        right,
        id="imposter2024-occam",
        aliases=(),
        symbols={
            s: dataclasses.replace(m, measure=all_wrong) if m.name == "train-error" else m
            for s, m in right.symbols.items()
        },
    )
    alone = by_id(bc.evaluate(small_run, bounds=[right]))[right.id].value
    beside = by_id(bc.evaluate(small_run, bounds=[imposter, right]))[right.id].value
    assert alone == beside


@pytest.mark.parametrize(
    "change",
    [{"object": "gibbs"}, {"guarantee": "EXP"}, {"guarantee": "LOWER"}, {"guarantee": "unconfirmed"}],
)
def test_only_high_probability_bounds_on_the_network_itself_guarantee_anything(small_run, change):
    right = installed().bounds["clopper1934-test-set"]
    other = dataclasses.replace(right, id="other2024-kind", aliases=(), **change)
    (outcome,) = bc.evaluate(small_run, bounds=[other]).outcomes
    assert outcome.verdict in (Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE)
    assert outcome.reasons


class Untypeset(IntervalFunction):
    """The identity, with an enclosure and no LaTeX."""

    nargs = (1,)

    @classmethod
    def enclose(cls, x):
        return x


class Unenclosed(sympy.Function):
    """A function of SymPy that nothing encloses."""

    nargs = (1,)


@pytest.mark.parametrize(
    ("function", "reason"), [(Untypeset, "no attribute 'tex'"), (Unenclosed, "no interval extension")]
)
def test_a_formula_without_latex_or_enclosure_is_one_failed_row(small_run, function, reason):
    right = installed().bounds["clopper1934-test-set"]
    odd = dataclasses.replace(
        right,
        id="odd2024-formula",
        aliases=(),
        theorem=dataclasses.replace(right.theorem, value=function(right.theorem.value)),
    )
    evaluation = bc.evaluate(small_run, bounds=[odd, right])
    outcome = by_id(evaluation)["odd2024-formula"]
    assert outcome.verdict is Verdict.FAILED
    assert reason in outcome.reasons[0]
    assert by_id(evaluation)[right.id].verdict is Verdict.NON_VACUOUS
    assert f"**small: failed.**\n- {text.escape(outcome.reasons[0])}" in rendered(evaluation)


STEPS = ("slack", "filled", "terms", "where", "latex_numbers", "elasticities", "sample_size")


@pytest.mark.parametrize("step", STEPS)
def test_a_verdict_survives_its_explanation(small_run, monkeypatch, step):
    bounds = ["clopper1934-test-set", "golowich2018-frobenius"]
    whole = by_id(bc.evaluate(small_run, bounds=bounds))

    def explode(*_):
        raise OverflowError("too large to explain")

    monkeypatch.setattr(Instance, step, explode)
    evaluation = bc.evaluate(small_run, bounds=bounds)
    for identifier, outcome in by_id(evaluation).items():
        expected = whole[identifier]
        for kept in ("verdict", "value", "floor", "margin", "assumptions"):
            assert getattr(outcome, kept) == getattr(expected, kept)
        told = "its explanation failed: OverflowError: too large to explain"
        assert outcome.reasons == (*expected.reasons, told)
        assert "explode" in outcome.traceback
    assert whole["clopper1934-test-set"].verdict is Verdict.NON_VACUOUS
    assert list(evaluation.to_frame()["verdict"]) == [o.verdict.value for o in evaluation.outcomes]
    page = rendered(evaluation)
    assert page.count("its explanation failed: OverflowError: too large to explain") == len(bounds)
    assert page.count("Traceback") == len(bounds)
    # A search that failed is not a search that found nothing, and the other answers are still there.
    if step == "sample_size":
        assert "no number of" not in page
        assert page.count("How many examples it would take could not be computed") == len(bounds)
    else:
        assert "could not be computed" not in page
    for outcome in evaluation.outcomes:
        assert bool(outcome.symbols) == (step != "filled")


def test_a_negative_value_takes_nothing_down(small_run):
    right = installed().bounds["clopper1934-test-set"]
    negative = dataclasses.replace(
        right,
        id="negative2024-value",
        aliases=(),
        theorem=dataclasses.replace(right.theorem, value=right.theorem.value - 3),
    )
    outcomes = by_id(bc.evaluate(small_run, bounds=[negative, right]))
    assert outcomes["negative2024-value"].verdict is Verdict.VIOLATED
    assert outcomes[right.id].verdict is Verdict.NON_VACUOUS


def test_an_unexpected_error_names_files_and_no_folders():
    error = ValueError(
        "in /home/someone/code/plugin.py:3, see https://example.org/docs/errors.html\n and 1/2"
    )
    assert said(error) == "ValueError: in plugin.py:3, see https://example.org/docs/errors.html and 1/2"
