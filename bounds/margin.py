"""What the margin bounds for one functional T share: T(f / gamma) = T(f) / gamma and rvec_S({T <= t}) <= c t.

The value holds for all networks and all margins at once; docs/theory/stratification.md, Corollary S1.
"""

from sympy import log, sqrt, symbols

from boundcheck import quantities as q
from boundcheck.functions import grid_price, grid_up

n, k, delta, gamma, R = symbols("n k delta gamma R", positive=True)
c, tau = symbols("c tau", positive=True)

value = R + 4 * c * grid_up(tau) + 3 * sqrt((log(2 / delta) + grid_price(tau)) / (2 * n))
"""c from the architecture and the sample, tau = T(f) / gamma."""

symbols_of_margin = {n: q.sample_size, delta: q.delta, gamma: q.margin, R: q.ramp_risk}

FIRST = {n: 50_000, delta: "1/20", gamma: 1, R: "1/100"}
"""The sample of the examples; T / gamma is 1000 there."""
