"""What the stability bounds share: the ramp loss at margin 1, a margin that is fixed before the data are seen.

Of the 0-1 loss the stability is 0 or 1, and one prediction that flips makes each of these bounds vacuous.

Stability is counted in units of 1/n, the order that a ridge gives it: b = n beta under removal, g = n gamma under replacement.
"""

from sympy import symbols

from boundcheck import quantities as q

n, delta = symbols("n delta", positive=True)
R, b, g = symbols("R b g", nonnegative=True)

symbols_of_removal = {n: q.sample_size, delta: q.delta, b: q.removal_stability}
symbols_of_replacement = {n: q.sample_size, delta: q.delta, R: q.unit_ramp_risk, g: q.replacement_stability}
