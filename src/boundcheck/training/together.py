"""How many networks train at once, unless one says otherwise."""

from __future__ import annotations

from typing import Final

import jax

from ..models import Architecture

TOGETHER: Final = {"cpu": 4}
"""How many perceptrons train together by default, by platform; `WIDE` elsewhere."""

WIDE: Final = 8


def suitable(architecture: Architecture) -> int:
    """How many networks of this architecture the device at hand trains together; convolutional ones fill a CPU alone."""
    platform = jax.default_backend()
    if platform == "cpu" and architecture.convolutional:
        return 1
    return TOGETHER.get(platform, WIDE)
