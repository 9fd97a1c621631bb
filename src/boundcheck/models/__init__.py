"""The architectures that experiments name, in Equinox. Knows nothing of data sets or training."""

from .mlp import MLP as MLP
from .spec import MODELS as MODELS
from .spec import ModelSpec as ModelSpec
from .spec import build as build
from .spec import count as count
from .spec import list_models as list_models
from .spec import parameters as parameters
from .spec import split as split
