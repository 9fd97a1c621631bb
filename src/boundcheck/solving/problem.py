"""`Problem`: kernel ridge regression, or minimum-norm interpolation, on one sample with one or several labellings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float64, Int

from ..interval import Interval
from .kernels import Gram


@runtime_checkable
class Told(Protocol):
    """Where long work says how far it is."""

    def __call__(self, task: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """(K + mu I) alpha = V for each labelling.

    **Fields.** `gram`: K. `shift`: mu >= 0. `labels`: int [n] each. `classes`: k. `tests`: test inputs [m, ...] as the predictor takes them;
    the predictors on prefixes are tried on them. `test_labels`: int [m], one for each labelling. `kernel_bound`: sup k(x, x) where it is known a priori.
    `features_fixed`: whether the kernel is independent of the sample.
    """

    gram: Gram
    shift: float
    labels: Sequence[Int[np.ndarray, " n"]]
    classes: int
    tests: np.ndarray
    test_labels: Sequence[Int[np.ndarray, " m"]]
    kernel_bound: Interval | None
    features_fixed: bool

    @property
    def size(self) -> int:
        return len(self.gram)

    def targets(self) -> Float64[Array, "n sk"]:
        """The centred one-hot labels V = Y - 1/k of all labellings, side by side."""
        return jnp.concatenate([centred(labels, self.classes) for labels in self.labels], axis=1)

    def columns(self, which: int) -> slice:
        """Where in `targets` a labelling stands."""
        return slice(which * self.classes, (which + 1) * self.classes)


def centred(labels: Int[np.ndarray, " n"], classes: int) -> Float64[Array, "n k"]:
    """One-hot labels less 1/k: the same predictions, and a smaller norm."""
    return jnp.asarray(np.eye(classes)[labels] - 1 / classes)
