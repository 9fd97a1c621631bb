"""Recentring: margins do not change when one vector is taken from every row of the last matrix, and one number from its bias.

Theorems that hold for all weights at once may therefore be evaluated at the recentred network, whatever the vector
(docs/theory/stratification.md, Lemma K).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from .affine import Affine
from .dense import Dense, difference
from .graph import Network

Centre = Callable[[Float64[np.ndarray, "k columns"]], Float64[np.ndarray, " columns"]]
"""The vector to take away, for the rows of a matrix."""


def median(rows: Float64[np.ndarray, "k columns"]) -> Float64[np.ndarray, " columns"]:
    """Column by column: it makes every weighted l1 norm of the entries as small as it can be."""
    return np.median(rows, axis=0)


def mean(rows: Float64[np.ndarray, "k columns"]) -> Float64[np.ndarray, " columns"]:
    """It makes the Frobenius norm as small as it can be."""
    return rows.mean(axis=0)


def geometric_median(rows: Float64[np.ndarray, "k columns"]) -> Float64[np.ndarray, " columns"]:
    """It makes the sum of the l2 norms of the rows nearly as small as it can be (Weiszfeld 1937, 30 steps)."""
    centre = mean(rows)
    for _ in range(30):
        distances = np.linalg.norm(rows - centre, axis=1)
        if not distances.min(initial=1.0) > 0:
            break
        centre = (rows / distances[:, None]).sum(axis=0) / (1 / distances).sum()
    return centre if np.isfinite(centre).all() else np.zeros_like(centre)


def recentred(piece: Affine, centre: Centre) -> Affine:
    """The last piece with the centre of its rows, and that of its bias, taken away; itself if it is not dense.

    What the subtractions round stands in the radii.
    """
    if not isinstance(piece.operator, Dense):
        return piece
    rows, radius = piece.operator.matrix, piece.operator.radius
    moved = centre(rows)
    if not np.isfinite(moved).all():
        return piece
    matrix, matrix_radius = difference(rows, radius, np.broadcast_to(moved, rows.shape), None)
    bias, bias_radius = piece.bias, piece.bias_radius
    if piece.has_bias:
        offset = centre(bias[:, None])
        bias, bias_radius = difference(bias, bias_radius, np.broadcast_to(offset, bias.shape), None)
    return replace(
        piece, operator=Dense(matrix=matrix, radius=matrix_radius), bias=bias, bias_radius=bias_radius
    )


def recentred_network(network: Network, centre: Centre) -> Network:
    """The network with its last piece recentred."""
    last = network.nodes[-1]
    if not isinstance(last.operation, Affine):
        return network
    node = replace(last, operation=recentred(last.operation, centre))
    return replace(network, nodes=(*network.nodes[:-1], node))
