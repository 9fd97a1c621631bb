"""The architectures that experiments name, in Equinox. Knows nothing of data sets or training."""

from .batch import Batch as Batch
from .mlp import MLP as MLP
from .spec import MODELS as MODELS
from .spec import AlexNetSpec as AlexNetSpec
from .spec import Architecture as Architecture
from .spec import InceptionSpec as InceptionSpec
from .spec import MLPSpec as MLPSpec
from .spec import Model as Model
from .spec import ModelSpec as ModelSpec
from .spec import WideResNetSpec as WideResNetSpec
from .spec import build as build
from .spec import count as count
from .spec import find_model as find_model
from .spec import list_models as list_models
from .spec import name_of as name_of
from .spec import parameters as parameters
from .spec import split as split
from .spec import statistics as statistics
