"""How assumptions are decided: by what the experimenter asserts, by what our own training guarantees, by what can be measured."""

from __future__ import annotations

import functools

from ..quantities.quantity import UnavailableError
from ..quantities.study import Study
from ..theorem import Check, Resolution


def asserted(name: str, otherwise: str) -> Check:
    def check(study: Study) -> Resolution:
        if name in study.run.assume:
            return Resolution(status="asserted", reason=f"by the experimenter, as {name}")
        return Resolution(
            status="undecided", reason=f'{otherwise} Assert it with `assume = ["{name}"]` if it holds.'
        )

    return check


def available(check: Check) -> Check:
    """The same check, for which a quantity that a run cannot supply refutes the assumption."""

    @functools.wraps(check)
    def decided(study: Study) -> Resolution:
        try:
            return check(study)
        except UnavailableError as error:
            return Resolution(status="refuted", reason="; ".join(error.reasons))

    return decided
