"""The training error subtracted: a bound that falls when the network errs more."""

import dataclasses

from boundcheck_bounds.langford2005_occam_hoeffding import C, E, n
from boundcheck_bounds.langford2005_occam_hoeffding import bound as honest
from sympy import sqrt

from boundcheck import Example

CAUGHT_BY = "rises_with_the_empirical_error"

bound = dataclasses.replace(
    honest,
    theorem=dataclasses.replace(honest.theorem, value=sqrt(C / (2 * n)) - E),
    example=Example(honest.example.values, "0.1466008540"),
)
