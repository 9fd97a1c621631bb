"""The conformance kit on every registered bound, and its theorem file beside its derivation."""

from pathlib import Path

import pytest

from boundcheck.registry import installed
from boundcheck.testing import CHECKS, run_check

ROOT = Path(__file__).parents[2]
REGISTRY = installed()

EXPECTED = {
    ("bartlett2002-discrepancy", "declares_what_its_quantities_need"): (
        "its lower end is one training by the run's recipe, which a run from arrays does not have; "
        "the theorem itself needs none"
    ),
}
"""Checks that fail although the bound is right, and why."""

PAIRS = [(bound, check) for bound in REGISTRY.bounds.values() for check in CHECKS]


def test_nothing_failed_to_load():
    assert REGISTRY.failures == ()
    assert len(REGISTRY.bounds) >= 12


@pytest.mark.parametrize(("bound", "check"), PAIRS, ids=[f"{b.id}-{c.__name__}" for b, c in PAIRS])
def test_conforms(bound, check):
    why = EXPECTED.get((bound.id, check.__name__))
    record = run_check(check, bound, {} if why is None else {check.__name__: why})
    assert record.status == ("expected" if why else record.status), record.reason
    assert record.status != "failed", record.reason


@pytest.mark.parametrize("bound", REGISTRY.bounds.values(), ids=lambda b: b.id)
def test_every_bound_with_a_guarantee_is_simulated_or_says_why_not(bound):
    covers = next(c for c in CHECKS if c.__name__ == "covers_the_true_error")
    record = run_check(covers, bound)
    retrained = {"bartlett2002-discrepancy"}
    if bound.guarantee == "HP" and bound.object in ("det", "compressed") and bound.id not in retrained:
        assert record.reason.endswith("worlds no more failures than delta allows")


def file_of(bound):
    """The theorem file: the longest of the names in `bounds/` that the id starts with."""
    names = [p.stem for p in (ROOT / "bounds").glob("*.py")]
    mine = [name for name in names if bound.id.startswith(name.replace("_", "-"))]
    return max(mine, key=len, default=None)


@pytest.mark.parametrize("bound", REGISTRY.bounds.values(), ids=lambda b: b.id)
def test_the_derivation_has_a_page_that_names_the_theorem(bound):
    page = ROOT / bound.theorem.citation.derivation
    assert page.is_file()
    assert file_of(bound).replace("_", "-") in page.read_text()


@pytest.mark.parametrize("bound", REGISTRY.bounds.values(), ids=lambda b: b.id)
def test_file_and_id_have_one_name(bound):
    assert file_of(bound) is not None


@pytest.mark.parametrize("bound", REGISTRY.bounds.values(), ids=lambda b: b.id)
def test_it_says_how_its_constants_were_confirmed(bound):
    assert bound.theorem.citation.verified
