"""What the stability bounds share: the ramp loss at margin 1, a margin that is fixed before the data are seen."""

from sympy import symbols

from boundcheck import quantities as q

n, delta = symbols("n delta", positive=True)
R, beta, g = symbols("R beta g", nonnegative=True)

symbols_of_removal = {n: q.sample_size, delta: q.delta, beta: q.removal_stability}
symbols_of_replacement = {n: q.sample_size, delta: q.delta, R: q.unit_ramp_risk, g: q.replacement_stability}
