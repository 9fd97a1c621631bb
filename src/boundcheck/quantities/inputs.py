"""What theorems ask of the training inputs: mean squares of coordinates and of patches, read in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Float64

from .. import storage
from ..data import DATASETS, PREPARATIONS
from ..interval import Interval
from ..network import Affine, Convolution, Network
from ..network.path import first_layers
from ..network.rounding import TINY, gam
from .margins import BATCH
from .quantity import Evidence, Quantity, UnavailableError, measurement
from .study import Study

ROUNDED: Final = "float64 sum with its rounding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinates:
    """Enclosures [lower_c, upper_c] of (1/n) sum_i x_ic^2 for every input coordinate c, flat; `largest`: max_ic |x_ic|."""

    lower: Float64[np.ndarray, " d"]
    upper: Float64[np.ndarray, " d"]
    largest: float


def coordinates(study: Study) -> Coordinates:
    """The mean squares of the training inputs, kept in the run's directory."""
    path = study.cache("coordinates.safetensors")
    key = study.key("coordinates", study.run.digests["train"])
    if path is not None and path.exists():
        try:
            with safetensors.safe_open(path, "numpy") as file:
                if (file.metadata() or {}).get("key") == key:
                    arrays = {name: file.get_tensor(name) for name in ("lower", "upper", "largest")}
                    return Coordinates(
                        lower=arrays["lower"], upper=arrays["upper"], largest=float(arrays["largest"][0])
                    )
        except (safetensors.SafetensorError, KeyError):
            pass  # a damaged cache is no loss: measure again
    found = measure_coordinates(study.each_input())
    if path is not None:
        arrays = {"lower": found.lower, "upper": found.upper, "largest": np.array([found.largest])}
        storage.write(path, safetensors.numpy.save(arrays, {"key": key}))
    return found


def measure_coordinates(batches: Iterator[np.ndarray]) -> Coordinates:
    """Sums of squares in float64, moved outward by their rounding; one that overflows is only known to be large."""
    total, n, largest = np.zeros(1), 0, 0.0
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for batch in batches:
            flat = np.asarray(batch, np.float64).reshape(len(batch), -1)
            total = total + np.einsum("ij,ij->j", flat, flat)
            largest = max(largest, float(np.max(np.abs(flat), initial=0.0)))
            n += len(flat)
        # n squares summed and divided: n + 2 roundings; what vanishes is below the smallest normal float, each.
        slack = gam(n + 4)
        mean = total / n
        upper = mean * (1 + 2 * slack) + 2 * TINY
        lower = np.maximum(mean * (1 - 2 * slack) - 2 * TINY, 0.0)
    finite = np.isfinite(total)
    return Coordinates(
        lower=np.where(finite, lower, 0.0), upper=np.where(finite, upper, np.inf), largest=largest
    )


def _root(low: float, high: float) -> Interval:
    return Interval(low, high).maximum(0).sqrt()


@measurement("largest root mean square of an input coordinate")
def rms_coordinate(study: Study) -> Quantity:
    """max_c ((1/n) sum_i x_ic^2)^(1/2)."""
    c = coordinates(study)
    value = _root(float(c.lower.max(initial=0)), float(c.upper.max(initial=0)))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("largest absolute input coordinate")
def largest_coordinate(study: Study) -> Quantity:
    """max_ic |x_ic| over the training inputs."""
    return Quantity(value=Interval(coordinates(study).largest), evidence=Evidence.EXACT, method="read off")


@measurement("bound on the l2 norm of every input of the distribution")
def input_norm_bound(study: Study) -> Quantity:
    """B, from the format of the images and their preparation alone: known before any example is seen.

    Raises `UnavailableError` for a run from arrays, whose inputs are known on the sample only, and when an input of the
    run is larger after all.
    """
    spec = study.run.spec
    if spec is None:
        raise UnavailableError(
            "of a run from arrays the inputs are known on the sample alone; a bound on the norm of every input of the "
            "distribution is needed. Train with an experiment file, whose preparation gives one."
        )
    definition = DATASETS[spec.dataset]
    bound = PREPARATIONS[spec.prepared].largest_norm(definition.shape, definition.brightest)

    def largest() -> Interval:
        peak, size = 0.0, 0
        for split in ("train", "test"):
            for x, _ in study.run.sample(split).batches(BATCH):
                flat = np.asarray(x, np.float64).reshape(len(x), -1)
                size = flat.shape[1]
                peak = max(peak, float(np.einsum("ij,ij->i", flat, flat).max(initial=0.0)))
        return (Interval(peak) * (1 - Interval(gam(size + 8)))).sqrt()

    found = study.remember(
        "largest-input-norm", (study.run.digests["train"], study.run.digests["test"]), largest
    )
    if found > bound:
        raise UnavailableError(
            f"an input has l2 norm {float(found.lo):.6g}, above the {float(bound.hi):.6g} that {spec.prepared} of "
            f"{spec.dataset} allows; the bound on its norm is wrong."
        )
    method = f"every image of the format after the preparation {spec.prepared}"
    return Quantity(value=bound, evidence=Evidence.ENCLOSED, method=method)


@measurement("number of input coordinates", whole=True)
def input_dimension(study: Study) -> Quantity:
    """D."""
    return Quantity(value=Interval(study.network.nodes[0].size), evidence=Evidence.EXACT, method="counted")


@measurement("largest root mean square norm of a patch that the first layers read")
def rms_patch(study: Study) -> Quantity:
    """max_p ((1/n) sum_i |patch_p(x_i)|^2)^(1/2): the whole input for a dense layer, one patch a position for a convolution."""
    c, patches = coordinates(study), Patches(study.network)
    low, high = patches.largest(c.lower), patches.largest(c.upper)
    slack = gam(len(c.lower) + 8)
    value = _root(low * (1 - 2 * slack), high * (1 + 2 * slack))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("largest root mean square norm of a pixel")
def rms_pixel(study: Study) -> Quantity:
    """max_p ((1/n) sum_i |x_ip|^2)^(1/2), p a position of the first convolution's input, all channels; the whole input of a dense layer."""
    c, first = coordinates(study), study.chain().layers[0].pieces[0]
    channels = first.operator.in_shape[-1]
    ends = [squares if first.arrange is None else squares[first.arrange] for squares in (c.lower, c.upper)]
    low, high = (float(squares.reshape(-1, channels).sum(axis=1).max(initial=0)) for squares in ends)
    slack = gam(channels + 8)
    value = _root(low * (1 - 2 * slack), high * (1 + 2 * slack))
    return Quantity(value=value, evidence=Evidence.ENCLOSED, method=ROUNDED)


@measurement("number of patches that the first layers read", whole=True)
def patches(study: Study) -> Quantity:
    """P_1: 1 a dense layer, positions times groups a convolution, and every coordinate in none of them that is used at all."""
    return Quantity(value=Interval(Patches(study.network).count), evidence=Evidence.EXACT, method="counted")


class Patches:
    """The sets of input coordinates that the pieces with parameters read, a set for all units that read the same.

    A coordinate that something else reads (a skip, a pool, a fixed map) and that is in no such set is a set of its own.
    """

    def __init__(self, network: Network) -> None:
        self._first = [network.nodes[p].operation for p in sorted(first_layers(network))]
        read = np.zeros(network.nodes[0].size, bool)
        for piece in self._first:
            assert isinstance(piece, Affine)
            read |= _reached(piece, network.nodes[0].size)
        direct = any(
            0 in node.inputs and position not in first_layers(network)
            for position, node in enumerate(network.nodes)
        )
        self._alone = np.flatnonzero(~read) if direct else np.zeros(0, np.intp)

    @property
    def count(self) -> int:
        """How many sets there are, at least 1."""
        total = len(self._alone)
        for piece in self._first:
            assert isinstance(piece, Affine)
            operator = piece.operator
            if isinstance(operator, Convolution):
                height, width, _ = operator.out_shape
                total += height * width * operator.groups
            else:
                total += 1
        return max(1, total)

    def largest(self, squares: Float64[np.ndarray, " d"]) -> float:
        """The largest sum of `squares` over a set, in float64."""
        sums = [float(squares[self._alone].max(initial=0.0))]
        for piece in self._first:
            assert isinstance(piece, Affine)
            used = squares if piece.arrange is None else squares[piece.arrange]
            operator = piece.operator
            if isinstance(operator, Convolution):
                sums.append(
                    float(_ones(operator).apply(used.reshape(1, *operator.in_shape)).max(initial=0.0))
                )
            else:
                sums.append(float(used.sum()))
        return max(sums)


def _ones(operator: Convolution) -> Convolution:
    """The convolution of the same geometry that sums the entries of each patch, an output channel a group."""
    kh, kw, i, _ = operator.kernel.shape
    return Convolution(
        kernel=np.ones((kh, kw, i, operator.groups)),
        groups=operator.groups,
        size=operator.size,
        stride=operator.stride,
        padding=operator.padding,
        dilation=operator.dilation,
    )


def _reached(piece: Affine, size: int) -> np.ndarray:
    """Which input coordinates are in a patch of the piece, whatever its weights."""
    operator = piece.operator
    inner = np.ones(int(np.prod(operator.in_shape)), bool)
    if isinstance(operator, Convolution):
        ones = _ones(operator)
        hits = ones.adjoint(np.ones((1, *ones.out_shape)))
        inner = np.asarray(hits.reshape(-1) > 0)
    reached = np.zeros(size, bool)
    reached[slice(None) if piece.arrange is None else piece.arrange] = inner
    return reached
