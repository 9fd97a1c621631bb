"""The kit itself: what it records, what an author may expect of it, and a bound for every check that nothing else fails."""

import dataclasses
import subprocess
import sys
from fractions import Fraction

import pytest
import sympy
from scipy.stats import binom

from boundcheck import Bound, Citation, Example, Interval, Reference, Theorem
from boundcheck import quantities as q
from boundcheck.errors import PluginError
from boundcheck.registry import installed
from boundcheck.testing import CHECKS, cases, check_bound, run_check
from boundcheck.testing.networks import stock
from boundcheck.testing.operators import _matrices
from boundcheck.testing.simulation import LOOKS, SURPRISE, too_many
from boundcheck.testing.worlds import WORLDS, trial

CHECK = {check.__name__: check for check in CHECKS}
RIGHT = installed().bounds["langford2005-occam-hoeffding"]


def status(check, bound):
    return run_check(CHECK[check], bound).status


def with_citation(**changes):
    citation = dataclasses.replace(RIGHT.theorem.citation, **changes)
    return dataclasses.replace(RIGHT, theorem=dataclasses.replace(RIGHT.theorem, citation=citation))


def test_every_check_gives_one_record():
    records = check_bound(RIGHT)
    assert [r.check for r in records] == list(CHECK)
    assert {r.bound for r in records} == {RIGHT.id}
    assert {r.status for r in records} == {"passed", "skipped"}
    assert all(r.reason for r in records if r.status == "skipped")


def test_cases_are_every_pair():
    assert list(cases([RIGHT])) == [(RIGHT, check) for check in CHECKS]
    assert list(cases({RIGHT.id: RIGHT})) == list(cases([RIGHT]))


# What an author expects ----------------------------------------------------------------------------------------------


def broken():
    return dataclasses.replace(RIGHT, example=Example(RIGHT.example.values, "0.5"))


def test_an_expected_failure_carries_the_author_s_reason_and_the_finding():
    (record,) = [
        r for r in check_bound(broken(), {"example_agrees": "rounded"}) if r.check == "example_agrees"
    ]
    assert record.status == "expected"
    assert record.reason.startswith("rounded (the example evaluates to")


def test_an_expected_failure_that_passes_has_failed():
    record = run_check(CHECK["example_agrees"], RIGHT, {"example_agrees": "rounded"})
    assert record.status == "failed"
    assert "passes unexpectedly" in record.reason


def test_an_expectation_of_an_unknown_check_is_an_error():
    with pytest.raises(
        PluginError, match="`expected` names the check 'exampel_agrees'; there are statement_is_closed"
    ):
        check_bound(RIGHT, {"exampel_agrees": "x"})


def test_an_expectation_without_a_reason_is_an_error():
    with pytest.raises(PluginError, match="no reason for example_agrees"):
        check_bound(RIGHT, {"example_agrees": " "})


def test_a_check_that_raises_has_failed_with_its_message():
    class Undefined(sympy.Function):
        pass

    E, delta = sympy.symbols("E delta", positive=True)
    bound = Bound(
        id="wrong2020-undefined",
        title="a statement with an undefined function",
        family="vc",
        theorem=Theorem(value=Undefined(E) + delta, citation=RIGHT.theorem.citation),
        symbols={E: q.train_error, delta: q.delta},
        example=Example({E: 0, delta: "1/20"}, "0.5"),
    )
    record = run_check(CHECK["example_agrees"], bound)
    assert record.status == "failed"
    assert record.reason.startswith("TypeError: Undefined has no interval extension")


PLUGIN = """
import dataclasses
from boundcheck.registry import installed
from boundcheck import Example
from boundcheck.testing import conformance

right = installed().bounds["hoeffding1963-test-set"]
wrong = dataclasses.replace(right, example=Example(right.example.values, "0.5"))
test_right = conformance(right)
test_wrong = conformance(wrong)
test_known = conformance(wrong, expected={"example_agrees": "rounded"})
"""


def test_one_line_makes_a_pytest_case_of_each_check(tmp_path):
    (tmp_path / "test_plugin.py").write_text(PLUGIN)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            "example or margin",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "1 failed, 7 passed, 3 skipped" in done.stdout, done.stdout
    assert "1 xfailed" in done.stdout
    assert "test_wrong[hoeffding1963-test-set-example_agrees]" in done.stdout


def test_the_program_does_without_pytest():
    code = (
        "import sys, boundcheck.testing; assert 'pytest' not in sys.modules and '_pytest' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# A bound for each check that no wrong bound of tests/wrong_bounds is about ---------------------------------------------


def test_an_example_outside_the_range_of_a_quantity_is_caught():
    for changed in ({"E": "3/2"}, {"n": "1001/2"}, {"B": -1}):
        values = {s: changed.get(str(s), v) for s, v in RIGHT.example.values.items()}
        bound = dataclasses.replace(RIGHT, example=Example(values, "0.5"))
        assert status("statement_is_closed", bound) == "failed"


def test_symbols_that_are_not_filled_are_refused_at_once():
    theorem = dataclasses.replace(
        RIGHT.theorem, value=RIGHT.theorem.value + sympy.Symbol("unfilled", positive=True)
    )
    with pytest.raises(PluginError, match="not filled: unfilled"):
        dataclasses.replace(RIGHT, theorem=theorem)


def test_an_invariance_of_no_kind_is_refused_at_once():
    with pytest.raises(
        PluginError, match="declares 'translation'; one of relabelling, reordering, rescaling"
    ):
        dataclasses.replace(RIGHT, invariances=("translation",))


def test_an_example_that_forgets_a_symbol_is_caught():
    values = {s: v for s, v in RIGHT.example.values.items() if str(s) != "B"}
    assert (
        status("statement_is_closed", dataclasses.replace(RIGHT, example=Example(values, "0.5"))) == "failed"
    )


def test_a_source_without_an_author_or_a_place_is_caught():
    anonymous = dataclasses.replace(RIGHT.theorem.citation.reference, authors="")
    assert status("names_its_source", with_citation(reference=anonymous)) == "failed"
    assert status("names_its_source", with_citation(derivation="")) == "failed"
    assert status("names_its_source", with_citation(derivation="docs/theory/absent.md")) == "failed"
    assert status("names_its_source", with_citation(derivation="", theorem="Theorem 1")) == "passed"


def test_another_author_s_derivation_may_be_anywhere():
    citation = Citation(
        Reference(key="a1", authors="A", year=1, title="t", venue="v"), derivation="docs/mine.md"
    )
    theorem = dataclasses.replace(RIGHT.theorem, citation=citation)
    assert status("names_its_source", dataclasses.replace(RIGHT, id="a1-mine", theorem=theorem)) == "passed"


def test_a_bound_that_fails_on_a_run_is_caught():
    @q.measurement("bits")
    def bits(study):
        raise RuntimeError("no bits today")

    B = next(s for s in RIGHT.symbols if str(s) == "B")
    bound = dataclasses.replace(RIGHT, symbols={**RIGHT.symbols, B: bits})
    record = run_check(CHECK["random_labels_are_not_denied"], bound)
    assert record.status == "failed"
    assert "no bits today" in record.reason


def test_what_cannot_be_stored_is_caught():
    @q.measurement("bits \udc80")
    def bits(study):
        return study.measure(q.parameter_bits)

    B = next(s for s in RIGHT.symbols if str(s) == "B")
    bound = dataclasses.replace(RIGHT, symbols={**RIGHT.symbols, B: bits})
    assert status("the_verdict_survives_storage", bound) == "failed"


@pytest.mark.parametrize("guarantee", ["comparator", "unconfirmed"])
def test_statistics_say_nothing_of_a_form_that_promises_nothing(guarantee):
    """Hoeffding on the training error fails always, and is not blamed for what it does not claim."""
    C = next(iter(RIGHT.theorem.where))
    delta = next(s for s in RIGHT.symbols if str(s) == "delta")
    theorem = dataclasses.replace(RIGHT.theorem, where={C: sympy.log(1 / delta)})
    symbols = {s: m for s, m in RIGHT.symbols.items() if str(s) != "B"}
    wrong = dataclasses.replace(RIGHT, theorem=theorem, symbols=symbols)
    assert status("covers_the_true_error", wrong) == "failed"
    assert status("random_labels_are_not_denied", wrong) == "failed"
    kept = dataclasses.replace(wrong, guarantee=guarantee)
    assert status("covers_the_true_error", kept) == "skipped"
    assert status("random_labels_are_not_denied", kept) == "passed"


# What the kit stands on -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("draws", "delta"), [(4, "1/100"), (6, "1/100"), (400, "1/4"), (800, "1/4")])
def test_too_many_failures_are_those_of_a_binomial_tail(draws, delta):
    most, p = too_many(draws, Fraction(delta)), float(Fraction(delta))
    level = float(SURPRISE) / len(LOOKS)
    assert binom.sf(most - 1, draws, p) <= level < binom.sf(most - 2, draws, p)


@pytest.mark.parametrize("name", [name for name in WORLDS if name.startswith("memorizer")])
def test_memorizers_are_right_on_what_they_saw_and_wrong_on_all_else(name):
    drawn = trial(name, 0)
    margins = drawn.study.margins("train")
    x = drawn.study.run.sample("train").inputs(0, margins.size)
    unseen = 1 - Fraction(len({row.tobytes() for row in x}), len(drawn._support[0]))
    assert margins.correct == margins.size
    assert abs(margins.lower - 1).max() < 1e-6
    assert drawn.true_error("det") == Interval(unseen)
    assert 0.75 < float(unseen) < 0.8


def test_the_true_error_of_the_constant_classifiers_is_as_declared():
    for name, error in (("noise", "3/10"), ("test sets", "3/10"), ("test sets with rare errors", "1/64")):
        true_error = trial(name, 0).true_error("det")
        assert true_error.contains(Fraction(error))
        assert float(true_error.hi - true_error.lo) < 1e-15


@pytest.mark.parametrize("name", ["dense", "convolutional"])
def test_the_reference_matrices_are_the_network(name):
    import numpy as np

    x, _ = stock()[name].examples()
    first, last = _matrices(name)
    ours = np.maximum(x.reshape(len(x), -1) @ first.T, 0) @ last.T
    run = stock()[name].run()
    theirs = np.array([run.predict(run.params, v) for v in x])
    assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
