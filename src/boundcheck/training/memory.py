"""What to do when the device has not enough memory, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax

from ..errors import RunError
from ..models import Architecture, name_of
from .recipe import Recipe


@contextmanager
def explained(architecture: Architecture, recipe: Recipe, together: int) -> Iterator[None]:
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
        if together > 1:
            remedy = f"Train {max(1, together // 2)} together (`--together`)"
        else:
            remedy = f"Use a batch of {max(1, recipe.batch // 2)} (`batch` in the recipe)"
        raise RunError(
            f"the memory{has} of {device.platform} ({device.device_kind}) does not hold {together} x "
            f"{name_of(architecture)} with a batch of {recipe.batch}: {said.splitlines()[0]}. {remedy}."
        ) from None
