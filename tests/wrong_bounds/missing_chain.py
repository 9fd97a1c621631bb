"""A missing assumption: that the network is a chain without biases is left for its norms to find out."""

import dataclasses

from boundcheck_bounds.golowich2018_frobenius import bound as honest

CAUGHT_BY = "declares_what_its_quantities_need"

assumed = tuple(a for a in honest.theorem.assumptions if a.name != "chain-without-biases")
bound = dataclasses.replace(honest, theorem=dataclasses.replace(honest.theorem, assumptions=assumed))
