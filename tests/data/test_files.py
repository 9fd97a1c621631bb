"""Both downloadable data sets, from tiny files in their authors' formats, whole and damaged."""

import dataclasses
import gzip
import hashlib
import io
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests

from boundcheck.data import definitions, files, load_dataset
from boundcheck.errors import DataError

N_TRAIN, N_TEST = 10, 4


@pytest.fixture(autouse=True)
def tiny_and_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    tiny = {
        name: dataclasses.replace(definition, n_train=N_TRAIN, n_test=N_TEST)
        for name, definition in definitions.DATASETS.items()
    }
    monkeypatch.setattr(definitions, "DATASETS", tiny)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.delenv(files.VARIABLE, raising=False)

    def no_network(*args: object, **kwargs: object) -> None:
        raise requests.exceptions.ConnectionError("no network in tests")

    monkeypatch.setattr(requests.Session, "request", no_network)
    definitions._load.cache_clear()
    yield
    definitions._load.cache_clear()  # what was read here is not what other tests may find


def idx(array: np.ndarray, *, magic: int | None = None, dimensions: tuple[int, ...] | None = None) -> bytes:
    dimensions = array.shape if dimensions is None else dimensions
    magic = 0x0800 + len(dimensions) if magic is None else magic
    return gzip.compress(struct.pack(f">I{len(dimensions)}I", magic, *dimensions) + array.tobytes())


def images(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, *shape), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "files"
    fashion, cifar = root / "fashion-mnist", root / "cifar-10-batches-bin"
    fashion.mkdir(parents=True)
    cifar.mkdir()
    for prefix, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        (fashion / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images(n, 28, 28)))
        (fashion / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(n, dtype=np.uint8) % 10))
    for i in range(1, 6):
        (cifar / f"data_batch_{i}.bin").write_bytes(records(N_TRAIN // 5, first=i))
    (cifar / "test_batch.bin").write_bytes(records(N_TEST, first=0))
    monkeypatch.setenv(files.VARIABLE, str(root))
    return root


def records(n: int, *, first: int) -> bytes:
    return b"".join(bytes([(first + i) % 10]) + images(n, 3, 32, 32)[i].tobytes() for i in range(n))


def test_fashion_mnist_is_read_as_it_was_written(folder: Path):
    dataset = load_dataset("fashion-mnist")
    assert np.array_equal(dataset.train_images[..., 0], images(N_TRAIN, 28, 28))
    assert np.array_equal(dataset.test_images[..., 0], images(N_TEST, 28, 28))
    assert dataset.train_labels.tolist() == list(range(10))
    assert dataset.train_labels.dtype == np.int64
    assert dataset.source == "the folder in BOUNDCHECK_DATA"


def test_cifar_planes_become_channels(folder: Path):
    dataset = load_dataset("cifar10")
    assert dataset.train_images.shape == (N_TRAIN, 32, 32, 3)
    assert np.array_equal(dataset.train_images[:2].transpose(0, 3, 1, 2), images(2, 3, 32, 32))
    assert dataset.train_labels.tolist() == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]
    assert dataset.test_labels.tolist() == [0, 1, 2, 3]


def test_one_other_pixel_gives_another_digest(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before = load_dataset("fashion-mnist").digest
    other = images(N_TRAIN, 28, 28)
    other[3, 4, 5] ^= 1
    copy = tmp_path / "copy"
    folder.rename(copy)
    (copy / "fashion-mnist" / "train-images-idx3-ubyte.gz").write_bytes(idx(other))
    monkeypatch.setenv(files.VARIABLE, str(copy))
    assert load_dataset("fashion-mnist").digest != before


LABELS = np.arange(N_TRAIN, dtype=np.uint8)
WHOLE = idx(images(N_TRAIN, 28, 28))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train-images-idx3", WHOLE[:-9], "is not a whole gzip file"),
        ("train-images-idx3", b"<html>not found</html>", "is not a whole gzip file"),
        ("train-images-idx3", WHOLE[:20] + b"\xff\xff\xff" + WHOLE[23:], "is not a whole gzip file"),
        ("train-images-idx3", b"", "begins with 0 bytes; magic number 0x00000803 is needed"),
        ("train-images-idx3", gzip.compress(b"\0\0\x08"), "begins with 3 bytes"),
        ("train-images-idx3", idx(LABELS), "begins with magic number 0x00000801; magic number 0x00000803"),
        ("train-images-idx3", idx(images(N_TRAIN, 28, 14)), r"has dimensions \[10, 28, 14\]; \[10, 28, 28\]"),
        (
            "train-images-idx3",
            idx(images(9, 28, 28), dimensions=(N_TRAIN, 28, 28)),
            "holds 7072 bytes; exactly 7856",
        ),
        (
            "train-images-idx3",
            idx(images(11, 28, 28), dimensions=(N_TRAIN, 28, 28)),
            "holds more than 7856 bytes",
        ),
        (
            "train-labels-idx1",
            idx(LABELS + np.uint8(1)),
            r"gives example 9 the label 10; labels 0\.\.9 are needed",
        ),
        ("train-labels-idx1", idx(LABELS[:-1]), r"has dimensions \[9\]; \[10\] are needed"),
    ],
)
def test_a_damaged_idx_file_is_named_with_what_is_needed(
    folder: Path, name: str, content: bytes, message: str
):
    (folder / "fashion-mnist" / f"{name}-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset("fashion-mnist")
    assert f"fashion-mnist/{name}-ubyte.gz" in str(caught.value)
    assert "Supply the file as its authors distribute it." in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (records(2, first=0)[:-1], "holds 6145 bytes; exactly 6146 bytes are needed, 2 records of 3073"),
        (records(2, first=0) + b"\0", "holds more; exactly 6146 bytes are needed"),
        (b"\x0a" + records(2, first=0)[1:], r"gives example 0 the label 10; labels 0\.\.9 are needed"),
    ],
)
def test_a_damaged_cifar_batch_is_named_with_what_is_needed(folder: Path, content: bytes, message: str):
    (folder / "cifar-10-batches-bin" / "data_batch_3.bin").write_bytes(content)
    with pytest.raises(DataError, match=f"cifar-10-batches-bin/data_batch_3.bin {message}"):
        load_dataset("cifar10")


def test_a_missing_file_says_both_ways_to_supply_it(folder: Path):
    (folder / "cifar-10-batches-bin" / "test_batch.bin").unlink()
    with pytest.raises(
        DataError, match=r"cifar-10-batches-bin/test_batch.bin is needed .* Put it there, or unset"
    ):
        load_dataset("cifar10")


def test_a_folder_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(
        DataError, match=r"absent, the folder in BOUNDCHECK_DATA, is not a directory; fashion-mnist/"
    ):
        load_dataset("fashion-mnist")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fashion-mnist", "fashion-mnist/train-images-idx3-ubyte.gz"),
        ("cifar10", "cifar-10-batches-bin/data_batch_1.bin"),
    ],
)
def test_without_network_and_folder_both_ways_are_named(name: str, wanted: str):
    with pytest.raises(
        DataError, match=r"cannot be downloaded .* Connect to the network, or put it .* BOUNDCHECK_DATA"
    ) as caught:
        load_dataset(name)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def deliver(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    def downloader(url: str, output_file: str, pooch: object) -> None:
        Path(output_file).write_bytes(content)

    monkeypatch.setattr("pooch.core.choose_downloader", lambda url, **options: downloader)


def test_a_download_with_another_digest_is_refused(monkeypatch: pytest.MonkeyPatch):
    deliver(monkeypatch, b"something else")
    with pytest.raises(
        DataError, match=r"was downloaded with another digest than md5 8d4fb7e6c68d591d4c3dfef9ec88bf0d"
    ):
        load_dataset("fashion-mnist")


def test_cifar_members_are_read_from_the_archive_by_exact_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    expected = load_dataset("cifar10").digest
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        hostile = tarfile.TarInfo("../escape.txt")
        tar.addfile(hostile, io.BytesIO())
        for path in sorted((folder / "cifar-10-batches-bin").iterdir()):
            tar.add(path, f"cifar-10-batches-bin/{path.name}")
    deliver(monkeypatch, archive.getvalue())
    monkeypatch.setattr(definitions, "_CIFAR_MD5", md5(archive.getvalue()))
    monkeypatch.delenv(files.VARIABLE)
    dataset = load_dataset("cifar10")
    assert dataset.digest == expected
    assert dataset.source == "downloaded"
    assert not list(tmp_path.rglob("escape.txt"))


def test_an_archive_without_the_member_is_refused(monkeypatch: pytest.MonkeyPatch):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("cifar-10-batches-bin/readme.html"), io.BytesIO())
    deliver(monkeypatch, archive.getvalue())
    monkeypatch.setattr(definitions, "_CIFAR_MD5", md5(archive.getvalue()))
    with pytest.raises(DataError, match=r"holds no file cifar-10-batches-bin/data_batch_1\.bin"):
        load_dataset("cifar10")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
