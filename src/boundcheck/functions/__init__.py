"""The functions of learning theory that are not closed formulas, as SymPy functions with certified enclosures."""

from .counting import Ceil as Ceil
from .counting import Harmonic as Harmonic
from .counting import LogSauer as LogSauer
from .covering import Dudley as Dudley
from .covering import NetIntegral as NetIntegral
from .function import Between as Between
from .function import IntervalFunction as IntervalFunction
from .function import Larger as Larger
from .function import Within as Within
from .function import families as families
from .function import index_families as index_families
from .grid import CeilIndex as CeilIndex
from .grid import FloorIndex as FloorIndex
from .grid import Octave as Octave
from .grid import OneSidedIndex as OneSidedIndex
from .grid import TwoSidedIndex as TwoSidedIndex
from .grid import grid_price as grid_price
from .grid import grid_up as grid_up
from .grid import two_sided_price as two_sided_price
from .tails import BinomialInverse as BinomialInverse
from .tails import HypergeometricInverse as HypergeometricInverse
from .tails import HypergeometricMedianInverse as HypergeometricMedianInverse
from .tails import KlInverse as KlInverse
