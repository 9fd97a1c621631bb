"""A binary logarithm for a natural one: log(2) times too little confidence, by a conversion in the wrong direction."""

import dataclasses

from boundcheck_bounds.clopper1934_test_set import E, delta, m
from boundcheck_bounds.clopper1934_test_set import bound as honest
from sympy import log

from boundcheck import Example
from boundcheck.functions import BinomialInverse

CAUGHT_BY = "covers_the_true_error"

bound = dataclasses.replace(
    honest,
    theorem=dataclasses.replace(honest.theorem, value=BinomialInverse(E * m, m, log(1 / delta) * log(2))),
    example=Example(honest.example.values, "0.1466087619"),
)
