"""`compiler_options`: what a training program is compiled with, besides the defaults."""

from __future__ import annotations

import functools

import jax

_LIBRARY = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


@functools.cache
def compiler_options() -> dict[str, str]:
    """For `jax.jit(..., compiler_options=...)`: on a CPU, convolutions and sums run in the library YNNPACK, which XLA contains
    but does not use by itself. Elsewhere, and with an XLA that does not know the option, nothing.

    Measured on two cores (`benchmarks/training.md`): a convolution takes 0.6 of the time, a sum over a batch 0.1. The sums are
    in float32 as before, in another order.
    """
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0.0, compiler_options=_LIBRARY).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return dict(_LIBRARY)
