"""Networks as theory sees them: traced from any JAX function, cut at nonlinearities, with certified norms."""

from .affine import Affine as Affine
from .graph import Chain as Chain
from .graph import Input as Input
from .graph import Network as Network
from .graph import Node as Node
from .graph import Refusal as Refusal
from .graph import Relu as Relu
from .trace import trace as trace
