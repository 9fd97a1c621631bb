"""The cards of a report: each bound by itself, with its numbers, its quantities and its assumptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import without_folders
from ..record import UNCERTIFIED
from . import text
from .report import Judged, Report
from .text import anchor, code, escape


def card(report: Report, identifier: str) -> str:
    """The markdown of one bound: its statement, and what it says of each run that it was tried on."""
    tried = list(report.outcomes(identifier))
    b = next((b for _, b in tried if b["value"] is not None), tried[0][1])
    parts = [
        f'<a id="{anchor(identifier)}"></a>\n\n### {escape(b["title"])}',
        f"{code(identifier)}, {_source(b)}",
    ]
    if b["latex"]:
        statement = f"$$\n\\text{{error}} \\;\\le\\; {text.escape_latex_dollars(b['latex'])}\n$$"
        parts.append(statement)
        if b.get("where"):
            lines = [f"{w['name']} &= {text.escape_latex_dollars(w['latex'])}" for w in b["where"]]
            parts.append("with\n\n$$\n\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}\n$$")
    valued = [(run, b) for run, b in tried if b["value"] is not None]
    for run, b in tried:
        if b["value"] is None:
            reasons = "".join(f"\n- {escape(reason)}" for reason in b["reasons"])
            parts.append(f"**{escape(run.name)}: {b['verdict']}.**{reasons}")
        if b["traceback"]:
            parts.append(
                "```text\n" + without_folders(b["traceback"]).replace("```", "'''").rstrip() + "\n```"
            )
    parts += [_outcome(run, b) for run, b in valued]
    if valued:
        parts.append(_quantities(valued))
        parts.append(_assumptions(valued))
    return "\n\n".join(parts)


def _source(b: Mapping[str, Any]) -> str:
    c = b["citation"]
    if c is None:
        return f"plugin {escape(b['plugin'])}"
    number = f", {escape(c['theorem'])}" if c["theorem"] else ""
    page = f"; the form used here is derived in {code(c['derivation'])}" if c["derivation"] else ""
    source = f"[{escape(c['key'])}](#references){number}{page}."
    if b["guarantee"] in UNCERTIFIED:
        return f"{source} {UNCERTIFIED[b['guarantee']].capitalize()}"
    kind = "with probability 1 − δ" if b["guarantee"] == "HP" else b["guarantee"]
    return f"{source} Holds {kind}, for the {_object(b['object'])}."


def _object(name: str) -> str:
    return {
        "det": "trained network itself",
        "compressed": "network with its weights rounded to 8 bits",
        "gibbs": "randomized network",
        "online-avg": "average predictor on the prefixes of the training set",
        "online-late": "average predictor on the later half of the prefixes",
    }.get(name, name)


def _outcome(run: Judged, b: Mapping[str, Any]) -> str:
    asserted = [a["name"] for a in b["assumptions"] if a["status"] == "asserted"]
    conditional = f", conditional on {', '.join(asserted)} (asserted)" if asserted else ""
    lines = [f"**{escape(run.name)}: {b['verdict']}**, value {text.value(b['value'])}{conditional}."]
    if b["object"] != "det" and b.get("observed"):
        low, high = b["observed"]["lo"], b["observed"]["hi"]
        lines.append(
            f"Its test error lies in [{100 * low:.2f}, {100 * high:.2f}] per cent: it is not the trained network."
        )
    lines += [escape(reason) for reason in b["reasons"]]
    if b["latex_numbers"]:
        lines.append(f"\n$$\n{text.escape_latex_dollars(b['latex_numbers'])}\n$$\n")
    names = [f"${w['name']}$ = {_measured(w)}" for w in b.get("where", [])]
    if names:
        lines.append("Here " + ", ".join(names) + ".")
    terms = [t for t in b["terms"] if t["log10_hi"] is not None]
    if len(terms) > 1:
        top = max(terms, key=lambda t: t["log10_hi"])
        lines.append(
            f"The term that dominates is ${text.escape_latex_dollars(top['latex'])}$ = {text.value({**top, 'log10_below_one': None})}."
        )
    if b["margin"] is not None:
        every = text.digits(b["every_margin"]["lo"], b["every_margin"]["log10_lo"])
        lines.append(
            f"Best declared margin {text.digits(b['margin']['lo'], b['margin']['log10_lo'])}; at every margin whatsoever the bound is at "
            f"least {every}."
        )
    moves = sorted(b["elasticities"].items(), key=lambda item: -abs(item[1]))
    shown = [f"{_symbol_tex(b, s)} {slope:+.2g}" for s, slope in moves if abs(slope) >= 0.005][:6]
    if shown:
        lines.append(
            "Elasticities (per cent of the bound for one per cent of the symbol): " + ", ".join(shown) + "."
        )
    lines.append(_needed(b, run))
    return "\n".join(lines)


def _symbol_tex(b: Mapping[str, Any], symbol: str) -> str:
    return f"${b['symbols'][symbol]['latex']}$" if symbol in b["symbols"] else escape(symbol)


def _needed(b: Mapping[str, Any], run: Judged) -> str:
    needed = b["sample_size_needed"]
    if needed["symbol"] is None:
        return "How many examples it would take could not be computed."
    kind = "test " if b["family"] == "test-set" else ""
    have = run.evaluation["test_size" if kind else "n"]
    if needed["log10"] is None:
        return f"All else as measured, no number of {kind}examples up to 10⁴⁰⁰ brings it below the error of guessing."
    return (
        f"All else as measured, it falls below the error of guessing from {text.count(needed['log10']).replace('examples', kind + 'examples')} "
        f"on; there are {have:,}."
    )


def _quantities(valued: Sequence[tuple[Judged, Mapping[str, Any]]]) -> str:
    symbols = list(dict.fromkeys(s for _, b in valued for s in b["symbols"]))
    rows = []
    for symbol in symbols:
        filled = [(run, b["symbols"][symbol]) for run, b in valued if symbol in b["symbols"]]
        first = filled[0][1]
        values = [_measured(b["symbols"].get(symbol)) for _, b in valued]
        evidence = [(run, f"{stored['evidence']}: {stored['method']}") for run, stored in filled]
        rows.append([f"${first['latex']}$", escape(first["title"]), *values, _by_run(evidence)])
    header = ["symbol", "quantity", *(escape(run.name) for run, _ in valued), "evidence"]
    return text.table(header, rows, "ll" + "r" * len(valued) + "l")


def _by_run(said: Sequence[tuple[Judged, str]]) -> str:
    """What is said of each run; once where it is the same."""
    if len({sentence for _, sentence in said}) == 1:
        return escape(said[0][1])
    return "; ".join(f"{escape(run.name)} {escape(sentence)}" for run, sentence in said)


def _measured(stored: Mapping[str, Any] | None) -> str:
    if stored is None:
        return "–"
    parts = stored.get("layers", [stored])
    return ", ".join(_plain(part) for part in parts)


def _plain(part: Mapping[str, Any]) -> str:
    low, high = part["lo"], part["hi"]
    if low is not None and low == high and float(low).is_integer() and abs(low) < 1e9:
        return f"{int(low):,}"
    return text.value({**part, "log10_below_one": None})


def _assumptions(valued: Sequence[tuple[Judged, Mapping[str, Any]]]) -> str:
    rows = []
    for index, assumption in enumerate(valued[0][1]["assumptions"]):
        states = [(run, b["assumptions"][index]) for run, b in valued]
        rows.append(
            (
                escape(assumption["statement"]),
                _by_run([(run, f"{a['status']}: {a['reason']}") for run, a in states]),
            )
        )
    return text.table(("assumption", "evidence"), rows)
