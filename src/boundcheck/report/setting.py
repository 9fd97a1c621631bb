"""`Setting`: what a run was told to do, from the `spec` of its record, and how a reader calls it.

Runs stored by older versions lack fields; each has the default that they were trained with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..data import DATASETS

PIXELS: Final[Mapping[str, str]] = {
    "true": "true pixels",
    "shuffled": "shuffled pixels",
    "random": "random pixels",
    "gaussian": "Gaussian images",
}
"""What became of the images: nothing, one permutation for all, one for each, or noise in their place."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The `spec` of a run's record; empty for a run that was made from arrays."""

    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.spec.get("name", ""))

    @property
    def dataset(self) -> str:
        return str(self.spec.get("dataset", ""))

    @property
    def recipe(self) -> Mapping[str, Any]:
        return self.spec.get("recipe", {})

    @property
    def corruption(self) -> float:
        """The probability that a label is drawn anew; 1 for random labels."""
        return 1.0 if self.spec.get("labels") == "random" else float(self.spec.get("corruption", 0))

    @property
    def pixels(self) -> str:
        return str(self.spec.get("pixels", "true"))

    @property
    def random_crops(self) -> bool:
        return bool(self.recipe.get("random_crops", False))

    @property
    def weight_decay(self) -> float:
        return float(self.recipe.get("weight_decay", 0))

    @property
    def dropout(self) -> float:
        return float(self.recipe.get("dropout", 0))

    @property
    def precision(self) -> str:
        return str(self.recipe.get("precision", "float32"))

    @property
    def preparation(self) -> str:
        """The name of the preparation in force."""
        stated = self.spec.get("preparation")
        if stated is None and self.dataset in DATASETS:
            return DATASETS[self.dataset].preparation
        return str(stated)

    @property
    def labels(self) -> str:
        """The law of the labels, in words."""
        if self.corruption == 1:
            return "random labels"
        return f"labels corrupted with probability {self.corruption:g}" if self.corruption else "true labels"

    @property
    def law(self) -> str:
        """The law of the examples, in words: what is random about them, or that nothing is."""
        if self.pixels == "true":
            return self.labels
        images = PIXELS.get(self.pixels, self.pixels)
        return images if self.corruption == 0 else f"{images}, {self.labels}"

    @property
    def architecture(self) -> str:
        """As Zhang et al. 2017 call it where they have it: `MLP 3x512`, `Inception without BatchNorm`."""
        model = self.spec.get("model", {})
        match model.get("name"):
            case "mlp":
                widths = [int(width) for width in model.get("hidden", ())]
                same = f"{len(widths)}x{widths[0]}" if widths and len(set(widths)) == 1 else ""
                layers = same or "-".join(map(str, widths)) or "without hidden layers"
                return f"MLP {layers}" + ("" if model.get("bias", True) else " without biases")
            case "inception":
                return "Inception" + ("" if model.get("batch_norm", True) else " without BatchNorm")
            case "alexnet":
                return "AlexNet"
            case "kernel":
                return f"Gaussian kernel, bandwidth {model.get('bandwidth', 0):g}"
            case "linear":
                return _features(model.get("features", {}))
            case "wide-resnet":
                return f"Wide ResNet {model.get('depth')}-{model.get('widen')}"
            case name:
                rest = ", ".join(f"{key} {value}" for key, value in model.items() if key != "name")
                return f"{name} ({rest})" if rest else str(name or "unnamed architecture")

    @property
    def optimizer(self) -> str:
        """The optimizer with its rate, in words."""
        recipe = self.recipe
        momentum = f" with momentum {recipe['momentum']:g}" if recipe.get("momentum") else ""
        decay = f", times {recipe['decay']:g} an epoch" if recipe.get("decay", 1) != 1 else ""
        return f"{recipe.get('optimizer', 'sgd')}{momentum}, rate {recipe.get('learning_rate', 0):g}{decay}"

    @property
    def regularizers(self) -> tuple[str, ...]:
        """The explicit ones."""
        said = (
            "random crops" if self.random_crops else "",
            f"weight decay {self.weight_decay:g}" if self.weight_decay else "",
            f"dropout {self.dropout:g}" if self.dropout else "",
        )
        return tuple(word for word in said if word)

    @property
    def scene(self) -> tuple[Any, ...]:
        """Runs of one scene differ in the law of their examples, and in how the loss was minimized."""
        model = json.dumps(self.spec.get("model", {}), sort_keys=True)
        return (*self.problem, model, self.random_crops, self.weight_decay, self.dropout)

    @property
    def problem(self) -> tuple[Any, ...]:
        """The data set, how much of it, and how it is prepared."""
        sizes = (self.spec.get("examples"), self.spec.get("test_examples"))
        return (self.dataset, *map(str, sizes), self.preparation)

    @property
    def descent(self) -> tuple[Any, ...]:
        """How the loss is minimized; times of runs that differ in it are not compared."""
        keys = ("optimizer", "learning_rate", "momentum", "decay", "batch")
        return tuple(self.recipe.get(key) for key in keys)


def _features(features: Mapping[str, Any]) -> str:
    """A linear predictor, by its features."""
    match features.get("name"):
        case "pixels":
            return "linear in the pixels"
        case "random-relu":
            return f"linear in {features.get('count', 0):,} random ReLU features"
        case _:
            made = "of the training images" if features.get("patches") == "train" else "of white noise"
            return f"linear in {features.get('filters', 0):,} random convolutional filters {made}"


def distinctions(settings: Sequence[Setting], *, of: Sequence[str]) -> list[str]:
    """For each setting the words that set it apart from the others in these aspects; empty where nothing does."""
    words = [_aspects(setting) for setting in settings]
    apart = [aspect for aspect in of if len({w[aspect] for w in words}) > 1]
    return [", ".join(w[aspect] for aspect in apart) for w in words]


SCENE: Final = ("examples", "test examples", "preparation", "regularization")
"""The aspects of a scene beside its data set and architecture."""

DESCENT: Final = ("optimizer", "batch", "precision")
"""The aspects of the minimization that are worth telling apart; the seed is not."""


def _aspects(setting: Setting) -> dict[str, str]:
    examples, tests = setting.spec.get("examples"), setting.spec.get("test_examples")
    return {
        "examples": "all examples" if examples is None else f"{examples:,} examples",
        "test examples": "all test examples" if tests is None else f"{tests:,} test examples",
        "preparation": f"prepared as {setting.preparation}",
        "regularization": ", ".join(setting.regularizers) or "no regularization",
        "optimizer": setting.optimizer,
        "batch": f"batch {setting.recipe.get('batch')}",
        "precision": setting.precision,
    }
