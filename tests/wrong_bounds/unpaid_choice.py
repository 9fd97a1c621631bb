"""A choice after seeing the data, without a union bound: Hoeffding's inequality on the training error.

It holds for one classifier fixed in advance, and training chooses among all of them.
"""

import dataclasses

from boundcheck_bounds.langford2005_occam_hoeffding import C, delta
from boundcheck_bounds.langford2005_occam_hoeffding import bound as honest
from boundcheck_bounds.occam import B
from sympy import log

from boundcheck import Example

CAUGHT_BY = "covers_the_true_error"

bound = dataclasses.replace(
    honest,
    theorem=dataclasses.replace(honest.theorem, where={C: log(1 / delta)}),
    symbols={s: m for s, m in honest.symbols.items() if s != B},
    example=Example({s: v for s, v in honest.example.values.items() if s != B}, "0.02547332831"),
)
