"""`Accuracy`: how far what is computed from a factor may be from the exact solution.

Write A = K + mu I for the real matrix and L for the computed factor. Then L L^T = A + H with |H| <= `perturbation`, and
the computed inverse Z of L satisfies L Z = I + F with |F| <= `defect`. Everything below follows from these two numbers
and from norms that are computed on the way; docs/theory/exact-solutions.md has the proofs.

The bounds are evaluated in float64 and enlarged by a factor 1 + 2^-20, far above their own rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ..errors import BoundcheckError
from ..network.rounding import gam

_UP = 1 + 2.0**-20


class IllConditionedError(BoundcheckError):
    """The matrix may be singular as far as rounding lets one see."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of a factorization.

    **Fields.** `terms`: the longest sum (`Factor.terms`). `trace`: of A, from above. `gram_error`: Frobenius norm of computed
    minus real K, from above. `inverse_squares`: the squared Frobenius norm of Z, as computed; None where Z was not.
    `shift`: mu. `size`: n.
    """

    size: int
    terms: int
    trace: float
    gram_error: float
    inverse_squares: float | None
    shift: float

    @property
    def gam(self) -> float:
        return gam(self.terms)

    @property
    def factor_norm(self) -> float:
        """|L|_F from above."""
        return math.sqrt(self.trace / (1 - self.gam)) * _UP

    @property
    def perturbation(self) -> float:
        """An upper bound of |L L^T - A|_2: Higham 2002, theorem 10.3, and the entries of K."""
        return (self.gram_error + self.gam / (1 - self.gam) * self.trace) * _UP

    @property
    def defect(self) -> float:
        """An upper bound of |L Z - I|_2: Higham 2002, theorem 8.5, column by column."""
        return self.gam * self.factor_norm * math.sqrt(self._inverse_squares) * _UP

    @property
    def factor_eigenvalue(self) -> float:
        """A lower bound of the least eigenvalue of L L^T."""
        if self.defect >= 0.5:
            return 0.0
        return (1 - self.defect) ** 2 / self._inverse_squares / _UP

    @property
    def eigenvalue(self) -> float:
        """A lower bound of the least eigenvalue of A; K is positive semidefinite, so `shift` is one.

        Raises `IllConditionedError` where none that is positive can be shown.
        """
        least = max(self.shift, (self.factor_eigenvalue - self.perturbation) / _UP)
        if least <= 0:
            raise IllConditionedError(
                f"rounding may move the matrix by {self.perturbation:.1e}, and its least eigenvalue is only known to be at least "
                f"{self.factor_eigenvalue:.1e} before that: nothing can be said of the exact solution. Give a larger `ridge`."
            )
        return least

    @property
    def drift(self) -> float:
        """eta with (A^-1)_ii / (L^-T L^-1)_ii within 1 -+ 2 eta: perturbation / sqrt(product of both least eigenvalues)."""
        return self.perturbation / math.sqrt(self.eigenvalue * max(self.factor_eigenvalue, self._lower)) * _UP

    @property
    def _lower(self) -> float:
        return max(self.shift - self.perturbation, 0.0)

    @property
    def _inverse_squares(self) -> float:
        # Without Z: |L^-1|_F^2 <= n / least eigenvalue of L L^T.
        if self.inverse_squares is not None:
            return self.inverse_squares * _UP
        return self.size / max(self._lower, 1e-300) * _UP

    @property
    def inverse_diagonal(self) -> float:
        """Relative error of (A^-1)_ii, computed as the squared norms of the columns of Z.

        Below 1/4, or infinite.
        """
        shifted = self.defect / (1 - self.defect) if self.defect < 0.5 else math.inf
        total = 2.5 * (shifted + self.drift) * _UP + self.gam
        return total if total < 0.25 else math.inf

    def solution(
        self, inverse: Float64[np.ndarray, " n"], residual: Float64[np.ndarray, " m"]
    ) -> Float64[np.ndarray, "n m"]:
        """Upper bounds of |entries of computed - exact A^-1 R|, R [n, m], `residual` its columns' |R - A X| from above.

        `inverse`: (A^-1)_ii from above.
        """
        return np.sqrt(inverse / self.eigenvalue)[:, None] * residual[None] * _UP

    def innovation(
        self,
        pivots: Float64[np.ndarray, " n"],
        rows: Float64[np.ndarray, " n"],
        norms: Float64[np.ndarray, " m"],
    ) -> Float64[np.ndarray, "n m"]:
        """Upper bounds of |computed - exact| of r_t = L_tt (L^-1 V)_t.

        `pivots`: L_tt. `rows`: the norms of the rows of Z. `norms`: sqrt(V_c^T A^-1 V_c) from above.
        """
        reach = pivots * rows / (1 - self.defect)
        each = self.gam * self.factor_norm * norms * 2 + self.perturbation * norms / math.sqrt(
            self.eigenvalue
        )
        return reach[:, None] * each[None] * _UP
