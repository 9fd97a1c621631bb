"""A constant that grows with n: the worst-case logarithm of a smooth loss before a complexity that is measured."""

import dataclasses

from boundcheck_bounds.mohri2018_rademacher import E, Rad, delta, n
from boundcheck_bounds.mohri2018_rademacher import bound as honest
from sympy import log, sqrt

from boundcheck import Example

CAUGHT_BY = "falls_with_examples"

bound = dataclasses.replace(
    honest,
    theorem=dataclasses.replace(
        honest.theorem, value=E + 2 * log(n) * Rad + 2 * sqrt(log(1 / delta) / (2 * n))
    ),
    example=Example(honest.example.values, "3.631282191"),
)
