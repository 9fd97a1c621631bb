"""What Zhang, Bengio, Hardt, Recht and Vinyals 2017 (arXiv:1611.03530) report of their trainings on CIFAR-10, as data.

Table 1: the accuracy of five architectures on the training and the test set, in per cent. Appendix A: how they were
trained. The paper states neither the size of a batch, nor the number of epochs, nor the coefficient of the weight
decay, nor the precision of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from .setting import Setting
from .training import Training

REFERENCE: Final = (
    "C. Zhang, S. Bengio, M. Hardt, B. Recht and O. Vinyals (2017). Understanding deep learning requires rethinking "
    "generalization. ICLR 2017. arXiv:1611.03530."
)
EXAMPLES: Final = 50_000
TEST_EXAMPLES: Final = 10_000
PREPARATION: Final = "zhang2017"
"""The central 28x28 pixels, each image less its mean and divided by its standard deviation."""

MOMENTUM: Final = 0.9
DECAY: Final = 0.95
"""What the learning rate is multiplied by after each epoch."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of table 1; accuracies in per cent, with the digits that are printed there."""

    architecture: str
    parameters: int
    rate: float
    random_crops: bool
    weight_decay: bool
    random_labels: bool
    train_accuracy: Decimal
    test_accuracy: Decimal

    @property
    def train_error(self) -> Decimal:
        return 100 - self.train_accuracy

    @property
    def test_error(self) -> Decimal:
        return 100 - self.test_accuracy


_ARCHITECTURES: Final[Mapping[str, tuple[int, float]]] = {
    "Inception": (1_649_402, 0.1),
    "Inception without BatchNorm": (1_649_402, 0.1),
    "AlexNet": (1_387_786, 0.01),
    "MLP 3x512": (1_735_178, 0.01),
    "MLP 1x512": (1_209_866, 0.01),
}
"""The number of parameters, and the learning rate of the first epoch (appendix A)."""

_ACCURACIES: Final = (
    # random crops, weight decay, random labels: training, test
    ("Inception", True, True, False, "100.0", "89.05"),
    ("Inception", True, False, False, "100.0", "89.31"),
    ("Inception", False, True, False, "100.0", "86.03"),
    ("Inception", False, False, False, "100.0", "85.75"),
    ("Inception", False, False, True, "100.0", "9.78"),
    ("Inception without BatchNorm", False, True, False, "100.0", "83.00"),
    ("Inception without BatchNorm", False, False, False, "100.0", "82.00"),
    ("Inception without BatchNorm", False, False, True, "100.0", "10.12"),
    ("AlexNet", True, True, False, "99.90", "81.22"),
    ("AlexNet", True, False, False, "99.82", "79.66"),
    ("AlexNet", False, True, False, "100.0", "77.36"),
    ("AlexNet", False, False, False, "100.0", "76.07"),
    ("AlexNet", False, False, True, "99.82", "9.86"),
    ("MLP 3x512", False, True, False, "100.0", "53.35"),
    ("MLP 3x512", False, False, False, "100.0", "52.39"),
    ("MLP 3x512", False, False, True, "100.0", "10.48"),
    ("MLP 1x512", False, True, False, "99.80", "50.39"),
    ("MLP 1x512", False, False, False, "100.0", "50.51"),
    ("MLP 1x512", False, False, True, "99.34", "10.61"),
)

TABLE: Final = tuple(
    Row(architecture, *_ARCHITECTURES[architecture], crops, decay, labels, Decimal(train), Decimal(test))
    for architecture, crops, decay, labels, train, test in _ACCURACIES
)


def row_of(setting: Setting) -> Row | None:
    """The row of table 1 with this architecture, labels and regularization; None for what is not in it."""
    if setting.dataset != "cifar10" or setting.pixels != "true" or setting.corruption not in (0, 1):
        return None
    if setting.dropout:
        return None
    sought = (
        setting.architecture,
        setting.random_crops,
        setting.weight_decay > 0,
        setting.corruption == 1,
    )
    for row in TABLE:
        if (row.architecture, row.random_crops, row.weight_decay, row.random_labels) == sought:
            return row
    return None


def differences(training: Training, row: Row) -> Iterator[str]:
    """How a training departs from what the paper states of this row, one phrase each."""
    setting, recipe = training.setting, training.setting.recipe
    n, m = training.size("train"), training.size("test")
    if n != EXAMPLES:
        yield f"{n:,} training examples, not {EXAMPLES:,}"
    if m != TEST_EXAMPLES:
        yield f"{m:,} test examples, not {TEST_EXAMPLES:,}"
    if training.parameters not in (None, row.parameters):
        yield f"{training.parameters:,} parameters, not {row.parameters:,}"
    if setting.preparation != PREPARATION:
        yield f"images prepared as {setting.preparation}, not cropped to 28x28 and whitened one by one"
    if recipe.get("optimizer", "sgd") != "sgd":
        yield f"optimizer {recipe['optimizer']}, not SGD"
    elif recipe.get("momentum", 0) != MOMENTUM:
        yield f"momentum {recipe.get('momentum', 0):g}, not {MOMENTUM:g}"
    if recipe["learning_rate"] != row.rate:
        yield f"rate {recipe['learning_rate']:g}, not {row.rate:g}"
    if recipe.get("decay", 1) != DECAY:
        yield f"rate times {recipe.get('decay', 1):g} an epoch, not {DECAY:g}"


def unstated(training: Training) -> Iterator[str]:
    """What the paper leaves open and this training had to choose, one phrase each."""
    setting = training.setting
    yield f"batch {setting.recipe.get('batch')}"
    budget = setting.recipe.get("epochs")
    early = training.interpolated and training.epochs == training.interpolation_epoch
    end = f"until training error 0, for {training.epochs}" if early else f"for {training.epochs}"
    yield f"{end} of at most {budget} epochs"
    if setting.weight_decay:
        yield f"coefficient of the weight decay {setting.weight_decay:g}"
    yield setting.precision
