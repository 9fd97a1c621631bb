"""Fill the outputs in README.md with what the program prints: `python docs/readme.py`. A test holds them to it.

A marker `<!-- output: NAME -->` is followed by the output of NAME. `demo` trains two networks and takes a minute; it is
read from the committed run instead when `--no-demo` is given.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import get_args

from boundcheck.bound import Family
from boundcheck.cli import main
from boundcheck.registry import installed
from boundcheck.report.text import table

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def printed(*arguments: str) -> str:
    """What a command prints on standard output."""
    buffer = io.StringIO()
    with contextlib.redirect_stdout(buffer), contextlib.suppress(SystemExit):
        main(arguments)
    return buffer.getvalue()


def python_output(text: str, name: str = "python") -> str:
    """What an example of the README prints."""
    (code,) = re.findall(rf"<!-- example: {name} -->\n```python\n(.*?)```", text, re.DOTALL)
    buffer = io.StringIO()
    with contextlib.redirect_stdout(buffer):
        exec(compile(code, "README.md", "exec"), {})
    return block(buffer.getvalue())


def bounds_output() -> str:
    """The table of bounds by family, each linked to its proof, and the measures."""
    registry = installed()
    families: dict[str, list[str]] = {}
    for b in registry.bounds.values():
        mark = "" if b.guarantee == "HP" else "*"
        families.setdefault(b.family, []).append(f"[`{b.id}`]({b.citation.derivation}){mark}")
    order = [family for family in get_args(Family) if family in families]
    rows = [(family, str(len(families[family])), ", ".join(families[family])) for family in order]
    measures = ", ".join(f"`{m.id}`" for m in registry.measures.values())
    rows.append(("[measures](docs/measures.md)", str(len(registry.measures)), measures))
    return table(
        (
            "family",
            "",
            "each linked to its proof; with a star: no guarantee for one network (as published, in expectation, or a floor under others)",
        ),
        rows,
        "lrl",
    )


def block(text: str) -> str:
    """A fenced block without trailing spaces."""
    lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return f"```text\n{lines}\n```"


def section(text: str, name: str) -> str:
    """The present output of a marker."""
    match = re.search(_pattern(name), text, re.DOTALL)
    return "" if match is None else match.group(2).strip()


def _pattern(name: str) -> str:
    return rf"(<!-- output: {name} -->\n\n)((?:```text\n.*?```|(?:\|[^\n]*(?:\n(?=\|))?)+|))"


def fill(text: str, name: str, output: str) -> str:
    """The text with the output of a marker replaced."""
    return re.sub(_pattern(name), lambda m: m.group(1) + output, text, count=1, flags=re.DOTALL)


if __name__ == "__main__":
    readme = README.read_text()
    for example in ("flax", "python"):
        readme = fill(readme, example, python_output(readme, example))
    readme = fill(readme, "bounds", bounds_output())
    if "--no-demo" not in sys.argv:
        readme = fill(readme, "demo", block(printed("demo")))
    README.write_text(readme)
