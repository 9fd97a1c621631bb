"""The assumptions that theorems share, each with the function that decides it on a run.

Assumptions about the world (the examples are i.i.d.) can only be asserted by the experimenter; the experiment file does
so by name. Those about the network are read off its traced form.
"""

from .descent import bounded_loss as bounded_loss
from .descent import convex_loss as convex_loss
from .descent import plain_descent as plain_descent
from .descent import projected_descent as projected_descent
from .descent import short_steps as short_steps
from .descent import single_examples as single_examples
from .network import bounded_inputs as bounded_inputs
from .network import chain as chain
from .network import chain_without_biases as chain_without_biases
from .network import homogeneous as homogeneous
from .network import path_normed as path_normed
from .network import piecewise_linear as piecewise_linear
from .network import recorded_initialization as recorded_initialization
from .network import traced as traced
from .predictor import bounded_kernel as bounded_kernel
from .predictor import kernel_fixed as kernel_fixed
from .predictor import order_fixed as order_fixed
from .predictor import solved as solved
from .predictor import two_classes as two_classes
from .training import draws_fixed as draws_fixed
from .training import finite_description as finite_description
from .training import interpolation as interpolation
from .world import fixed_in_advance as fixed_in_advance
from .world import fresh_test_set as fresh_test_set
from .world import iid as iid
