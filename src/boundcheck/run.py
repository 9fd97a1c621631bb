"""`Run`: a trained network with everything needed to judge it.

Made by `load` from a directory (`archive.py`), or by `Run.from_arrays` from a network trained elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8

from .errors import NetworkError, RunError
from .models import statistics
from .network import Network, trace
from .solving.solution import Solution
from .spec import ASSUMPTIONS, Spec
from .storage import digest

Enclose = Callable[[np.ndarray], tuple[Float[np.ndarray, "b k"], Float[np.ndarray, "b k"]]]
"""Logits of a batch of inputs, float64, and a bound of their error."""

SPLITS: Final[tuple[str, str]] = ("train", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Labelled examples: `inputs(start, stop)` gives float inputs as the network takes them.

    `labels`: int64 [n], the labels the theorem speaks of (randomized where the run randomizes). `clean`: the labels of
    the data set, int64 [n]. `images`: what the inputs are prepared from, uint8 [n, h, w, c]; None for a run from arrays.
    """

    labels: Int[np.ndarray, " n"]
    clean: Int[np.ndarray, " n"]
    inputs: Callable[[int, int], np.ndarray]
    images: UInt8[np.ndarray, "n h w c"] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, Int[np.ndarray, " b"]]]:
        """Consecutive batches of inputs and labels."""
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            yield self.inputs(start, stop), self.labels[start:stop]


class Run:
    """A trained network, its data and its history.

    Made by `load(directory)` or `Run.from_arrays(...)`. Public attributes: `name`, `classes`, `sizes` (examples by
    split), `parameters` (scalar weights), `assume` (assumptions that the experimenter asserts), `spec` (the
    experiment's entry, None for arrays), `directory` (None for arrays), `digests`, `history`, `interpolated`, `solution` (of a
    linear or kernel problem; None for a trained network).

    A predictor that is no graph of affine maps and nonlinearities says otherwise what its logits are: `enclose`, those of a
    batch with a bound of their error, or `outputs(params, batch)`, those of the program as it runs.
    """

    def __init__(
        self,
        *,
        name: str,
        classes: int,
        sizes: dict[str, int],
        predict: Callable[[Any, Any], Any],
        params: Any,
        init_params: Any | None,
        samples: Callable[[str], Sample],
        example: np.ndarray | Callable[[], np.ndarray],
        assume: Sequence[str],
        digests: dict[str, str],
        record: dict[str, Any] | None = None,
        spec: Spec | None = None,
        directory: Path | None = None,
        history: Sequence[dict[str, float]] = (),
        solution: Solution | None = None,
        enclose: Enclose | None = None,
        outputs: Callable[[Any, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.name = name
        self.classes = classes
        self.sizes = sizes
        self.predict = predict
        self.params = params
        self.init_params = init_params
        self.assume = tuple(assume)
        self.digests = digests
        self.record = record or {}
        self.spec = spec
        self.directory = directory
        self.history = tuple(history)
        self.solution = solution
        self.enclose = enclose
        self.outputs = outputs
        self._samples = samples
        self._example = example
        self._loaded: dict[str, Sample] = {}

    def __repr__(self) -> str:
        return f"<Run {self.name}: {self.parameters:,} parameters, {self.sizes['train']:,} training examples>"

    @property
    def parameters(self) -> int:
        """The number of scalar weights; running statistics of a normalization are not trained and not counted."""
        running = jax.tree.leaves(statistics(self.params))
        arrays = [array for _, array in stored_arrays(self.params)]
        return sum(a.size for a, aside in zip(arrays, running, strict=True) if is_real(a) and not aside)

    @property
    def parameter_bits(self) -> int:
        """The bits of everything stored with the weights, counters and random keys included."""
        return sum(8 * array.nbytes for _, array in stored_arrays(self.params))

    @property
    def parametric(self) -> bool:
        """Whether the predictor is a function of its weights; a kernel predictor is one of its training inputs too."""
        return self.enclose is None

    @property
    def interpolated(self) -> bool:
        """Whether training ended because the training error was 0."""
        return bool(self.record.get("interpolated", False))

    @property
    def example(self) -> np.ndarray:
        """One input, of the shape and dtype that the network takes."""
        return self._example() if callable(self._example) else self._example

    def sample(self, split: str) -> Sample:
        """The `train` or `test` examples, loaded on first use. Raises `DataError` when the data are not at hand."""
        if split not in self._loaded:
            self._loaded[split] = self._samples(split)
        return self._loaded[split]

    def with_params(self, params: Any) -> Run:
        """The same run with other weights of the same structure; it keeps the history of the training."""
        if not self.parametric:
            raise RunError(
                f"{self.name} is a kernel predictor: it consists of its training inputs, and not of weights alone."
            )
        return Run(
            name=self.name,
            classes=self.classes,
            sizes=self.sizes,
            predict=self.predict,
            params=params,
            init_params=self.init_params,
            samples=self.sample,
            example=self._example,
            assume=self.assume,
            digests={**self.digests, "weights": digest(*(array for _, array in stored_arrays(params)))},
            record=self.record,
            spec=self.spec,
            directory=self.directory,
            history=self.history,
            outputs=self.outputs,
        )

    @cached_property
    def network(self) -> Network | NetworkError:
        """The traced network, or the error that lists why it cannot be expressed."""
        return self._trace(self.params)

    @cached_property
    def initial(self) -> Network | NetworkError | None:
        """The network at its initial weights; None when they are not recorded."""
        return None if self.init_params is None else self._trace(self.init_params)

    def _trace(self, params: Any) -> Network | NetworkError:
        try:
            if not self.parametric:
                raise NetworkError(
                    ["a kernel predictor is a sum over all training examples, not a layered network"]
                )
            # The weights of a linear predictor are float64, and are read as they are.
            with jax.enable_x64(True) if self.outputs is not None else nullcontext():
                return trace(self.predict, params, self.example)
        except NetworkError as error:
            return error

    @classmethod
    def from_arrays(
        cls,
        f: Callable[[Any, Any], Any],
        params: Any,
        *,
        train: tuple[Any, Any],
        test: tuple[Any, Any],
        init_params: Any | None = None,
        assume: Sequence[str] = (),
        name: str = "arrays",
    ) -> Run:
        """A network that was trained elsewhere.

        **Arguments.** `f(params, x)`: logits [k] of one example, any JAX function. `params`: a pytree of arrays.
        `train`, `test`: pairs of inputs [n, ...] and integer labels [n] in 0..k-1. `init_params`: the weights before
        training, of the same structure. `assume`: what you assert about the data, among `iid`, `fixed-in-advance` and
        `fresh-test-set`.

        Raises `RunError` for arrays that do not fit together, labels out of range and weights that are not finite.
        """
        _check_assumptions(assume)
        pairs = {"train": train, "test": test}
        samples: dict[str, Sample] = {}
        digests: dict[str, str] = {}
        arrays = {split: np.asarray(pair[0]) for split, pair in pairs.items()}
        for part, x in arrays.items():
            if x.ndim < 1 or len(x) == 0:
                raise RunError(f"`{part}` inputs have shape {x.shape}; at least one example is needed.")
            if x.shape[1:] != arrays["train"].shape[1:]:
                raise RunError(
                    f"`{part}` inputs have shape {x.shape[1:]} an example and `train` inputs {arrays['train'].shape[1:]}; "
                    "give both in the form that the network takes."
                )
            if x.dtype.kind == "f" and not np.isfinite(x).all():
                raise RunError(f"`{part}` inputs contain nan or infinity; remove those examples.")
        for what, tree in (("params", params), ("init_params", init_params)):
            _check_finite(what, tree)
        if init_params is not None and jax.tree.structure(init_params) != jax.tree.structure(params):
            raise RunError(
                "`init_params` has another structure than `params`; give the same pytree before training."
            )
        shape = jax.eval_shape(
            f, params, jax.ShapeDtypeStruct(arrays["train"].shape[1:], arrays["train"].dtype)
        ).shape
        if len(shape) != 1 or shape[0] < 2:
            raise RunError(
                f"f(params, x) has shape {shape} for one example; a vector of at least two logits is needed "
                "(no batch axis)."
            )
        for part, (_, given) in pairs.items():
            labels = check_labels(np.asarray(given), len(arrays[part]), shape[0], part)
            samples[part] = Sample(
                labels=labels,
                clean=labels,
                inputs=lambda start, stop, x=arrays[part]: x[start:stop],
            )
            digests[part] = digest(arrays[part], labels)
        digests["weights"] = digest(*(array for _, array in stored_arrays(params)))
        return cls(
            name=name,
            classes=shape[0],
            sizes={split: len(samples[split]) for split in SPLITS},
            predict=f,
            params=params,
            init_params=init_params,
            samples=samples.__getitem__,
            example=arrays["train"][0],
            assume=assume,
            digests=digests,
        )


def _check_assumptions(assume: Sequence[str]) -> None:
    for name in assume:
        if name not in ASSUMPTIONS:
            raise RunError(f"`assume` contains {name!r}; what can be asserted is {', '.join(ASSUMPTIONS)}.")


def stored_arrays(tree: Any) -> list[tuple[str, np.ndarray]]:
    """Every leaf with its path; a random key as the integers it is made of."""
    leaves = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        leaves.append((jax.tree_util.keystr(path), np.asarray(jax.random.key_data(leaf) if is_key else leaf)))
    return leaves


def is_real(array: np.ndarray) -> bool:
    """Whether the array holds floating-point numbers."""
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def _check_finite(what: str, tree: Any) -> None:
    for path, array in stored_arrays(tree):
        if not is_real(array) and array.dtype.kind not in "iub":
            raise RunError(f"`{what}`{path} has dtype {array.dtype}; real arrays are needed.")
        if not np.isfinite(array.astype(np.float64)).all():
            raise RunError(f"`{what}`{path} contains nan or infinity; no bound speaks of it.")


def check_labels(labels: np.ndarray, n: int, classes: int, split: str) -> Int[np.ndarray, " n"]:
    """Labels as int64 [n]. Raises `RunError` unless they are n integers in 0..classes-1."""
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise RunError(
            f"`{split}` labels have shape {labels.shape} and dtype {labels.dtype}; {n} integers are needed, "
            f"one an example, between 0 and {classes - 1}."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise RunError(
            f"`{split}` labels lie between {labels.min()} and {labels.max()}; the network has {classes} logits, "
            f"so labels between 0 and {classes - 1} are needed."
        )
    return labels.astype(np.int64)
