"""A forgotten norm: the bound for inputs of length 1, on inputs of any length."""

import dataclasses

from boundcheck_bounds.golowich2018_frobenius import L, c, k, n, tau, x
from boundcheck_bounds.golowich2018_frobenius import bound as honest
from sympy import log, sqrt

from boundcheck import Example

CAUGHT_BY = "covers_the_true_error"

unit = {c: 1 / sqrt(n) * (1 + sqrt(2 * ((L - 1) * log(2) + log(k)))), tau: honest.theorem.where[tau]}
bound = dataclasses.replace(
    honest,
    theorem=dataclasses.replace(honest.theorem, where=unit),
    symbols={s: m for s, m in honest.symbols.items() if s != x},
    example=Example({s: v for s, v in honest.example.values.items() if s != x}, "68.11823568"),
)
