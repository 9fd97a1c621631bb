"""The stored form of an evaluation: what `evaluate --json` prints, `evaluation.json` holds and reports are made of.

Numbers are doubles rounded outward. A number beyond a double is `null` in `lo` or `hi` and finite in `log10_*`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from . import confidence
from .interval import Interval

if TYPE_CHECKING:
    from .evaluation import Evaluation, Outcome
    from .instance import Filled
    from .reading import Reading
    from .theorem import Citation, Parts

SCHEMA = 1

UNCERTIFIED: Final = {
    "unconfirmed": "the statement is unconfirmed; nothing is certified with it.",
    "comparator": "the form as published, for norms and a margin fixed before the data are seen; it is shown beside its "
    "repair, and nothing is certified with it.",
}
"""Kinds of guarantee that no verdict rests on."""


def _finite(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _double(end: Any) -> float | None:
    """A finite double, or None where it overflows or underflows."""
    x = float(end)
    return None if math.isinf(x) or (abs(x) < 1e-307 and end != 0) or abs(x) > 1.7e308 else x


def interval(x: Interval) -> dict[str, float | None]:
    """{lo, hi, log10_lo, log10_hi}; the logarithms are null where the number is not positive."""
    return {
        "lo": _double(x.lo),
        "hi": _double(x.hi),
        "log10_lo": _finite(float(Interval(x.lo).log10().lo)) if x.lo > 0 else None,
        "log10_hi": _finite(float(Interval(x.hi).log10().hi)) if x.hi > 0 else None,
    }


def citation(c: Citation) -> dict[str, Any]:
    """The work, the number in it, the page with the derivation, and what was done to the printed form."""
    return {
        "key": c.reference.key,
        "reference": str(c.reference),
        "theorem": c.theorem,
        "derivation": c.derivation,
        "changes": c.changes,
        "verified": c.verified,
        "work": dataclasses.asdict(c.reference),
    }


def latex_number(x: Interval) -> str:
    """A number for a formula: a whole number in full, else four digits; of a wide interval both ends."""
    lo, hi = x.lo, x.hi
    if lo == hi and lo.is_integer() and abs(lo) < 1e7:
        return f"{int(float(lo)):,}".replace(",", "\\,")
    texts = [_latex_digits(Interval(end)) for end in (lo, hi)]
    return texts[0] if texts[0] == texts[1] else rf"[{texts[0]},\,{texts[1]}]"


def _latex_digits(x: Interval) -> str:
    if not x.is_finite:
        return r"\infty" if x > 0 else r"-\infty"
    mantissa, _, exponent = x.lo.mid().str(4, radius=False).replace("[", "").partition("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa


def _parts(value: Parts) -> dict[str, Any]:
    """A number, or one a layer with their hull."""
    if isinstance(value, Interval):
        return interval(value)
    return {**interval(Interval.hull(*value)), "layers": [interval(part) for part in value]}


def _value(outcome: Outcome) -> dict[str, float | None] | None:
    if outcome.value is None:
        return None
    slack = outcome.slack
    below = float(Interval(slack.lo).log10().lo) if slack is not None and slack > 0 else None
    return {**interval(outcome.value), "log10_below_one": below if below is None else _finite(below)}


def _symbol(filled: Filled) -> dict[str, Any]:
    stored: dict[str, Any] = {
        **interval(filled.hull),
        "evidence": filled.evidence,
        "title": filled.title,
        "latex": filled.latex,
        "method": filled.method,
    }
    if filled.family:
        stored["layers"] = [interval(part) for part in filled.parts]
    return stored


def _bound(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "title": outcome.title,
        "family": outcome.family,
        "object": outcome.object,
        "guarantee": outcome.guarantee,
        "plugin": outcome.plugin,
        "verdict": outcome.verdict.value,
        "reasons": list(outcome.reasons),
        "value": _value(outcome),
        "observed": None if outcome.observed is None else interval(outcome.observed),
        "every_margin": None if outcome.floor is None else interval(Interval(outcome.floor.lo)),
        "margin": None if outcome.margin is None else interval(outcome.margin),
        "assumptions": [
            {"name": name, "statement": statement, "status": r.status, "reason": r.reason}
            for name, statement, r in outcome.assumptions
        ],
        "symbols": {filled.symbol: _symbol(filled) for filled in outcome.symbols},
        "terms": [{"latex": latex, **interval(value)} for latex, value in outcome.terms],
        "elasticities": dict(outcome.elasticities),
        "sample_size_needed": {"symbol": outcome.sample_symbol, "log10": outcome.sample_size},
        "latex": outcome.latex,
        "latex_numbers": outcome.latex_numbers,
        "where": [{"name": name, "latex": latex, **_parts(value)} for name, latex, value in outcome.where],
        "citation": None if outcome.citation is None else citation(outcome.citation),
        "sampled_delta": float(outcome.sampled),
        "traceback": outcome.traceback,
    }


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "id": reading.id,
        "title": reading.title,
        "plugin": reading.plugin,
        "value": None if reading.value is None else interval(reading.value),
        "reasons": list(reading.reasons),
        "symbols": {filled.symbol: _symbol(filled) for filled in reading.symbols},
        "latex": reading.latex,
        "differs": reading.differs,
        "citation": citation(reading.citation),
        "failed": reading.failed,
        "traceback": reading.traceback,
    }


def evaluation(e: Evaluation) -> dict[str, Any]:
    """The whole evaluation as one JSON object."""
    o = e.observed
    return {
        "schema": SCHEMA,
        "run": e.run,
        "n": e.n,
        "test_size": o.sizes["test"],
        "classes": e.classes,
        "parameters": e.parameters,
        "delta": float(e.delta),
        "observed": {
            "train_error": o.rate("train"),
            "test_error": o.rate("test"),
            "test_error_interval": [float(o.confidence.lo), float(o.confidence.hi)],
            "clean_test_error": o.rate("clean"),
            "undecided_by_rounding": {
                "train": int(o.train.integers()[1]) - int(o.train.integers()[0]),
                "test": int(o.test.integers()[1]) - int(o.test.integers()[0]),
            },
        },
        "bounds": [_bound(outcome) for outcome in e.outcomes],
        "measures": [_reading(reading) for reading in e.readings],
        "confidence": [{"spent_on": entry.spent_on, "delta": entry.delta} for entry in ledger(e)],
        "training": dict(e.record),
    }


def ledger(e: Evaluation) -> list[confidence.Entry]:
    """Who spends which part of delta."""
    delta = float(e.delta)
    judged = [o for o in e.outcomes if o.value is not None and o.guarantee not in UNCERTIFIED]
    entries = [
        confidence.Entry(spent_on="the Clopper-Pearson interval of the observed test error", delta=delta)
    ]
    entries += [
        confidence.Entry(spent_on=f"the same for the {subject} classifier", delta=delta)
        for subject in sorted({o.object for o in judged} - {"det"})
    ]
    for o in sorted(judged, key=lambda o: o.id):
        drawn = "the draw of the test set" if o.family == "test-set" else "the draw of the training set"
        entries.append(confidence.Entry(spent_on=f"{o.id}: {drawn}", delta=delta - float(o.sampled)))
        if o.sampled:
            entries.append(
                confidence.Entry(spent_on=f"{o.id}: random draws of its own", delta=float(o.sampled))
            )
    if len(judged) > 1:
        entries.append(confidence.best_of(e.delta, len(judged)))
    return entries


def frame(stored: dict[str, Any]) -> pd.DataFrame:
    """One row a bound: the scalar columns of the JSON, the value spread over its own."""
    rows = []
    for b in stored["bounds"]:
        value = b["value"] or {}
        rows.append(
            {
                "run": stored["run"],
                **{key: b[key] for key in ("id", "family", "verdict", "object", "guarantee")},
                **{key: value.get(key) for key in ("lo", "hi", "log10_lo", "log10_hi", "log10_below_one")},
                "sample_size_needed": b["sample_size_needed"]["log10"],
                "reasons": "; ".join(b["reasons"]),
            }
        )
    return pd.DataFrame(rows)
