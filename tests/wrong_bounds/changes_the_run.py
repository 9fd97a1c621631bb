"""A measurement that balances the layers in place: the next bound sees another network."""

import dataclasses

from boundcheck_bounds.golowich2018_frobenius import F
from boundcheck_bounds.golowich2018_frobenius import bound as honest

from boundcheck import quantities as q

CAUGHT_BY = "the_run_is_left_alone"


@q.measurement("Frobenius norm of each weight matrix", norm="frobenius")
def balanced_norms(study):
    measured = study.measure(q.frobenius_norms)
    for weights in study.run.params.values():
        weights *= 2
    return measured


bound = dataclasses.replace(honest, symbols={**honest.symbols, F: balanced_norms})
