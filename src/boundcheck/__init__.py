"""boundcheck sets the theorems of learning theory against trained networks.

import boundcheck as bc

run = bc.load("runs/digits_random")
print(bc.evaluate(run, delta=0.05).to_frame())
"""

from . import assumptions as assumptions
from . import functions as functions
from . import quantities as quantities
from . import testing as testing
from .archive import load as load
from .bound import Bound as Bound
from .bound import Example as Example
from .errors import BoundcheckError as BoundcheckError
from .evaluation import Evaluation as Evaluation
from .evaluation import evaluate as evaluate
from .interval import Interval as Interval
from .measure import Measure as Measure
from .network import Network as Network
from .network import trace as trace
from .run import Run as Run
from .theorem import Assumption as Assumption
from .theorem import Citation as Citation
from .theorem import Reference as Reference
from .theorem import Resolution as Resolution
from .theorem import Theorem as Theorem
from .verdict import Verdict as Verdict
