"""BibTeX of the works that theorems come from, and of boundcheck itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Final

from .theorem import Citation, Kind, Reference

VOLUME: Final = re.compile(
    r"(?P<journal>.+) (?P<volume>\d+)(?:\((?P<number>[\d-]+)\))?:(?P<pages>\d+(?:-\d+)?)"
)
"""A journal's venue, such as "Journal 24(6):377-380"."""

SPECIAL: Final = {
    "\\": r"\textbackslash{}",
    # Not \{ and \}: BibTeX counts those too, and one alone would swallow the rest of the file.
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{c: f"\\{c}" for c in "&%$#_"},
    "–": "--",
    "—": "---",
    "ß": r"{\ss}",
    "æ": r"{\ae}",
    "Æ": r"{\AE}",
    "œ": r"{\oe}",
    "Œ": r"{\OE}",
    "ø": r"{\o}",
    "Ø": r"{\O}",
    "ł": r"{\l}",
    "Ł": r"{\L}",
    "ı": r"{\i}",
}

ACCENTS: Final = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
    "\u0328": "k",
}
"""Combining characters, by what LaTeX calls them."""


def latex(text: str) -> str:
    """`text` for LaTeX: special characters escaped, accents as commands. A letter LaTeX has no command for stays."""
    return "".join(map(_character, " ".join(text.split())))


def _character(c: str) -> str:
    if c in SPECIAL:
        return SPECIAL[c]
    base, *marks = unicodedata.normalize("NFD", c)
    if not marks or any(mark not in ACCENTS for mark in marks):
        return c
    for mark in marks:
        dotless = {"i": r"\i", "j": r"\j"}.get(base, base) if mark not in "\u0327\u0328" else base
        base = f"{{\\{ACCENTS[mark]}{{{dotless}}}}}"
    return base


def entry(work: Reference, key: str = "") -> str:
    """The BibTeX entry of a work, under another key if one is given."""
    kind, venue = _venue(work)
    fields = {
        "author": " and ".join(map(latex, _authors(work.authors))),
        # Braces keep the capitals that the title has.
        "title": f"{{{latex(work.title)}}}",
        **venue,
        "year": str(work.year),
        **_identifier(work.identifier),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key or work.key},", *lines, "}"])


def _authors(authors: str) -> list[str]:
    return [name for name in re.split(r",? and |, ", authors) if name]


def _venue(work: Reference) -> tuple[Kind, dict[str, str]]:
    match = VOLUME.fullmatch(work.venue)
    kind = work.kind or ("article" if match else "misc")
    if kind == "article":
        if match is None:
            return kind, {"journal": latex(work.venue)}
        found = {name: latex(text or "") for name, text in match.groupdict().items()}
        return kind, {**found, "pages": found["pages"].replace("-", "--")}
    field = {"inproceedings": "booktitle", "book": "publisher", "misc": "howpublished"}[kind]
    edition, _, publisher = work.venue.partition(" edition, ")
    if kind == "book" and publisher:
        return kind, {"edition": latex(edition), "publisher": latex(publisher)}
    return kind, {field: latex(work.venue)}


def _identifier(text: str) -> dict[str, str]:
    bare = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", text, flags=re.IGNORECASE)
    if bare.startswith("10."):
        return {"doi": latex(bare)}
    if text.lower().startswith("arxiv:"):
        return {"eprint": latex(text[6:]), "archiveprefix": "arXiv"}
    return {"url" if "://" in text else "note": text if "://" in text else latex(text)}


def software() -> str:
    """boundcheck itself, in the installed version; the same as CITATION.cff."""
    fields = {
        "author": "{The boundcheck authors}",
        "title": "{boundcheck: theory against experiment for generalization bounds}",
        "howpublished": "Software",
        "note": f"Version {metadata.version('boundcheck')}, Apache-2.0",
    }
    return "\n".join(
        ["@misc{boundcheck,", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"]
    )


def bibliography(used: Mapping[str, Citation]) -> str:
    """BibTeX of boundcheck and of the works cited by these bounds, each work once, in the order of the keys.

    **Arguments.** `used`: the citation of each bound, by its id. Above an entry stands which theorem of it which bound
    evaluates, and how the form differs from the printed one. Works of one key that are not the same get keys of their own.
    """
    works: dict[Reference, list[str]] = {}
    for identifier, citation in sorted(used.items()):
        said = ", ".join(
            filter(None, (citation.theorem, citation.changes and f"changed: {citation.changes}"))
        )
        works.setdefault(citation.reference, []).append(
            _comment(f"{identifier}: {said}" if said else identifier)
        )
    entries = [software()]
    for key, work in _keyed(works):
        entries.append("\n".join([*works[work], entry(work, key)]))
    return "\n\n".join(entries) + "\n"


def _comment(text: str) -> str:
    """A line that BibTeX skips: outside entries only `@` means anything to it."""
    return "% " + " ".join(text.split()).replace("@", "(at)")


def _keyed(works: Iterable[Reference]) -> list[tuple[str, Reference]]:
    keyed: dict[str, Reference] = {}
    for work in sorted(works, key=lambda work: (work.key, str(work))):
        base = re.sub(r"[^A-Za-z0-9:.+/-]", "", work.key) or "work"
        key, letter = base, "b"
        while key.lower() in {k.lower() for k in keyed} | {"boundcheck"}:
            key, letter = f"{base}{letter}", chr(ord(letter) + 1)
        keyed[key] = work
    return list(keyed.items())
