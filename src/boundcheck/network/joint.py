"""The spectral norm of parallel convolutions: of [A_1; ...; A_m], all on one input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import scipy.linalg
from jaxtyping import Float64

from ..interval import Interval
from .convolution import Convolution
from .convolution_norm import LIMIT, spectral_norm, spectral_norms, widened
from .rounding import U, gam
from .sheet import sheet, sheet_cost
from .spectral import power_of_two

_METHOD: Final = "Lanczos vector below, banded Cholesky certificate without 1x1 branches above"

_SAVING: Final = 2.0
"""How much cheaper the certificate without pointwise branches must be to be tried first."""


def joint_spectral_norm(
    convolutions: Sequence[Convolution], gap: float | None = None, limit: float = LIMIT
) -> tuple[Interval, str]:
    """The norm of convolutions stacked on one input, and the method in a few words; arguments as `spectral_norm`.

    Branches with common output positions, one stride and no groups are one convolution. Otherwise the norm lies
    between the largest one and the root of the sum of squares.
    """
    if not convolutions:
        raise ValueError("a joint norm needs at least one convolution; received none")
    if len(convolutions) == 1:
        return spectral_norm(convolutions[0], gap, limit)
    whole = stacked(convolutions)
    if whole is None:
        norms = [norm for norm, _ in spectral_norms(convolutions, gap, limit)]
        lower, square = Interval(0), Interval(0)
        for norm in norms:
            lower, square = lower.maximum(norm), square + norm * norm
        return Interval(lower.lo, square.sqrt().hi), "greatest branch below, root of the sum of squares above"
    pointwise, others = _split(convolutions)
    if gap is None or pointwise is None or others is None or not _saves(whole, others):
        return spectral_norm(whole, gap, limit)
    norm, method = spectral_norm(replace(whole, radius=None), gap, 0.0)
    if norm.hi > (norm.lo * (1 + Interval(gap))).lo:
        upper = _without_pointwise(pointwise, others, norm, gap, limit)
        if upper is None:
            return spectral_norm(whole, gap, limit)
        norm, method = Interval(norm.lo, upper.hi), _METHOD
    return widened(norm, whole), method


def stacked(convolutions: Sequence[Convolution]) -> Convolution | None:
    """One convolution whose output channels are those of all; `None` if they do not share the geometry.

    Output cell r reads cell r s + (u l - p) at tap u. The window holds the offsets u l - p of all branches, in
    steps of their greatest common divisor, and is zero where a branch has no tap.
    """
    first = convolutions[0]
    same = all(
        c.groups == 1
        and c.in_shape == first.in_shape
        and c.stride == first.stride
        and c.out_shape[:2] == first.out_shape[:2]
        for c in convolutions
    )
    if not same:
        return None
    places, steps, padding, taps = [], [], [], []
    for k in (0, 1):
        offsets = [c.axes[k].dilation * np.arange(c.axes[k].taps) - c.axes[k].low for c in convolutions]
        base = min(int(o[0]) for o in offsets)
        step = math.gcd(*(int(x) - base for o in offsets for x in o)) or 1
        places.append([(o - base) // step for o in offsets])
        taps.append(max(int(p[-1]) for p in places[k]) + 1)
        steps.append(step)
        frame = (first.out_shape[k] - 1) * first.stride[k] + step * (taps[k] - 1) + 1
        padding.append((-base, frame - first.size[k] + base))

    def embed(kernels: Sequence[np.ndarray]) -> np.ndarray:
        parts = []
        for kernel, u, v in zip(kernels, *places, strict=True):
            part = np.zeros((*taps, *kernel.shape[2:]))
            part[np.ix_(u, v)] = kernel
            parts.append(part)
        return np.concatenate(parts, axis=3)

    radii = None
    if any(c.radius is not None for c in convolutions):
        radii = embed([np.zeros_like(c.kernel) if c.radius is None else c.radius for c in convolutions])
    return Convolution(
        kernel=embed([c.kernel for c in convolutions]),
        radius=radii,
        size=first.size,
        stride=first.stride,
        padding=(padding[0], padding[1]),
        dilation=(steps[0], steps[1]),
    )


def _split(
    convolutions: Sequence[Convolution],
) -> tuple[Float64[np.ndarray, "c c1"] | None, Convolution | None]:
    """The kernels of branches that map each position alone, side by side, and the other branches, stacked."""
    alone = [
        c.kernel.shape[:2] == (1, 1) and c.stride == (1, 1) and c.padding == ((0, 0), (0, 0))
        for c in convolutions
    ]
    kernels = [c.kernel[0, 0] for c, a in zip(convolutions, alone, strict=True) if a]
    others = [c for c, a in zip(convolutions, alone, strict=True) if not a]
    return np.concatenate(kernels, axis=1) if kernels else None, stacked(others) if others else None


def _saves(whole: Convolution, others: Convolution) -> bool:
    return _SAVING * sheet_cost(others)[0] < sheet_cost(whole)[0]


def _without_pointwise(
    pointwise: np.ndarray, others: Convolution, norm: Interval, gap: float, limit: float
) -> Interval | None:
    r"""An upper end of the joint norm at the cost of the other branches; `None` if it is not within the gap.

    With $\|K_1\| < t$ for the 1x1 branches, L lower triangular and $L L' \le t^2 - K_1' K_1$, one has
    $\|A_1 v\|^2 \le t^2 \|v\|^2 - \|L' v\|^2$, position by position. Let X approximate $K L^{-T}$, tap by tap, R be
    the residual $K - X L'$ and $\rho$ a bound of the norm of its convolution. If $\|conv(X)\| \le \theta$ with
    $\theta \ge 1$, then $\|A_k v\| \le \theta \|L' v\| + \rho \|v\|$ and $\|L' v\| \le t \|v\|$, so that the joint
    norm is at most $\theta t + \rho$; and for exact L and $\theta = 1$ it is at most t only if
    $\|conv(X)\| \le 1$.
    """
    exponent = max(power_of_two(pointwise), power_of_two(others.kernel))
    pointwise = np.ldexp(pointwise, -exponent)
    others = replace(others, kernel=np.ldexp(others.kernel, -exponent), radius=None)
    scale = Interval(2) ** exponent
    cost, by_input = sheet_cost(others)
    if cost > limit:
        return None
    for excess in (0.7, 0.97):
        t = float((norm.lo / scale).lo) * (1 + excess * gap)
        root = _root(pointwise, t * t)
        if root is None:
            continue
        x, rho = _whitened(others, root)
        band = sheet(x, by_input)
        if band.succeeds(1.0):
            theta = band.enclosed(1.0, x.one_norm() * x.inf_norm()).maximum(1)
            return (theta * Interval(t * t).sqrt() + rho) * scale
    return None


def _root(k: Float64[np.ndarray, "c c1"], tau: float) -> Float64[np.ndarray, "c c"] | None:
    """Lower triangular L with L L' <= tau - K K', if Cholesky finds one (rows of K are input channels).

    tau is lowered by what rounding can add: (c gam(4(c + 8)) + 4u) tau in the factorization and the diagonal,
    gam(c1 + 4) ||K||_1 ||K||_inf in the product (Higham 2002, theorem 10.3).
    """
    c, c1 = k.shape
    sums = [Interval(float(np.abs(k).sum(axis=axis).max())) for axis in (0, 1)]
    lost = (c * Interval(gam(4 * (c + 8))) + 4 * U) * tau
    lost += gam(c1 + 4) * sums[0] * sums[1] * (1 + Interval(gam(2 * (c + c1))))
    shifted = -(k @ k.T)
    at = np.arange(c)
    shifted[at, at] += tau
    shifted[at, at] -= float(lost.hi)
    try:
        root = np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return None
    return root if np.isfinite(root).all() else None


def _whitened(others: Convolution, root: np.ndarray) -> tuple[Convolution, Interval]:
    """The convolution with taps K L^{-T}, and a bound of the norm of its residual."""
    kh, kw, i, o = others.kernel.shape
    flat = others.kernel.transpose(2, 0, 1, 3).reshape(i, -1)
    x = scipy.linalg.solve_triangular(root, flat, lower=True)
    bound = np.abs(flat - root @ x) + gam(i + 4) * (np.abs(flat) + np.abs(root) @ np.abs(x))

    def shaped(taps: np.ndarray) -> Convolution:
        kernel = np.ascontiguousarray(taps.reshape(i, kh, kw, o).transpose(1, 2, 0, 3))
        return replace(others, kernel=kernel)

    residual = shaped(bound * (1 + 2 * gam(i + 8)))
    return shaped(x), (residual.one_norm() * residual.inf_norm()).sqrt()
