"""Groups of points on hyperplanes that miss all other points, certified modulo a prime: C7 of docs/theory/memorization.md."""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Int

from . import modular
from .study import Progress, silent

TRIED: Final = 6000
"""Points among which the size of a group is chosen."""

AT_ONCE: Final = 128
"""Groups whose hyperplanes are compared with all points in one product."""

ATTEMPTS: Final = 4
"""Hyperplanes drawn through a group before it is given up; a point lies on one by accident once in p times."""


def grouped(
    points: Int[np.ndarray, "n d"], most: int, seed: int = 0, progress: Progress = silent
) -> tuple[int, int]:
    """(how many of the points lie in certified groups, how many groups): at most `most`, four hidden units each.

    A group is certified if its points are affinely independent and no other point considered lies in their affine hull.
    `points`: images modulo `modular.PRIME` of distinct points; a subset that fits into the groups is considered.
    """
    n, d = points.shape
    if most < 1 or n == 0:
        return 0, 0
    first = points[: 2 * (d + 1)]
    homogeneous = np.concatenate([first, np.ones((len(first), 1), points.dtype)], axis=1)
    # As many points as the hull of the data has dimensions still leave a hyperplane in it.
    dimension = modular.rank(homogeneous) - 1
    if dimension < 1:
        return 1, 1
    generator = np.random.Generator(np.random.Philox(key=[0xC7, seed]))
    size = _size(points[generator.permutation(n)[:TRIED]], min(dimension, -(-n // most)))
    order = generator.permutation(n)[: most * size]
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    certified = _alone(points, order, groups, seed, progress)
    return sum(len(g) for g, alone in zip(groups, certified, strict=True) if alone), sum(certified)


def _size(points: Int[np.ndarray, "n d"], most: int) -> int:
    """The largest of a few sizes, `most` at most, at which three groups of these points are certified among them."""
    order = np.arange(len(points))
    for share in (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.2):
        size = max(1, int(share * most))
        groups = [g for g in (order[i * size : (i + 1) * size] for i in range(3)) if len(g)]
        if all(_alone(points, order, groups, 0, silent)):
            return size
    return max(1, most // 10)


def _alone(
    points: Int[np.ndarray, "n d"],
    considered: Int[np.ndarray, " m"],
    groups: list[np.ndarray],
    seed: int,
    progress: Progress,
) -> list[bool]:
    """For each group whether it is affinely independent and has no other point considered in its hull, certainly."""
    generator = np.random.Generator(np.random.Philox(key=[0xC9, seed]))
    alone = [False] * len(groups)
    for start in range(0, len(groups), AT_ONCE):
        block = range(start, min(start + AT_ONCE, len(groups)))
        normals = {}
        for index in block:
            u = _normal(points, groups[index], generator)
            if u is not None:
                normals[index] = u
            progress("hyperplanes through groups of inputs", index + 1, len(groups))
        if not normals:
            continue
        levels = modular.products(points, np.stack(list(normals.values()), axis=1))
        for column, index in enumerate(normals):
            group = groups[index]
            on = np.zeros(len(points), bool)
            on[considered] = levels[considered, column] == levels[group[0], column]
            on[group] = False
            alone[index] = _off(points, group, np.flatnonzero(on), generator)
    return alone


def _normal(points: np.ndarray, group: np.ndarray, generator: np.random.Generator) -> np.ndarray | None:
    base = points[group[0]].astype(np.int64)
    return modular.normal_vector((points[group[1:]] - base) % modular.PRIME, generator)


def _off(points: np.ndarray, group: np.ndarray, rest: np.ndarray, generator: np.random.Generator) -> bool:
    """Whether further hyperplanes through the group miss these few points, which lay on the first one."""
    for _ in range(ATTEMPTS - 1):
        # Chance puts one point in two million on a hyperplane; many are in the hull.
        if len(rest) == 0 or len(rest) > 8:
            break
        u = _normal(points, group, generator)
        assert u is not None
        level = modular.products(points[group[:1]], u[:, None])[0, 0]
        rest = rest[modular.products(points[rest], u[:, None])[:, 0] == level]
    return len(rest) == 0
