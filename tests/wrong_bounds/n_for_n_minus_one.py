"""n for n - 1: the sample variance divided by m in the empirical Bernstein bound.

No simulation sees a difference of 1/m in a term that is itself loose. Here the example is the theory's own check value,
and it is all that can catch the slip.
"""

import dataclasses
import importlib.util
from pathlib import Path

from sympy import log, sqrt

CAUGHT_BY = "example_agrees"

_file = Path(__file__).with_name("dropped_constant.py")
_spec = importlib.util.spec_from_file_location("maurer", _file)
_maurer = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_maurer)
m, E, delta, honest = _maurer.m, _maurer.E, _maurer.delta, _maurer.honest

value = E + sqrt(2 * E * (1 - E) * log(2 / delta) / m) + 7 * log(2 / delta) / (3 * (m - 1))
bound = dataclasses.replace(honest, theorem=dataclasses.replace(honest.theorem, value=value))
