"""A missing assumption: the bound for training error 0, used whatever the training error is."""

import dataclasses

from boundcheck_bounds.blumer1987_realizable_linear import bound as honest

CAUGHT_BY = "covers_the_true_error"

assumed = tuple(a for a in honest.theorem.assumptions if a.name != "interpolation")
bound = dataclasses.replace(honest, theorem=dataclasses.replace(honest.theorem, assumptions=assumed))
