"""A lower end used as an upper one: one point, which every network with biases shatters, for as many as can be."""

import dataclasses

from boundcheck_bounds.growth import d
from boundcheck_bounds.mohri2018_graph_dimension import bound as honest

from boundcheck import Interval
from boundcheck import quantities as q

CAUGHT_BY = "covers_the_true_error"


@q.measurement("graph dimension", whole=True)
def points_shattered(study):
    measured = study.measure(q.graph_dimension)
    return dataclasses.replace(measured, value=Interval(1))


bound = dataclasses.replace(honest, symbols={**honest.symbols, d: points_shattered})
