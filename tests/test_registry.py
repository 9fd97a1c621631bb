"""Plugins: found, isolated, never privileged."""

from importlib.metadata import EntryPoint

import pytest

from boundcheck.errors import UnknownNameError
from boundcheck.registry import GROUP, build, installed

GOOD = EntryPoint("clopper1934-test-set", "boundcheck_bounds.clopper1934_test_set:bound", GROUP)


def test_a_plugin_that_does_not_import_is_a_failure_beside_the_others():
    registry = build([GOOD, EntryPoint("absent", "no_such_module_anywhere:bound", GROUP)])
    assert list(registry.bounds) == ["clopper1934-test-set"]
    (failure,) = registry.failures
    assert failure.name == "absent"
    assert "no_such_module_anywhere" in failure.reason
    assert "Traceback" in failure.traceback


def test_a_plugin_that_is_no_bound_is_told_what_is_needed():
    registry = build([EntryPoint("wrong", "math:pi", GROUP)])
    assert (
        "is a float; a `boundcheck.Bound` or a `boundcheck.Measure` is needed" in registry.failures[0].reason
    )


def test_two_bounds_of_one_name_are_an_error():
    again = EntryPoint("other", "boundcheck_bounds.clopper1934_test_set:bound", GROUP)
    registry = build([GOOD, again])
    assert len(registry.bounds) == 1
    assert "already taken" in registry.failures[0].reason


def test_aliases_find_the_bound_and_unknown_ids_suggest_the_nearest():
    registry = installed()
    assert registry.find("golowich-fro").id == "golowich2018-frobenius"
    assert [b.id for b in registry.select(["golowich-fro", "golowich2018-frobenius"])] == [
        "golowich2018-frobenius"
    ]
    with pytest.raises(UnknownNameError, match="did you mean 'golowich2018-frobenius'"):
        registry.find("golowich2018-frobenus")
