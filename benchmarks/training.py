"""Training speed: examples per second, against PyTorch eager, of ensembles, and of one GPU.

    pip install --target torch_cpu torch==2.13.0          # the CPU build, into a folder of its own
    python benchmarks/training.py [mlp] [inception] --torch torch_cpu [--rounds 7] [--threads 2]
    python benchmarks/training.py --ensemble [--rounds 5]
    python benchmarks/training.py --gpu [--examples 50000]

`mlp` is `mlp-3x512` and `inception` the small Inception network of Zhang et al. 2017, both on 28x28x3 crops of 32x32x3
images, batch 128, SGD with momentum 0.9, float32. The JAX side is the program that `boundcheck train` runs: it crops and
whitens the images of each batch, too, and counts errors; PyTorch is given crops that are whitened already, resident, channels
last for convolutions. The pixels are random: speed does not depend on them.

Each side is a process of its own that compiles, warms up and then works when told to, so that they take turns, round by round,
and never run at once. Printed are medians over the rounds: examples per second by the clock, and per two processor
seconds. The second matters on a machine that does other work as well: what one side spends, whoever else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 128
MODELS = {"mlp": "mlp-3x512", "inception": "inception"}
EXAMPLES = {"mlp": 50 * BATCH, "inception": 3 * BATCH}
"""Examples of one round."""


def images(n: int) -> np.ndarray:
    """uint8 [n, 32, 32, 3]."""
    return np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def labels(n: int, seed: int = 1) -> np.ndarray:
    """int32 [n], uniform in 0..9."""
    return np.random.default_rng(seed).integers(0, 10, n).astype(np.int32)


def jax_epoch(
    model: str, n: int, members: int = 1, vectorized: bool | None = None, precision: str = "float32"
) -> Callable[[], None]:
    """An epoch of `members` networks on n examples, compiled and warm."""
    import jax

    from boundcheck.models import find_model
    from boundcheck.training import Recipe
    from boundcheck.training.program import program

    recipe: Any = Recipe(learning_rate=0.01, momentum=0.9, batch=BATCH, epochs=1, precision=precision)  # type: ignore[arg-type]
    compiled = program(
        find_model(model),
        recipe,
        preparation="zhang2017",
        image_shape=(32, 32, 3),
        classes=10,
        vectorized=vectorized,
    )
    x = compiled.place(images(n))
    y = tuple(compiled.place(labels(n, seed)) for seed in range(members))
    keys = tuple(jax.random.key(seed) for seed in range(members))
    rates = tuple(np.float32(0.01) for _ in range(members))
    states: Any = tuple(compiled.initial(key) for key in keys)

    def epoch() -> None:
        nonlocal states
        states, _ = jax.block_until_ready(compiled.epoch(states, x, y, keys, rates))

    epoch()
    epoch()
    return epoch


def torch_epoch(model: str, n: int, threads: int) -> Callable[[], None]:
    """The same epoch in PyTorch eager, as its users write it."""
    import torch  # type: ignore[import-not-found]
    from torch import nn  # type: ignore[import-not-found]
    from torch.nn.functional import cross_entropy  # type: ignore[import-not-found]

    from boundcheck.data import prepare

    torch.set_num_threads(threads)
    order = torch.channels_last if model == "inception" else torch.contiguous_format
    net: Any = torch_inception(nn, torch) if model == "inception" else torch_mlp(nn)
    net = net.to(memory_format=order)
    x = (
        torch.from_numpy(prepare("zhang2017", images(n), np))
        .permute(0, 3, 1, 2)
        .contiguous(memory_format=order)
    )
    y = torch.from_numpy(labels(n).astype(np.int64))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def epoch() -> None:
        for rows in torch.randperm(n).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()

    epoch()
    epoch()
    return epoch


def torch_mlp(nn: Any) -> Any:
    layers: list[Any] = [nn.Flatten()]
    for width in (28 * 28 * 3, 512, 512):
        layers += [nn.Linear(width, 512), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(512, 10))


def torch_inception(nn: Any, torch: Any) -> Any:
    from boundcheck.models.inception import STAGES

    def unit(n_in: int, n_out: int, size: int, stride: int = 1) -> Any:
        convolution = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2)
        return nn.Sequential(convolution, nn.BatchNorm2d(n_out, affine=False), nn.ReLU())

    class Beside(nn.Module):
        def __init__(self, *parts: Any) -> None:
            super().__init__()
            self.parts = nn.ModuleList(parts)

        def forward(self, x: Any) -> Any:
            return torch.cat([part(x) for part in self.parts], 1)

    layers, channels = [unit(3, 96, 3)], 96
    for filters in STAGES:
        if len(filters) == 1:
            layers.append(Beside(unit(channels, filters[0], 3, 2), nn.MaxPool2d(3, 2, 1)))
            channels += filters[0]
        else:
            layers.append(Beside(unit(channels, filters[0], 1), unit(channels, filters[1], 3)))
            channels = sum(filters)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def measured(epoch: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and processor seconds of all threads."""
    clock, processor = time.perf_counter(), time.process_time()
    epoch()
    return time.perf_counter() - clock, time.process_time() - processor


def work(side: str, model: str, threads: int) -> None:
    """A worker: one round for each line that comes in."""
    n = EXAMPLES[model]
    epoch = torch_epoch(model, n, threads) if side == "torch" else jax_epoch(MODELS[model], n)
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        print(json.dumps(measured(epoch)), flush=True)


class Worker:
    """A process that runs `work`."""

    def __init__(self, side: str, model: str, threads: int, torch: Path | None) -> None:
        environment = dict(os.environ)
        if side == "torch":
            paths = [str(torch), *filter(None, [environment.get("PYTHONPATH")])]
            environment["PYTHONPATH"] = os.pathsep.join(paths)
        command = [sys.executable, __file__, model, "--worker", side, "--threads", str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._answer() == "ready"

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the worker ended with status {self.process.wait()}; its error is above.")
        return json.loads(line)

    def round(self) -> tuple[float, float]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        clock, processor = self._answer()
        return clock, processor

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(model: str, rounds: int, threads: int, torch: Path | None) -> None:
    sides = ["jax", *(["torch"] if torch else [])]
    workers = {side: Worker(side, model, threads, torch) for side in sides}
    seconds: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            seconds[side].append(workers[side].round())
            time.sleep(0.3)  # threads that spin in wait of work come to rest
    for worker in workers.values():
        worker.close()
    n = EXAMPLES[model]
    for side in sides:
        clock, processor = (n / np.array(column) for column in zip(*seconds[side], strict=True))
        print(
            f"{MODELS[model]:10s} {side:6s} {np.median(clock):8.0f} examples/s by the clock "
            f"({clock.min():.0f} to {clock.max():.0f}), {2 * np.median(processor):8.0f} a 2 processor seconds"
        )
    if torch:
        pairs = zip(seconds["jax"], seconds["torch"], strict=True)
        clock, processor = zip(*((b[0] / a[0], b[1] / a[1]) for a, b in pairs), strict=True)
        print(
            f"{MODELS[model]:10s} JAX / PyTorch: {statistics.median(clock):.2f} by the clock, "
            f"{statistics.median(processor):.2f} by processor seconds"
        )


def ensemble(rounds: int, n: int = 20 * BATCH) -> None:
    """1, 2, 4 and 8 MLPs: one by one, side by side in one program, and under `vmap`."""
    alone = jax_epoch(MODELS["mlp"], n)

    def one_by_one(members: int) -> Callable[[], None]:
        def epochs() -> None:
            for _ in range(members):
                alone()

        return epochs

    ways: dict[tuple[int, str], Callable[[], None]] = {(1, "one by one"): alone}
    for members in (2, 4, 8):
        ways[members, "one by one"] = one_by_one(members)
        ways[members, "side by side"] = jax_epoch(MODELS["mlp"], n, members, vectorized=False)
        ways[members, "vmap"] = jax_epoch(MODELS["mlp"], n, members, vectorized=True)
    seconds: dict[tuple[int, str], list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, epoch in ways.items():
            seconds[way].append(measured(epoch))
    for (members, way), times in seconds.items():
        clock, processor = (members * n / np.median(column) for column in zip(*times, strict=True))
        print(
            f"{members} {way:13s} {clock:8.0f} examples/s by the clock, {2 * processor:8.0f} a 2 processor seconds"
        )


def products(jaxpr: Any) -> float:
    """Floating-point operations of the matrix products and convolutions of a jaxpr, in its inner ones too."""
    total = 0.0
    for equation in jaxpr.eqns:
        for parameter in equation.params.values():
            inner = getattr(parameter, "jaxpr", parameter)
            total += products(inner) if hasattr(inner, "eqns") else 0
        out = np.prod(equation.outvars[0].aval.shape) if equation.outvars else 0
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += 2 * float(out) * float(np.prod([shape[axis] for axis in contracted]))
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            n_out = equation.params["dimension_numbers"].rhs_spec[0]
            total += 2 * float(out) * float(np.prod(kernel)) / kernel[n_out]
    return total


def gpu(n: int, rounds: int) -> None:
    """The small Inception network on random labels, to training error 0: one, and eight together; the fraction of peak."""
    import jax
    import jax.numpy as jnp

    from boundcheck.models import build, find_model, split
    from boundcheck.training import Member, Recipe, fit_all

    if jax.default_backend() == "cpu":
        sys.exit("JAX sees no GPU; one and `pip install '.[cuda]'` are needed.")
    print(f"{jax.devices()[0].device_kind}, {n} examples")
    predict, params = split(build(find_model("inception"), (28, 28, 3), 10, jax.random.key(0)))
    forward = products(jax.make_jaxpr(predict)(params, jnp.zeros((28, 28, 3))).jaxpr)

    def peak(dtype: Any, precision: str) -> float:
        """Operations per second of a large product."""
        side = 8192
        a = jnp.ones((side, side), dtype)
        product = jax.jit(lambda a: jnp.matmul(a, a, precision=precision))
        jax.block_until_ready(product(a))
        times = []
        for _ in range(10):
            start = time.perf_counter()
            jax.block_until_ready(product(a))
            times.append(time.perf_counter() - start)
        return 2 * side**3 / statistics.median(times)

    peaks = {
        "float32": peak(jnp.float32, "highest"),
        "tf32": peak(jnp.float32, "tensorfloat32"),
        "bfloat16": peak(jnp.bfloat16, "default"),
    }
    for precision, rate in peaks.items():
        for members in (1, 8):
            epoch = jax_epoch("inception", n, members, vectorized=members > 1, precision=precision)
            seconds = statistics.median(measured(epoch)[0] for _ in range(rounds))
            speed = members * n / seconds
            print(
                f"{precision}, {members} together: {speed:.0f} images/s, {3 * forward * speed / rate:.1%} of the rate of a "
                f"matrix product ({rate / 1e12:.0f} TFLOP/s)"
            )
    for members in (1, 8):
        recipe = Recipe(
            learning_rate=0.1, momentum=0.9, decay=0.95, epochs=100, batch=BATCH, precision="tf32"
        )
        start = time.perf_counter()
        outcomes: list[Any] = [
            outcome
            for _, outcome in fit_all(
                [Member(labels=labels(n, seed), seed=seed) for seed in range(members)],
                architecture=find_model("inception"),
                recipe=recipe,
                images=images(n),
                classes=10,
                preparation="zhang2017",
                together=members,
            )
        ]
        fitted = sum(getattr(outcome, "interpolated", False) for outcome in outcomes)
        epochs = [getattr(outcome, "epochs", None) for outcome in outcomes]
        print(
            f"tf32, random labels: {fitted} of {members} fitted after {epochs} epochs, {time.perf_counter() - start:.1f} s, "
            "compilation included"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", choices=[[], *MODELS], default=[])
    parser.add_argument("--torch", type=Path, help="the folder that PyTorch was installed into")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of PyTorch")
    parser.add_argument("--ensemble", action="store_true")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--examples", type=int, default=50_000, help="with --gpu")
    parser.add_argument("--worker", choices=("jax", "torch"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        work(chosen.worker, chosen.models[0], chosen.threads)
    elif chosen.ensemble:
        ensemble(chosen.rounds)
    elif chosen.gpu:
        gpu(chosen.examples, chosen.rounds)
    else:
        for model in chosen.models or MODELS:
            compare(model, chosen.rounds, chosen.threads, chosen.torch)


if __name__ == "__main__":
    main()
