"""Networks as theory sees them: traced from any JAX function, cut at nonlinearities, with certified norms."""

from .affine import Affine as Affine
from .chain import Chain as Chain
from .convolution import Convolution as Convolution
from .dense import Dense as Dense
from .graph import Input as Input
from .graph import Join as Join
from .graph import Network as Network
from .graph import Node as Node
from .graph import Refusal as Refusal
from .layer import Layer as Layer
from .nonlinear import Nonlinearity as Nonlinearity
from .nonlinear import Relu as Relu
from .path import PathNorms as PathNorms
from .selection import Selection as Selection
from .trace import trace as trace
