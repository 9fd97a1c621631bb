"""Data sets, the fixed maps to network inputs, and the randomization of labels and pixels. Knows nothing of networks."""

from .dataset import Dataset as Dataset
from .definitions import DATASETS as DATASETS
from .definitions import Definition as Definition
from .definitions import load_dataset as load_dataset
from .law import Law as Law
from .law import Part as Part
from .preparation import PREPARATIONS as PREPARATIONS
from .preparation import Preparation as Preparation
from .preparation import prepare as prepare
from .randomization import draw_labels as draw_labels
