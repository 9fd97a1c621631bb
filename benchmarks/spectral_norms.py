"""Certified spectral norms of every layer of a network, against the usual float64 FFT and SVD.

    python benchmarks/spectral_norms.py [inception|resnet18] [--rounds 3] [--gap 1e-3]

The peer is what published codes compute for a convolution (Sedghi, Gupta and Long 2019, arXiv:1805.10408): the two-dimensional
FFT of the kernel at the size of the input map, and the largest singular value over all frequencies, the stride left out.
It is the norm of another operator, on a torus. Both run in turn on the same kernels, batch normalization folded in; printed
are medians, their ratio, and by how much the peer's value misses the certified interval.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import architectures
import numpy as np

from boundcheck.network import Convolution, Network, trace
from boundcheck.network.convolution_norm import spectral_norms


def plain(convolution: Convolution) -> float:
    """The largest singular value of the circular convolution at the size of the map."""
    transforms = np.fft.fft2(convolution.kernel, convolution.size, axes=(0, 1))
    return float(np.linalg.svd(transforms, compute_uv=False).max())


def reshaped(convolution: Convolution) -> float:
    """The largest singular value of the kernel as a matrix with a row for each output channel."""
    return float(np.linalg.norm(convolution.kernel.reshape(-1, convolution.kernel.shape[3]), 2))


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds, and what came out."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def convolutions(network: Network) -> list[tuple[str, Convolution]]:
    """The convolutions of a network with their labels."""
    pieces = [(a.label, a.operator) for a in network.affine]
    return [(label, k) for label, k in pieces if isinstance(k, Convolution)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", nargs="?", default="inception", choices=("inception", "resnet18"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gap", type=float, default=1e-3)
    chosen = parser.parse_args()
    layers = convolutions(trace(*getattr(architectures, chosen.network)()))
    operators = [k for _, k in layers]
    ways: dict[str, Callable[[], object]] = {
        "plain FFT and SVD": lambda: [plain(k) for k in operators],
        "certified, cheap": lambda: spectral_norms(operators),
        f"certified, gap {chosen.gap:g}": lambda: spectral_norms(operators, chosen.gap),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, object] = {}
    for _ in range(chosen.rounds):
        for name, work in ways.items():
            spent, results[name] = timed(work)
            seconds[name].append(spent)

    print(f"{chosen.network}: {len(layers)} convolutions, medians of {chosen.rounds} interleaved rounds")
    base = statistics.median(seconds["plain FFT and SVD"])
    for name, spent in seconds.items():
        median = statistics.median(spent)
        print(f"  {name:26s} {median:7.2f} s, {median / base:6.2f} times the plain one")

    values, certified = results["plain FFT and SVD"], results[f"certified, gap {chosen.gap:g}"]
    assert isinstance(values, list)
    assert isinstance(certified, list)
    print("\n  certified interval        gap      plain value    reshaped kernel   layer")
    worst, product, short = 0.0, 0.0, 0.0
    for (label, k), value, (norm, _) in zip(layers, values, certified, strict=True):
        low, high = float(norm.lo), float(norm.hi)
        off = value / high if value > high else value / low if value < low else 1.0
        flat = reshaped(k) / low if reshaped(k) < low else 1.0
        worst = max(worst, high / low - 1)
        product, short = product + np.log10(off), short + np.log10(flat)
        print(
            f"  [{low:.6f}, {high:.6f}] {high / low - 1:8.1e} {100 * (off - 1):+9.2f} % {100 * (flat - 1):+13.1f} %   {label}"
        )
    print(
        f"\n  largest gap {worst:.1e}; the product of the plain values is off by a factor {10**product:.3g},"
    )
    print(f"  that of the reshaped kernels by a factor {10**short:.3g}")


if __name__ == "__main__":
    main()
