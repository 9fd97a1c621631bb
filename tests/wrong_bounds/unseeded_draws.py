"""Random draws without a seed of their own: the same run gets another value each time."""

import dataclasses
from fractions import Fraction

import numpy as np
from boundcheck_bounds.gonon2024_path_norm import bound as honest
from boundcheck_bounds.gonon2024_path_norm import r

from boundcheck import quantities as q

CAUGHT_BY = "same_run_same_bytes"


@q.measurement("l1 path norm, jittered")
def jittered_path_norm(study):
    measured = study.measure(q.centred_path_norm)
    jitter = 1 + Fraction(int(np.random.default_rng().integers(1, 2**60)), 2**61)
    return dataclasses.replace(
        measured, value=measured.value * jitter, evidence=q.Evidence.SAMPLED, failure=Fraction(1, 1000)
    )


bound = dataclasses.replace(honest, symbols={**honest.symbols, r: jittered_path_norm})
