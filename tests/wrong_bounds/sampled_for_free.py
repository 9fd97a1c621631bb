"""A quantity by random draws that admits no failure: nothing of delta is spent on it."""

import dataclasses

from boundcheck_bounds.gonon2024_path_norm import bound as honest
from boundcheck_bounds.gonon2024_path_norm import r

from boundcheck import quantities as q

CAUGHT_BY = "same_run_same_bytes"


@q.measurement("l1 path norm, by sampled paths")
def sampled_path_norm(study):
    measured = study.measure(q.centred_path_norm)
    return dataclasses.replace(measured, evidence=q.Evidence.SAMPLED)


bound = dataclasses.replace(honest, symbols={**honest.symbols, r: sampled_path_norm})
