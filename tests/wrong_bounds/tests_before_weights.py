"""The tests counted before the weights: each round's sign tests are taken to depend on the layers before it only."""

import dataclasses

from boundcheck_bounds.growth import V
from boundcheck_bounds.mohri2018_growth import bound as honest

from boundcheck import Interval
from boundcheck import quantities as q

CAUGHT_BY = "covers_the_true_error"


@q.measurement("parameters before each round", whole=True)
def parameters_before_round(study):
    measured = study.measure(q.parameters_by_round)
    return dataclasses.replace(measured, value=(Interval(1), *measured.value[:-1]))


bound = dataclasses.replace(honest, symbols={**honest.symbols, V: parameters_before_round})
