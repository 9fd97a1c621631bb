"""`Ball`: training within norms: after each step every array that is too long is scaled back."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

SHARPNESS: Final = 2.0
"""The loss counts logits in units of the margin over this: among 1, 2, 3, 5 and 10 what misses least on the digits."""


class Ball(NamedTuple):
    """Where the weights must stay, and by how much they are to lead there.

    **Fields.** `radii`: a pytree like the weights, of float32 scalars: the largest Frobenius norm of each array. `margin`:
    float32 scalar, positive: what a target's logit is to lead every other by. An example counts as fitted only then, and the
    loss is t times the cross-entropy of logits / t, t = margin / `SHARPNESS`: its gradient has the size that the
    cross-entropy's has, and fades where the lead is some margins, not some units.
    """

    radii: Any
    margin: Any

    @property
    def unit(self) -> Any:
        """t, in which the loss counts logits."""
        return self.margin / np.float32(SHARPNESS)

    def identity(self) -> dict[str, Any]:
        """What distinguishes it, as JSON values."""
        return {"radii": [float(r) for r in jax.tree.leaves(self.radii)], "margin": float(self.margin)}

    @classmethod
    def scaled(cls, norms: Any, scale: float, margin: float) -> Ball:
        """Radii scale times the norms, a pytree of floats."""
        return cls(jax.tree.map(lambda norm: np.float32(scale * norm), norms), np.float32(margin))


def projected(params: Any, radii: Any) -> Any:
    """Each array as it is where its Frobenius norm is at most its radius, else scaled to the radius: the nearest such array."""

    def project(w: Any, radius: Any) -> Any:
        norm = jnp.sqrt(jnp.sum(jnp.square(w)))
        return jnp.where(norm > radius, w * (radius / norm), w)

    return jax.tree.map(project, params, radii)
