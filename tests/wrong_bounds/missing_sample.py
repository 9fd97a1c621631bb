"""A missing assumption: nothing is said of how the examples were drawn."""

import dataclasses

from boundcheck_bounds.cortes2019_relative import bound as honest

CAUGHT_BY = "assumes_how_its_examples_were_drawn"

assumed = tuple(a for a in honest.theorem.assumptions if a.name != "iid")
bound = dataclasses.replace(honest, theorem=dataclasses.replace(honest.theorem, assumptions=assumed))
