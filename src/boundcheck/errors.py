"""What a user is told when something they gave cannot be used.

Every message says what was received, what is needed and what to do next, in one line. The command line prints
these without a traceback and exits with status 2; any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

_FOLDERS: Final = re.compile(r"(?<![\w:/.])(?:/[\w.+-]+)+/(?=[\w.+-]+)")
"""The folders of an absolute path; not those of an address."""


def said(error: Exception) -> str:
    """An unexpected error in one line, its kind first, without folders."""
    return without_folders(f"{type(error).__name__}: {' '.join(str(error).split())}")


def without_folders(text: str) -> str:
    """The text with every absolute path cut to its file name: what is published speaks of no machine."""
    return _FOLDERS.sub("", text)


class BoundcheckError(Exception):
    """Input that cannot be used; the message is the whole explanation."""


class ExperimentError(BoundcheckError):
    """An experiment file that cannot be read as one."""


class DataError(BoundcheckError):
    """A data set that is absent, damaged, or not what it claims to be."""


class RunError(BoundcheckError):
    """A run directory, or arrays given as a run, that cannot be judged."""


class PluginError(BoundcheckError):
    """A plugin that does not load, or declares something inconsistent."""


class UnknownNameError(BoundcheckError):
    """A name that is not registered; the nearest registered one is suggested."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class NetworkError(BoundcheckError):
    """A function that cannot be expressed as a network; `reasons` lists every obstacle, not only the first."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))
