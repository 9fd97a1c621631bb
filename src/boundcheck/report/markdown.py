"""A report as GitHub-flavoured markdown: a pure function of stored runs and evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import storage
from ..record import UNCERTIFIED
from . import cards, linear, measures, plots, text, trainings
from .report import Judged, Report
from .text import anchor, code, escape, table

ORDER = ("non-vacuous", "vacuous", "uninformative", "inconclusive", "violated", "failed", "not-applicable")


def write(report: Report, directory: Path, *, title: str, question: str = "", command: str = "") -> Path:
    """Write `report.md` (as README.md would render: relative links) and `figures/`; returns the markdown's path."""
    figures = directory / "figures"
    if report.runs:
        plots.save(plots.ladder(report, report.leaders), figures / "summary")
        plots.save(plots.ladder(report), figures / "ladder")
    if report.measures and len(report.runs) > 1:
        plots.save(plots.measures(report), figures / "measures")
    for name, picture in {**trainings.pictures(report), **linear.pictures(report)}.items():
        plots.save(picture.draw(), figures / name)
    if report.trainings:
        storage.write(directory / trainings.CSV, trainings.table_csv(report))
    if report.predictors:
        storage.write(directory / linear.CSV, linear.table_csv(report))
    path = directory / "report.md"
    storage.write(path, render(report, title=title, question=question, command=command))
    return path


def render(report: Report, *, title: str, question: str = "", command: str = "") -> str:
    """The markdown of a report. Where no run is evaluated it tells of trainings alone."""
    parts = [
        f"# {escape(title)}",
        *([f"*{escape(question)}*"] if question else []),
        *(_verdict_parts(report) if report.runs else ()),
        *trainings.section(report),
        *linear.section(report),
        *(_bound_parts(report) if report.runs else ()),
        "## How to reproduce this",
        *_reproduce(report, command),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _verdict_parts(report: Report) -> Iterator[str]:
    yield from _overview(report)
    yield _finding(report)
    yield "![" + _summary_text(report) + "](figures/summary.png)"
    yield (
        "Of each family the smallest bound. Each bound by its value on a logarithmic axis; a wide bar is an interval, both ends certified. Shaded: at least 1, "
        "where a bound says nothing. Dashed: the error of guessing. Red: the observed test error with its confidence "
        "interval. A filled marker is a guarantee; a cross is a form as published, with which nothing is certified."
    )
    yield "## Verdicts"
    yield _verdicts(report)
    yield "![" + _ladder_text(report) + "](figures/ladder.png)"


def _bound_parts(report: Report) -> Iterator[str]:
    yield "## The bounds, one by one"
    for identifier in report.bounds:
        yield cards.card(report, identifier)
    yield from measures.section(report)
    yield "## Confidence"
    yield from _confidence(report)
    yield from _plugins(report)
    yield "## References"
    yield _references(report)


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
    setting = run.setting
    if "solved" in record:
        solved = record["solved"]
        return (
            f"**{escape(run.name)}**: {escape(setting.architecture)}; {escape(record['data']['name'])} ({escape(record['data']['source'])}); "
            f"{escape(solved['method'])}, {solved['diagonal']:g} added to the diagonal, relative residual {solved['relative_residual']:.1e}."
        )
    regularized = "".join(f", {word}" for word in setting.regularizers)
    end = (
        f"to training error 0 in {record['epochs']} epochs"
        if record["interpolated"]
        else f"for {record['epochs']} epochs, its whole budget, without reaching training error 0"
    )
    return (
        f"**{escape(run.name)}**: {escape(setting.architecture)}; {escape(record['data']['name'])} "
        f"({escape(record['data']['source'])}); {escape(setting.optimizer)}, batch {setting.recipe['batch']}{regularized}, "
        f"seed {setting.spec['seed']}; trained {end}."
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
    records = {one.name: one.record for one in (*report.trainings, *report.predictors)}
    for run in report.runs:
        if run.evaluation["training"]:
            records.setdefault(run.name, run.evaluation["training"])
    files = sorted({record.get("experiment") or "" for record in records.values()} - {""})
    lines = [f"boundcheck train experiments/{name}" for name in files]
    lines += [
        f"boundcheck evaluate --run runs/{run.name} --delta {run.evaluation['delta']:g}"
        for run in report.runs
        if files
    ]
    lines += [command] if command else []
    if lines:
        yield "```sh\n" + "\n".join(lines).replace("`", "'") + "\n```"
    rows = [
        (
            escape(name),
            escape("; ".join([str(record.get("device", "–")), *_versions(record)])),
            _shortened(record.get("data", {}).get("digest")),
            _shortened(record.get("digests", {}).get("weights")),
        )
        for name, record in records.items()
    ]
    if rows:
        yield table(("run", "trained on", "data digest", "weights digest"), rows)


def _versions(record: Mapping[str, Any]) -> list[str]:
    said = ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items())
    return [said] if said else []


def _shortened(digest: str | None) -> str:
    return "–" if digest is None else code(digest[:16])
