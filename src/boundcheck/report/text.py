"""Numbers and names as a reader sees them, from the stored form of an evaluation."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(exponent: int) -> str:
    """10 to a whole power, in Unicode."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def digits(x: float | None, log10: float | None) -> str:
    """Three significant digits at any magnitude; beyond a double only the power of ten is known."""
    if x is None:
        return "∞" if log10 is None else _scientific(log10)
    if x == 0:
        return "0"
    if 1e-3 <= abs(x) < 1e4:
        return f"{x:.3g}" if abs(x) < 1000 else f"{x:.0f}"
    return _scientific(math.log10(abs(x)))


def _scientific(log10: float) -> str:
    exponent = math.floor(log10)
    mantissa = 10 ** (log10 - exponent)
    if f"{mantissa:.1f}" == "10.0":
        mantissa, exponent = 1.0, exponent + 1
    return f"{mantissa:.1f}·{power(exponent)}"


def value(v: Mapping[str, Any] | None) -> str:
    """A bound's value: one number where both ends print alike, else both; 1 − 10⁻ᵏ where it hugs 1 from below."""
    if v is None:
        return "–"
    below = v.get("log10_below_one")
    if below is not None and below < -4:
        return (
            f"1 − {_scientific(below).replace('1.0·', '')}" if below > -15 else f"1 − {power(round(below))}"
        )
    low, high = digits(v["lo"], v["log10_lo"]), digits(v["hi"], v["log10_hi"])
    return low if low == high else f"{low} to {high}"


def percent(x: float) -> str:
    """A rate in per cent."""
    return f"{100 * x:.2f} %"


def count(log10: float | None) -> str:
    """A number of examples in words that can be pictured."""
    if log10 is None:
        return "no sample size up to 10⁴⁰⁰"
    if log10 < 6:
        return f"{math.ceil(10**log10):,} examples".replace(",", " ")
    return f"{_scientific(log10)} examples"


def columns(rows: Sequence[Sequence[str]], align: str) -> str:
    """Rows as aligned columns of plain text; `align`: one of l, r a column."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(align))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if a == "r" else cell.ljust(width)
            for cell, width, a in zip(row, widths, align, strict=True)
        ).rstrip()
        for row in rows
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """A markdown table; cells are markdown already. `align`: one of l, r, c a column."""
    marks = {"l": "---", "r": "---:", "c": ":---:"}
    align = align or "l" * len(header)
    lines = [header, [marks[a] for a in align], *rows]
    return "\n".join("| " + " | ".join(cell.replace("\n", " ") for cell in line) + " |" for line in lines)


_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~$])")


def escape(text: str) -> str:
    """Text from runs and plugins, safe inside a line or a table cell of markdown."""
    flat = " ".join(str(text).split())
    return _MARKDOWN.sub(r"\\\1", html.escape(flat, quote=False))


def code(text: str) -> str:
    """A code span of any text."""
    return "`" + " ".join(str(text).split()).replace("`", "'").replace("|", r"\|").replace("<", "‹") + "`"


def anchor(text: str) -> str:
    """A link target made of any text."""
    return re.sub(r"[^A-Za-z0-9-]", "-", text)


def escape_latex_dollars(tex: str) -> str:
    """LaTeX of a plugin, kept from ending its own formula."""
    return tex.replace("$", r"\$").replace("\n", " ")
