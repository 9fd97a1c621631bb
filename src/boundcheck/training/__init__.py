"""Training networks on given labels, resumable to the same bits. Knows nothing of runs or bounds."""

from .ball import Ball as Ball
from .loop import Member as Member
from .loop import fit as fit
from .loop import fit_all as fit_all
from .recipe import Recipe as Recipe
from .record import DivergedError as DivergedError
from .record import EpochRecord as EpochRecord
from .record import Missed as Missed
from .record import Trained as Trained
from .together import suitable as suitable
