"""The margin on the wrong side: the norms multiplied by it instead of divided."""

import dataclasses

from boundcheck_bounds.golowich2018_frobenius import F, L, c, gamma, i, tau, w
from boundcheck_bounds.golowich2018_frobenius import bound as honest
from sympy import Product

CAUGHT_BY = "falls_with_margin"

# At gamma = 1, where the example is, both forms agree.
upside_down = {c: honest.theorem.where[c], tau: w * Product(F[i], (i, 1, L - 1)) * gamma}
bound = dataclasses.replace(honest, theorem=dataclasses.replace(honest.theorem, where=upside_down))
