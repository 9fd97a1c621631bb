"""An assumption in name only: its check says yes to every network."""

import dataclasses

from boundcheck_bounds.gonon2024_path_norm import bound as honest

from boundcheck import Assumption, Resolution

CAUGHT_BY = "refuses_what_it_must"


def trusting(study):
    return Resolution(status="proven", reason="every network is one")


assumed = tuple(
    Assumption(a.name, a.statement, trusting) if a.name == "path-normed" else a
    for a in honest.theorem.assumptions
)
bound = dataclasses.replace(honest, theorem=dataclasses.replace(honest.theorem, assumptions=assumed))
