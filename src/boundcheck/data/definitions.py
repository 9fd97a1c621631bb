"""The data sets by name: what they hold, where their files come from, and how they are read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from ..errors import DataError, UnknownNameError
from .dataset import Dataset
from .files import Opener, data_folder, from_archive, from_downloads, from_folder
from .formats import check_classes, read_cifar, read_idx
from .streams import permutation

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A data set that can be loaded.

    **Fields.** `shape`: of one stored image, channels last. `brightest`: the largest value that a pixel of its format can
    have. `origin`: who made it and how it is supplied, in
    words. `preparation`: the default one. `read`: the four arrays and the words for their source, given the
    user's folder.
    """

    name: str
    title: str
    n_train: int
    n_test: int
    shape: tuple[int, int, int]
    classes: int
    origin: str
    preparation: str
    read: Callable[[Definition, Path | None], tuple[Arrays, str]]
    brightest: int = 255


def _digits(definition: Definition, folder: Path | None) -> tuple[Arrays, str]:
    from sklearn.datasets import load_digits  # costs a second to import, and only this data set needs it

    bunch: Any = load_digits()
    images = bunch["images"].astype(np.uint8)[..., None]
    labels = bunch["target"].astype(np.int64)
    # The published order groups the examples by writer; a fixed permutation, which knows no labels, mixes
    # them.
    order = permutation(len(labels), seed=0x646967697473)
    train, test = order[: definition.n_train], order[definition.n_train :]
    return (images[train], labels[train], images[test], labels[test]), "embedded in scikit-learn"


_FASHION_URL: Final = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_FASHION_MD5: Final = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
_CIFAR_URL: Final = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_CIFAR_MD5: Final = "c32a1d4ab5d03f1284b67883e8d87530"


def _opener(folder: Path | None, subfolder: str, otherwise: Opener) -> tuple[Opener, str]:
    if folder is None:
        return otherwise, "downloaded"
    return from_folder(folder, subfolder), "the folder in BOUNDCHECK_DATA"


def _fashion_mnist(definition: Definition, folder: Path | None) -> tuple[Arrays, str]:
    subfolder = definition.name
    open_file, source = _opener(folder, subfolder, from_downloads(_FASHION_URL, _FASHION_MD5, subfolder))
    height, width, _ = definition.shape
    arrays = []
    for prefix, n in (("train", definition.n_train), ("t10k", definition.n_test)):
        name = f"{prefix}-images-idx3-ubyte.gz"
        with open_file(name) as file:
            arrays.append(read_idx(file, f"{subfolder}/{name}", (n, height, width))[..., None])
        name = f"{prefix}-labels-idx1-ubyte.gz"
        with open_file(name) as file:
            labels = read_idx(file, f"{subfolder}/{name}", (n,))
        arrays.append(check_classes(labels, f"{subfolder}/{name}", definition.classes))
    return (arrays[0], arrays[1], arrays[2], arrays[3]), source


def _cifar10(definition: Definition, folder: Path | None) -> tuple[Arrays, str]:
    subfolder = "cifar-10-batches-bin"
    open_file, source = _opener(folder, subfolder, from_archive(_CIFAR_URL, _CIFAR_MD5, subfolder))

    def batch(name: str, records: int) -> tuple[np.ndarray, np.ndarray]:
        with open_file(name) as file:
            images, labels = read_cifar(file, f"{subfolder}/{name}", records)
        return images, check_classes(labels, f"{subfolder}/{name}", definition.classes)

    batches = [batch(f"data_batch_{i}.bin", definition.n_train // 5) for i in range(1, 6)]
    images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    return (images, labels, *batch("test_batch.bin", definition.n_test)), source


DATASETS: Final = MappingProxyType(
    {
        definition.name: definition
        for definition in (
            Definition(
                name="digits",
                title="Handwritten digits, 8x8, of 43 writers",
                n_train=1437,
                n_test=360,
                shape=(8, 8, 1),
                classes=10,
                origin="Alpaydin and Kaynak 1998, the test part; embedded in scikit-learn",
                preparation="unit16",
                read=_digits,
                # Each pixel counts the marked ones among 4x4 of the 32x32 bitmap.
                brightest=16,
            ),
            Definition(
                name="fashion-mnist",
                title="Fashion-MNIST, articles of clothing, 28x28",
                n_train=60_000,
                n_test=10_000,
                shape=(28, 28, 1),
                classes=10,
                origin="Xiao, Rasul and Vollgraf 2017; downloaded, or fashion-mnist/ in BOUNDCHECK_DATA",
                preparation="unit",
                read=_fashion_mnist,
            ),
            Definition(
                name="cifar10",
                title="CIFAR-10, photographs, 32x32, colour",
                n_train=50_000,
                n_test=10_000,
                shape=(32, 32, 3),
                classes=10,
                origin="Krizhevsky 2009; downloaded, or cifar-10-batches-bin/ in BOUNDCHECK_DATA",
                preparation="unit",
                read=_cifar10,
            ),
        )
    }
)
"""The data sets by name."""


def load_dataset(name: str) -> Dataset:
    """The data set of this name, read once and then shared.

    Raises `UnknownNameError` for a name that is not in `DATASETS`, and `DataError` for files that are absent
    or damaged.
    """
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    return _load(name, data_folder())


@functools.cache
def _load(name: str, folder: Path | None) -> Dataset:
    definition = DATASETS[name]
    (train_images, train_labels, test_images, test_labels), source = definition.read(definition, folder)
    for images in (train_images, test_images):
        if images.max(initial=0) > definition.brightest:
            raise DataError(
                f"{name}: a pixel is {images.max()}; at most {definition.brightest} is possible. Supply the data set as "
                "distributed."
            )
    return Dataset(
        name=name,
        classes=definition.classes,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        preparation=definition.preparation,
        source=source,
    )
