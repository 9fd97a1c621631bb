"""An invariance that does not hold: a sum of norms instead of their product, declared to ignore rescaling."""

import dataclasses

from boundcheck_bounds.golowich2018_frobenius import F, L, c, gamma, i, tau, w
from boundcheck_bounds.golowich2018_frobenius import bound as registered
from sympy import Sum

from boundcheck import Example

CAUGHT_BY = "declared_invariances_hold"

honest = dataclasses.replace(registered, invariances=("relabelling", "reordering", "rescaling"))
summed = {c: honest.theorem.where[c], tau: (w + Sum(F[i], (i, 1, L - 1))) / gamma}
bound = dataclasses.replace(
    honest,
    theorem=dataclasses.replace(honest.theorem, where=summed),
    example=Example(honest.example.values, "19.07154250"),
)
