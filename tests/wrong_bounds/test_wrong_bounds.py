"""Each file of this folder holds a bound that is wrong in its own way, and its honest twin: the kit must tell them apart."""

import importlib.util
from pathlib import Path

import pytest

from boundcheck.registry import installed
from boundcheck.testing import CHECKS, run_check

FOLDER = Path(__file__).parent
CHECK = {check.__name__: check for check in CHECKS}


def load(path):
    spec = importlib.util.spec_from_file_location(f"wrong_bounds_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WRONG = {path.stem: load(path) for path in sorted(FOLDER.glob("*.py")) if not path.stem.startswith("test_")}


def status(name, bound):
    return run_check(CHECK[name], bound).status


@pytest.mark.parametrize("name", WRONG)
def test_it_is_caught(name):
    record = run_check(CHECK[WRONG[name].CAUGHT_BY], WRONG[name].bound)
    assert record.status == "failed"
    assert len(record.reason) > 30


@pytest.mark.parametrize("name", WRONG)
def test_its_author_believes_it(name):
    """The example agrees with the wrong statement, but where the theory's own number is all that can catch the slip."""
    expected = "failed" if WRONG[name].CAUGHT_BY == "example_agrees" else "passed"
    assert status("example_agrees", WRONG[name].bound) == expected


@pytest.mark.parametrize("name", WRONG)
def test_its_honest_twin_is_not_caught(name):
    module = WRONG[name]
    assert status(module.CAUGHT_BY, module.honest) == "passed"
    if module.honest is not installed().bounds.get(module.honest.id):  # those are tested with all others
        failed = [c.__name__ for c in CHECKS if run_check(c, module.honest).status == "failed"]
        assert failed == []


def test_there_are_many_kinds():
    caught_by = {module.CAUGHT_BY for module in WRONG.values()}
    assert len(WRONG) >= 20
    # The rest of the kit is about what a bound declares; tests/testing has a bound for each of those.
    assert set(CHECK) - caught_by == {
        "names_its_source",
        "random_labels_are_not_denied",
        "statement_is_closed",
        "the_verdict_survives_storage",
    }
