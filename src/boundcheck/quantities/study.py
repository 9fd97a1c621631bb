"""`Study`: one run under examination. Measures each quantity once, shares it, and keeps it in the run's directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
import safetensors
import safetensors.numpy

from .. import storage
from ..errors import NetworkError, RunError
from ..functions import KlInverse
from ..interval import Interval
from ..network import Chain, Network, PathNorms, Refusal
from ..network.recentring import median, recentred_network
from ..quantization import quantized
from ..run import Run
from .margins import BATCH, Margins, program_margins, traced_margins
from .quantity import Evidence, Measurement, Quantity, UnavailableError

ONLINE = {"online-avg": "prefix_errors", "online-late": "late_prefix_errors"}
"""Predictors on prefixes of the training set: the name of a theorem's object, and where a solution keeps their errors."""

VERSION = 1
"""Raised whenever a measurement changes its meaning, so that cached values are measured again."""


@runtime_checkable
class Progress(Protocol):
    """Where long work says how far it is."""

    def __call__(self, task: str, done: int, total: int) -> None: ...


def silent(task: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


class Study:
    """A run, a confidence level, and everything measured so far.

    **Arguments.** `run`. `delta`: the failure probability of each verdict. `progress`: told about long work. `folder`:
    where in the run's directory measurements are kept. `known`: quantities that are not to be measured, because they are
    known otherwise.
    """

    def __init__(
        self,
        run: Run,
        delta: Fraction,
        progress: Progress = silent,
        folder: str = "quantities",
        known: Mapping[Measurement, Quantity] | None = None,
    ) -> None:
        self.run = run
        self.delta = delta
        self.progress = progress
        self._folder = folder
        self._compressed: Study | None = None
        self._online: dict[str, Study] = {}
        self._measured: dict[Measurement, Quantity] = dict(known or {})
        self._margins: dict[str, Margins] = {}
        self._chains: dict[tuple[bool, bool], Chain | Refusal] = {}
        self._paths: dict[bool, PathNorms | Refusal] = {}

    def of(self, kind: str) -> Study:
        """The study of the classifier that a theorem speaks of: `det` the trained one, `compressed` its rounded form,
        `online-avg` and `online-late` the mean predictor on prefixes of the training set.

        Raises `UnavailableError` for a kind that is not measured.
        """
        if kind == "det":
            return self
        if kind in ONLINE:
            return self._on_prefixes(kind)
        if kind != "compressed":
            raise UnavailableError(
                f"it speaks of the {kind} classifier, and only the error of the trained network is measured."
            )
        if not self.run.parametric:
            raise UnavailableError(
                "a kernel predictor consists of its training inputs, not of weights that could be rounded."
            )
        if self._compressed is None:
            run = quantized(self.run)
            self._compressed = Study(run, self.delta, self.progress, f"{self._folder}/quantized")
        return self._compressed

    def _on_prefixes(self, kind: str) -> Study:
        """The study whose test error is that of the mean prefix predictor.

        Of each test example the fraction of predictors that err on it is a number in [0, 1]; Chernoff's inequality holds for
        their mean.
        """
        from .counts import test_error_interval  # which imports this module

        solution = self.run.solution
        fractions = None if solution is None else getattr(solution, ONLINE[kind])
        if fractions is None:
            raise UnavailableError(
                "it speaks of predictors on prefixes of the training set, which only an exact solution tells."
            )
        if kind not in self._online:
            m, mean = len(fractions), float(fractions.mean())
            rounding = Interval(mean - 2.0**-40, mean + 2.0**-40).maximum(0).minimum(1)
            cost = (2 / Interval(self.delta)).log() / m
            interval = Quantity(
                value=Interval(
                    (1 - KlInverse.enclose(1 - rounding, cost)).lo, KlInverse.enclose(rounding, cost).hi
                ),
                evidence=Evidence.SAMPLED,
                method=f"Chernoff's inequality for the fractions of predictors that err on each of {m} test examples, two-sided",
                failure=self.delta,
            )
            known = {**self._measured, test_error_interval: interval}
            online = Study(self.run, self.delta, self.progress, self._folder, known)
            online._margins = self._margins
            self._online[kind] = online
        return self._online[kind]

    # What theorems ask of the network ---------------------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The traced network. Raises `UnavailableError` with every obstacle when there is none."""
        return _traced(self.run.network)

    @property
    def initial(self) -> Network:
        """The network at initialization. Raises `UnavailableError` when it is not recorded or cannot be traced."""
        network = self.run.initial
        if network is None:
            raise UnavailableError("the initial weights are not recorded; give `init_params`.")
        return _traced(network)

    def chain(self, *, biases: bool = True) -> Chain:
        """The layered form. Raises `UnavailableError` with the reasons why there is none."""
        return self._chained(self.network, biases, trained=True)

    def path_norms(self, *, centred: bool = False) -> PathNorms:
        """The path norms, of the network as it is or recentred by the median of the last rows.

        Raises `UnavailableError` with the reasons why there are none.
        """
        if centred not in self._paths:
            network = recentred_network(self.network, median) if centred else self.network
            self._paths[centred] = network.path_norms()
        norms = self._paths[centred]
        if not isinstance(norms, PathNorms):
            raise UnavailableError(*norms.reasons)
        return norms

    def initial_chain(self) -> Chain:
        """The layered form at initialization."""
        return self._chained(self.initial, biases=True, trained=False)

    def _chained(self, network: Network, biases: bool, *, trained: bool) -> Chain:
        if (biases, trained) not in self._chains:
            self._chains[biases, trained] = network.chain(biases=biases)
        chain = self._chains[biases, trained]
        if not isinstance(chain, Chain):
            raise UnavailableError(*chain.reasons)
        return chain

    # Quantities ---------------------------------------------------------------------------------------------------

    def measure(self, measurement: Measurement) -> Quantity:
        """The quantity, measured at most once. Raises `UnavailableError` when this run cannot supply it."""
        if measurement not in self._measured:
            self._measured[measurement] = measurement.measure(self)
        return self._measured[measurement]

    def margins(self, split: str) -> Margins:
        """Margins over the `train` or `test` examples with the labels the theorem speaks of."""
        if split not in self._margins:
            self._margins[split] = self._cached_margins(split, clean=False)
        return self._margins[split]

    def clean_margins(self) -> Margins:
        """Margins over the test examples with the labels of the data set."""
        if "clean" not in self._margins:
            same = self.run.spec is None or not self.run.spec.randomized
            self._margins["clean"] = (
                self.margins("test") if same else self._cached_margins("test", clean=True)
            )
        return self._margins["clean"]

    def _cached_margins(self, split: str, *, clean: bool) -> Margins:
        name = f"margins-{'clean' if clean else split}"
        path = self.cache(f"{name}.safetensors")
        key = self.key(name, *(() if clean else (self.run.digests[split],)))
        if path is not None and path.exists():
            try:
                with safetensors.safe_open(path, "numpy") as file:
                    if (file.metadata() or {}).get("key") == key:
                        return Margins(
                            lower=file.get_tensor("lower"),
                            upper=file.get_tensor("upper"),
                            traced=file.metadata()["traced"] == "yes",
                        )
            except (safetensors.SafetensorError, KeyError):
                pass  # a damaged cache is no loss: measure again
        margins = self._measure_margins(split, clean=clean)
        if path is not None:
            arrays = {"lower": margins.lower, "upper": margins.upper}
            metadata = {"key": key, "traced": "yes" if margins.traced else "no"}
            storage.write(path, safetensors.numpy.save(arrays, metadata))
        return margins

    def _measure_margins(self, split: str, *, clean: bool) -> Margins:
        sample = self.run.sample(split)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self.progress(f"margins of the {split} examples", done, len(sample))

        def batches() -> Iterator[tuple[np.ndarray, Any]]:
            for start in range(0, len(sample), BATCH):
                stop = min(start + BATCH, len(sample))
                yield sample.inputs(start, stop), (sample.clean if clean else sample.labels)[start:stop]

        if self.run.enclose is not None:
            return traced_margins(self.run.enclose, batches(), advance)
        if self.run.outputs is not None and not isinstance(self.run.network, Network):
            outputs, params = self.run.outputs, self.run.params
            return program_margins(lambda x: outputs(params, x), batches(), advance)
        return margins_of(self.run.network, self.run.predict, self.run.params, batches(), advance)

    def each_input(self) -> Iterator[np.ndarray]:
        """The training inputs in batches, float64 [b, ...]."""
        for inputs, _ in self.run.sample("train").batches(BATCH):
            yield np.asarray(inputs, np.float64)

    # Cache ----------------------------------------------------------------------------------------------------------

    def cache(self, name: str) -> Path | None:
        """Where a measurement is kept; None for a run that lives in memory."""
        return None if self.run.directory is None else self.run.directory / self._folder / name

    def key(self, name: str, *parts: str) -> str:
        """What a cached measurement depends on: the weights, the data and their preparation, the parts given."""
        digests = self.run.digests
        prepared = "" if self.run.spec is None else self.run.spec.prepared
        text = "\n".join([str(VERSION), name, digests["weights"], digests.get("data", ""), prepared, *parts])
        return hashlib.sha256(text.encode()).hexdigest()

    def remember(self, name: str, parts: tuple[str, ...], measure: Callable[[], Interval]) -> Interval:
        """An interval kept in `quantities/NAME.json` under the key of what it depends on."""
        path, key = self.cache(f"{name}.json"), self.key(name, *parts)
        if path is not None and path.exists():
            try:
                stored = storage.read_json(path, "a measured quantity")
                if stored["key"] == key:
                    return Interval.load(stored["value"])
            except (RunError, KeyError, TypeError, ValueError):
                pass  # a damaged cache is no loss: measure again
        value = measure()
        if path is not None:
            storage.write_json(path, {"key": key, "value": value.dump()})
        return value


def margins_of(
    network: Network | NetworkError,
    predict: Callable[[Any, Any], Any],
    params: Any,
    batches: Iterator[tuple[np.ndarray, Any]],
    advance: Callable[[int], None] = lambda _: None,
) -> Margins:
    """Margins of the traced network where there is one, of the program as it runs where not."""
    if isinstance(network, Network):
        return traced_margins(network.enclose, batches, advance)
    batched = jax.jit(jax.vmap(predict, in_axes=(None, 0)))
    return program_margins(lambda x: batched(params, x), batches, advance)


def _traced(network: Network | NetworkError) -> Network:
    if isinstance(network, NetworkError):
        raise UnavailableError(*network.reasons)
    return network
