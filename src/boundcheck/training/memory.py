"""What to do when the device has not enough memory, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax

from ..errors import RunError
from ..models import Architecture, name_of

Need = Callable[[int, int], int]
"""The bytes that an epoch takes, for so many networks at once and so many examples a batch."""


@contextmanager
def explained(architecture: Architecture, together: int, batch: int, need: Need) -> Iterator[None]:
    """Within, running out of device memory is a `RunError` that says what would fit; other errors pass."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        said = str(error)
        if "RESOURCE_EXHAUSTED" not in said and "out of memory" not in said.lower():
            raise
        device = jax.devices()[0]
        limit = (device.memory_stats() or {}).get("bytes_limit")
        has = f" of {limit / 2**30:.1f} GiB" if limit else ""
        raise RunError(
            f"the memory{has} of {device.platform} ({device.device_kind}) does not hold {together} x "
            f"{name_of(architecture)} with a batch of {batch}: {said.splitlines()[0]}. "
            f"{remedy(together, batch, need, limit)}"
        ) from None


def remedy(together: int, batch: int, need: Need, limit: int | None) -> str:
    """The next smaller ensemble, and for a single network the next smaller batch, that the compiler expects to fit.

    Each try is half of the one before. `limit`: the bytes there are; None where the device does not say, and then half is advised.
    """
    smaller = [(members, batch) for members in _halves(together)]
    smaller += [(1, size) for size in _halves(batch)]
    for members, size in smaller:
        if limit is None or need(members, size) <= limit:
            expected = "" if limit is None else ", which is expected to fit"
            if size == batch:
                return f"Train {members} together{expected}: `--together {members}`."
            return f"Use a batch of {size}{expected}: `batch = {size}` in the recipe."
    return "Not even a batch of one example would fit; train a smaller network."


def _halves(number: int) -> list[int]:
    """The number halved, again and again, down to 1."""
    found = []
    while number > 1:
        number //= 2
        found.append(number)
    return found
