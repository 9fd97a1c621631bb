"""A norm that does not say which it is: of the reshaped weights again, out of reach of a comparison."""

import dataclasses

import numpy as np
from boundcheck_bounds.bartlett2017_spectral import bound as honest
from boundcheck_bounds.spectral_cover import s

from boundcheck import Interval
from boundcheck import quantities as q

CAUGHT_BY = "norms_are_those_of_the_operator"


@q.measurement("spectral norm of each layer")
def reshaped_norms(study):
    matrices = [w.reshape(len(w), -1).astype(np.float64) for w in study.run.params.values() if w.ndim > 1]
    norms = tuple(Interval(float(np.linalg.norm(w, 2))) for w in matrices)
    return q.Quantity(value=norms, evidence=q.Evidence.ENCLOSED, method="SVD of the reshaped weights")


bound = dataclasses.replace(honest, symbols={**honest.symbols, s: reshaped_norms})
