"""1 - delta for delta: more confidence at a lower price."""

import dataclasses

from boundcheck_bounds.mohri2018_rademacher import E, Rad, delta, n
from boundcheck_bounds.mohri2018_rademacher import bound as honest
from sympy import log, sqrt

from boundcheck import Example

CAUGHT_BY = "falls_with_delta"

bound = dataclasses.replace(
    honest,
    theorem=dataclasses.replace(honest.theorem, value=E + 2 * Rad + 2 * sqrt(log(1 / (1 - delta)) / (2 * n))),
    example=Example(honest.example.values, "0.6101285038"),
)
