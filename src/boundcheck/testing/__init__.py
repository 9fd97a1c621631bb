"""The conformance kit: what every bound must satisfy, ours and anyone's, before it is believed.

from boundcheck.testing import conformance

test_my_bound = conformance(my_bound)

or, without pytest, `check_bound(my_bound)`: a list of records.
"""

from .finding import Check as Check
from .finding import CheckRecord as CheckRecord
from .finding import Finding as Finding
from .kit import CHECKS as CHECKS
from .kit import cases as cases
from .kit import check_bound as check_bound
from .kit import conformance as conformance
from .kit import run_check as run_check
