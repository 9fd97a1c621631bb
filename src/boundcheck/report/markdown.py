"""A report as GitHub-flavoured markdown: a pure function of stored evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import storage
from ..record import UNCERTIFIED
from . import measures, plots, text
from .report import Judged, Report
from .text import anchor, code, escape

ORDER = ("non-vacuous", "vacuous", "uninformative", "inconclusive", "violated", "failed", "not-applicable")


def write(report: Report, directory: Path, *, title: str, question: str = "", command: str = "") -> Path:
    """Write `report.md` (as README.md would render: relative links) and `figures/`; returns the markdown's path."""
    plots.save(plots.ladder(report, report.leaders), directory / "figures" / "summary")
    plots.save(plots.ladder(report), directory / "figures" / "ladder")
    if report.measures and len(report.runs) > 1:
        plots.save(plots.measures(report), directory / "figures" / "measures")
    if any(run.history for run in report.runs):
        plots.save(plots.trainings(report), directory / "figures" / "training")
    path = directory / "report.md"
    storage.write(path, render(report, title=title, question=question, command=command))
    return path


def render(report: Report, *, title: str, question: str = "", command: str = "") -> str:
    """The markdown of a report."""
    parts = [
        f"# {escape(title)}",
        *([f"*{escape(question)}*"] if question else []),
        *_overview(report),
        _finding(report),
        "![" + _summary_text(report) + "](figures/summary.png)",
        "Of each family the smallest bound. Each bound by its value on a logarithmic axis; a wide bar is an interval, both ends certified. Shaded: at least 1, "
        "where a bound says nothing. Dashed: the error of guessing. Red: the observed test error with its confidence "
        "interval. A filled marker is a guarantee; a cross is a form as published, with which nothing is certified.",
        "## Verdicts",
        _verdicts(report),
        "![" + _ladder_text(report) + "](figures/ladder.png)",
        *_training(report),
        "## The bounds, one by one",
        *(_card(report, identifier) for identifier in report.bounds),
        *measures.section(report),
        "## Confidence",
        *_confidence(report),
        *_plugins(report),
        "## References",
        _references(report),
        "## How to reproduce this",
        *_reproduce(report, command),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """A markdown table; cells are markdown already. `align`: one of l, r, c a column."""
    marks = {"l": "---", "r": "---:", "c": ":---:"}
    align = align or "l" * len(header)
    lines = [header, [marks[a] for a in align], *rows]
    return "\n".join("| " + " | ".join(cell.replace("\n", " ") for cell in line) + " |" for line in lines)


# First screen -------------------------------------------------------------------------------------------------------


def _overview(report: Report) -> Iterator[str]:
    rows = []
    for run in report.runs:
        e, o = run.evaluation, run.evaluation["observed"]
        low, high = o["test_error_interval"]
        gap = o["test_error"] - o["train_error"]
        rows.append(
            (
                f"**{escape(run.name)}**",
                escape(run.labels),
                f"{e['n']:,}",
                f"{e['parameters']:,}",
                text.percent(o["train_error"]),
                f"{text.percent(o['test_error'])} [{100 * low:.2f}, {100 * high:.2f}]",
                text.percent(gap),
                text.percent(o["clean_test_error"]),
            )
        )
    yield table(
        (
            "run",
            "labels",
            "examples",
            "parameters",
            "training error",
            "test error",
            "gap",
            "error on clean test labels",
        ),
        rows,
        "llrrrrrr",
    )
    deltas = sorted({run.evaluation["delta"] for run in report.runs})
    level = ", ".join(f"{100 * (1 - d):g} %" for d in deltas)
    yield (
        f"In brackets the Clopper-Pearson interval of the test error, in per cent, at confidence {level}. The test labels follow "
        "the same law as the training labels: that is the error the theorems speak of."
    )
    for run in report.runs:
        sentence = _training_sentence(run)
        if sentence:
            yield sentence


def _training_sentence(run: Judged) -> str:
    record = run.evaluation["training"]
    if not record:
        return ""
    spec = record["spec"]
    recipe = spec["recipe"]
    model = spec["model"]
    layers = "-".join(str(h) for h in model["hidden"])
    kind = f"ReLU perceptron with hidden layers {layers}, {'with' if model['bias'] else 'without'} biases"
    optimizer = recipe["optimizer"] + (f" with momentum {recipe['momentum']:g}" if recipe["momentum"] else "")
    decay = f", times {recipe['decay']:g} an epoch" if recipe["decay"] != 1 else ""
    end = (
        f"to training error 0 in {record['epochs']} epochs"
        if record["interpolated"]
        else f"for {record['epochs']} epochs, its whole budget, without reaching training error 0"
    )
    return (
        f"**{escape(run.name)}**: {kind}; {escape(record['data']['name'])} ({escape(record['data']['source'])}); {optimizer}, rate "
        f"{recipe['learning_rate']:g}{decay}, batch {recipe['batch']}, seed {spec['seed']}; trained {end}."
    )


def _verdicts(report: Report) -> str:
    rows = []
    for identifier in report.bounds:
        cells = [f"[{code(identifier)}](#{anchor(identifier)})"]
        for run in report.runs:
            b = run.bound(identifier)
            cells += ("–", "") if b is None else (text.value(b["value"]), _mark(b))
        rows.append(cells)
    header = ["bound"]
    for run in report.runs:
        header += [f"{escape(run.name)}: value", "verdict"]
    return table(header, rows, "l" + "rl" * len(report.runs))


def _mark(b: Mapping[str, Any]) -> str:
    verdict = b["verdict"]
    if b["guarantee"] in UNCERTIFIED and b["value"] is not None:
        return f"*{b['guarantee']}*"
    return f"**{verdict}**" if verdict in ("non-vacuous", "violated", "failed") else verdict


def _finding(report: Report) -> str:
    sentences = []
    for run in report.runs:
        rest = [
            b
            for b in run.evaluation["bounds"]
            if b["family"] != "test-set" and b["guarantee"] not in UNCERTIFIED
        ]
        counts = [(v, sum(b["verdict"] == v for b in rest)) for v in ORDER]
        said = ", ".join(f"{n} {verdict}" for verdict, n in counts if n)
        o = run.evaluation["observed"]
        sentences.append(
            f"On {escape(run.name)}, which errs on {text.percent(o['test_error'])} of the test set, the {len(rest)} training-set bounds are: {said}."
        )
    return " ".join(sentences)


def _summary_text(report: Report) -> str:
    return escape("Of each family the smallest bound: " + ", ".join(report.leaders))


def _ladder_text(report: Report) -> str:
    said = []
    for run in report.runs:
        judged = [
            b
            for b in run.evaluation["bounds"]
            if b["value"] is not None and b["guarantee"] not in UNCERTIFIED
        ]
        above = sum(b["verdict"] == "vacuous" for b in judged)
        said.append(f"{run.name}: {above} of {len(judged)} bounds at or above 1")
    return escape("Every bound against the observed test error. " + "; ".join(said))


def _training(report: Report) -> Iterator[str]:
    if any(run.history for run in report.runs):
        ends = "; ".join(
            f"{run.name} ends at {run.history[-1]['train_error']:.3g} after {len(run.history)} epochs"
            for run in report.runs
            if run.history
        )
        yield f"![{escape('Training error by epoch. ' + ends)}](figures/training.png)"


# Cards --------------------------------------------------------------------------------------------------------------


def _card(report: Report, identifier: str) -> str:
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
            parts.append("```text\n" + b["traceback"].replace("```", "'''").rstrip() + "\n```")
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
    return table(header, rows, "ll" + "r" * len(valued) + "l")


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
    return table(("assumption", "evidence"), rows)


# Ledger, plugins, references ------------------------------------------------------------------------------------------


def _confidence(report: Report) -> Iterator[str]:
    yield (
        "Every verdict holds with its own confidence; nothing below is shared between runs. A verdict `violated` could also occur by "
        "chance, with probability at most the sum of what the bound and the test interval spent."
    )
    for run in report.runs:
        rows = [(escape(entry["spent_on"]), f"{entry['delta']:g}") for entry in run.evaluation["confidence"]]
        judged = sum(
            b["value"] is not None and b["guarantee"] not in UNCERTIFIED for b in run.evaluation["bounds"]
        )
        spent = sum(
            entry["delta"] for entry in run.evaluation["confidence"] if "quoting" not in entry["spent_on"]
        )
        yield (
            f"**{escape(run.name)}**: {judged} comparisons; the shares sum to {spent:.3g}, which bounds the probability that any of "
            "them fails."
        )
        yield table(("spent on", "δ"), rows, "lr")


def _plugins(report: Report) -> Iterator[str]:
    failed = {
        b["id"]: b["reasons"]
        for run in report.runs
        for b in run.evaluation["bounds"]
        if b["verdict"] == "failed"
    }
    if failed:
        yield "## Plugins that failed"
        yield "\n".join(
            f"- {code(name)}: {escape('; '.join(reasons))}" for name, reasons in sorted(failed.items())
        )


def _references(report: Report) -> str:
    works = {}
    for run in report.runs:
        for b in (*run.evaluation["bounds"], *run.evaluation.get("measures", ())):
            if b["citation"] is not None:
                works[b["citation"]["key"]] = b["citation"]["reference"]
    return "\n".join(f"- **{escape(key)}** {escape(work)}" for key, work in sorted(works.items()))


def _reproduce(report: Report, command: str) -> Iterator[str]:
    files = sorted({run.evaluation["training"].get("experiment") or "" for run in report.runs} - {""})
    lines = [f"boundcheck train experiments/{name}" for name in files]
    lines += [
        f"boundcheck evaluate --run runs/{run.name} --delta {run.evaluation['delta']:g}"
        for run in report.runs
        if files
    ]
    lines += [command] if command else []
    if lines:
        yield "```sh\n" + "\n".join(lines).replace("`", "'") + "\n```"
    rows = []
    for run in report.runs:
        record = run.evaluation["training"]
        if record:
            versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
            rows.append(
                (
                    escape(run.name),
                    escape(f"{record['device']}; {versions}"),
                    f"`{record['data']['digest'][:16]}`",
                    f"`{record['digests']['weights'][:16]}`",
                )
            )
    if rows:
        yield table(("run", "trained on", "data digest", "weights digest"), rows)
