"""What the theorems on linear and kernel predictors share: symbols, and what must be true of the kernel."""

from sympy import symbols

from boundcheck import assumptions as a
from boundcheck import quantities as q

n, k, delta, gamma, R = symbols("n k delta gamma R", positive=True)
t, w, kappa = symbols("t w kappa", positive=True)

FIXED = (a.iid, a.fixed_in_advance, a.solved, a.kernel_fixed)
"""Of every theorem on a kernel that was chosen before the data were seen."""

symbols_of_kernel = {
    n: q.sample_size,
    delta: q.delta,
    gamma: q.margin,
    R: q.ramp_risk,
    t: q.kernel_diagonal,
    w: q.rkhs_norm,
}
"""t = tr K / n, w = |f|."""
