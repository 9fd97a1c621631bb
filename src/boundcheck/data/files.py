"""Where the files of a data set come from: the folder in `BOUNDCHECK_DATA`, else a checked download."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pooch

from ..errors import DataError

VARIABLE = "BOUNDCHECK_DATA"

Opener = Callable[[str], io.BufferedIOBase]
"""Opens a file of the data set by its plain name."""


def data_folder() -> Path | None:
    """The folder named by `BOUNDCHECK_DATA`; None when it is unset or empty."""
    value = os.environ.get(VARIABLE, "")
    return Path(value).expanduser() if value else None


def from_folder(folder: Path, subfolder: str) -> Opener:
    """Opens files in a subfolder of the user's folder. Raises `DataError`, in words, for what is missing."""

    def open_file(name: str) -> io.BufferedIOBase:
        path = folder / subfolder / name
        for directory, what in (
            (folder, f"the folder in {VARIABLE}"),
            (path.parent, "the data set's folder"),
        ):
            if not directory.is_dir():
                raise DataError(
                    f"{directory}, {what}, is not a directory; {subfolder}/{name} is needed in {folder}. Put "
                    f"it there, or unset {VARIABLE} to download."
                )
        try:
            return path.open("rb")
        except OSError as error:
            raise DataError(
                f"{path} cannot be read ({error.strerror}); {subfolder}/{name} is needed in the folder in "
                f"{VARIABLE}. Put it there, or unset {VARIABLE} to download."
            ) from None

    return open_file


def download(url: str, md5: str, wanted: str) -> Path:
    """The file at `url` in pooch's cache, fetched unless it is there already, with its MD5 checked.

    Raises `DataError` when it cannot be fetched, naming both ways to supply `wanted`, or has another digest.
    """
    cache = Path(pooch.os_cache("boundcheck"))
    name = url.rsplit("/", 1)[1]
    try:
        return Path(pooch.retrieve(url, known_hash=f"md5:{md5}", fname=name, path=cache))
    except ValueError:
        raise DataError(
            f"{url} was downloaded with another digest than md5 {md5}: it was altered or cut on the way. Try "
            f"again, or put {wanted} into the folder named by {VARIABLE}."
        ) from None
    except OSError as error:  # what requests raises is an OSError too
        raise DataError(
            f"{wanted} is not at hand, and {url} cannot be downloaded ({type(error).__name__}). Connect to "
            f"the network, or put it into a folder and name that folder in {VARIABLE}."
        ) from None


def from_downloads(base: str, md5s: dict[str, str], subfolder: str) -> Opener:
    """Opens single files below `base`, each downloaded when first asked for."""
    return lambda name: download(base + name, md5s[name], f"{subfolder}/{name}").open("rb")


def from_archive(url: str, md5: str, subfolder: str) -> Opener:
    """Opens members of a downloaded tar archive by their exact names; nothing is unpacked to disk."""

    def open_file(name: str) -> io.BufferedIOBase:
        member = f"{subfolder}/{name}"
        path = download(url, md5, member)
        try:
            with tarfile.open(path) as archive:
                content = archive.extractfile(member)
                if content is None:
                    raise KeyError(member)
                return io.BytesIO(content.read())
        except (KeyError, tarfile.TarError, EOFError, OSError):
            raise DataError(
                f"{url} holds no file {member}; the archive as its authors distribute it is needed. Put "
                f"{member} into the folder named by {VARIABLE}."
            ) from None

    return open_file
