"""Margins of a run's examples: the one pass over the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Int

from ..margins import MarginError as MarginError
from ..margins import Margins as Margins
from ..margins import margin_ends as margin_ends
from ..run import Enclose

BATCH = 4096


def traced_margins(
    enclose: Enclose,
    batches: Iterator[tuple[Any, Int[np.ndarray, " b"]]],
    advance: Callable[[int], None] = lambda _: None,
) -> Margins:
    """Margins of the real-arithmetic network, in memory bounded by the batch."""
    ends = []
    for inputs, labels in batches:
        ends.append(margin_ends(*enclose(inputs), labels))
        advance(len(labels))
    lower, upper = (np.concatenate(part) for part in zip(*ends, strict=True))
    return Margins(lower=lower, upper=upper, traced=True)


def program_margins(
    predict: Callable[[Any], Any],
    batches: Iterator[tuple[Any, Int[np.ndarray, " b"]]],
    advance: Callable[[int], None] = lambda _: None,
) -> Margins:
    """Margins of the program as it runs, for functions that cannot be traced.

    The classifier is then the floating-point program with ties broken towards the lower index, so each example is
    decided: a tie is turned into the smallest margin of the right sign.
    """
    ends = []
    for inputs, labels in batches:
        logits = np.asarray(predict(inputs), np.float64)
        tiny = np.finfo(float).tiny
        correct = logits.argmax(axis=1) == labels
        lower, upper = margin_ends(logits, np.zeros_like(logits), labels)
        outward = [np.where(correct, np.maximum(end, tiny), np.minimum(end, -tiny)) for end in (lower, upper)]
        ends.append(outward)
        advance(len(labels))
    lower, upper = (np.concatenate(part) for part in zip(*ends, strict=True))
    return Margins(lower=lower, upper=upper, traced=False)
