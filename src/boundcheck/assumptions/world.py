"""What only the experimenter can know, and says by name in the experiment file; and what follows from it."""

from __future__ import annotations

from ..quantities.study import Study
from ..theorem import Assumption, Resolution
from .check import asserted

iid = Assumption(
    "iid",
    "the training examples are drawn independently from the distribution on which the error is defined",
    asserted("iid", "nothing is known about how the examples were drawn."),
)

fixed_in_advance = Assumption(
    "fixed-in-advance",
    "architecture, preparation of the inputs, delta and the bound were fixed before the training data were seen",
    asserted("fixed-in-advance", "nothing is known about what was chosen after seeing the data."),
)

fresh_test_set = Assumption(
    "fresh-test-set",
    "the test examples are drawn independently from the same distribution, and no choice was made with them",
    asserted("fresh-test-set", "nothing is known about how the test set was used."),
)


def by_design(study: Study, recorded: str, claim: str) -> Resolution:
    """What our own training guarantees, and what the maker of arrays can only assert together with the rest."""
    if study.run.spec is not None:
        return Resolution(status="proven", reason=recorded)
    return asserted(fixed_in_advance.name, f"nothing is known of a run from arrays: {claim}.")(study)
