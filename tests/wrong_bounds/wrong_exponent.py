"""A wrong exponent: the complexity of a norm-bounded class falls as 1/n instead of 1/sqrt(n)."""

import dataclasses

from boundcheck_bounds.golowich2018_frobenius import L, c, k, n, tau, x
from boundcheck_bounds.golowich2018_frobenius import bound as honest
from sympy import log, sqrt

from boundcheck import Example

CAUGHT_BY = "covers_the_true_error"

faster = {c: x / n * (1 + sqrt(2 * ((L - 1) * log(2) + log(k)))), tau: honest.theorem.where[tau]}
bound = dataclasses.replace(
    honest,
    theorem=dataclasses.replace(honest.theorem, where=faster),
    example=Example(honest.example.values, "2.768232643"),
)
