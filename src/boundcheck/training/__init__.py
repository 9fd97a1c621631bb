"""Training a network on given labels, resumable to the same bits. Knows nothing of runs or bounds."""

from .loop import DivergedError as DivergedError
from .loop import EpochRecord as EpochRecord
from .loop import Trained as Trained
from .loop import fit as fit
from .recipe import Recipe as Recipe
