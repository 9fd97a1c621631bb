"""The report's part on linear and kernel predictors: norms against errors, progressive prediction, gradient descent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from . import callouts, text
from .callouts import Callout
from .curves import panels
from .pictures import Picture
from .plots import STYLE
from .predictors import Predictor
from .report import Report
from .text import escape

CSV: Final = "figures/predictors.csv"

TRUE, RANDOM = "#0072B2", "#D55E00"

REPORTED: Final[Mapping[str, tuple[tuple[float, str], ...]]] = {
    "cifar10": (
        (0.46, "Zhang et al.: Gaussian kernel, pixels"),
        (0.17, "Zhang et al.: 32,000 random filters"),
        (0.15, "the same with a ridge"),
    )
}
"""Test errors in section 5 of Zhang et al. 2017, on the whole data set; bandwidth, patches and pooling are not stated there."""


def _name(predictor: Predictor) -> str:
    """Short enough to stand beside a point."""
    model = predictor.setting.spec["model"]
    ridge = predictor.setting.spec.get("ridge", 0)
    tail = f", ridge {ridge:g}" if ridge else ""
    if model["name"] == "kernel":
        return f"kernel {model['bandwidth']:g}{tail}"
    features = model["features"]
    match features["name"]:
        case "pixels":
            return f"pixels{tail}"
        case "random-relu":
            return f"{features['count']:,} ReLU{tail}"
        case _:
            kind = "" if features.get("patches") == "train" else " (noise)"
            return f"{features['filters']:,} filters{kind}{tail}"


def section(report: Report) -> Iterator[str]:
    """The markdown of the part; nothing where the report has no such predictor."""
    if not report.predictors:
        return
    yield "## What linear predictors show"
    yield _table(report.predictors)
    yield _legend(report.predictors)
    yield from _findings(report.predictors)
    for name, picture in pictures(report).items():
        yield f"![{escape(picture.alternative)}](figures/{name}.png)"
        yield picture.caption


def pictures(report: Report) -> Mapping[str, Picture]:
    """The figures that the predictors span, by file name."""
    found: dict[str, Picture] = {}
    predictors = report.predictors
    if len(predictors) > 1:
        found["norms"] = Picture(
            lambda: norms(predictors),
            "Test error against the norm of the predictor. "
            + "; ".join(
                f"{p.name}: norm {p.norm:.4g}, test error {text.percent(p.error('test'))}" for p in predictors
            ),
            "Test error against the norm in the Hilbert space, logarithmic. Blue: true labels; red: random labels; open where the training labels are not all fitted. Dotted: the error of guessing. "
            "Dashed: values reported by Zhang et al. 2017 on the whole data set, whose norms are not stated.",
        )
    online = [p for p in predictors if p.solution.curve is not None]
    ends = {p.name: float(p.solution.curve[-1]) for p in online if p.solution.curve is not None}
    if online:
        found["prefixes"] = Picture(
            lambda: prefixes(online),
            "Test error of the predictors on prefixes of the training set. "
            + "; ".join(f"{name} ends at {text.percent(end)}" for name, end in ends.items()),
            "Test error of the exact solution on the first t examples, every t from one factorization. Where t comes near the number of features of a linear predictor without a ridge, the error rises: the fit of as many labels as there are features. The tick at the right end: the bound "
            "by progressive validation on the average of all prefixes, where the run is evaluated.",
        )
    descended = [p for p in predictors if p.solution.descent is not None]
    paths = {p.name: p.solution.descent for p in descended if p.solution.descent is not None}
    if descended:
        found["descent"] = Picture(
            lambda: descent(descended),
            "Gradient descent from zero approaches the closed form. "
            + "; ".join(
                f"{name}: distance {path[1][-1]:.1e} after {int(path[0][-1]):,} steps"
                for name, path in paths.items()
            ),
            "Gradient descent from zero on the same problem. Solid: distance to the closed form in the Hilbert space, relative to its norm. Dashed: training "
            "residual. Dotted: test error.",
        )
    return found


# The table ----------------------------------------------------------------------------------------------------------


def _table(predictors: Sequence[Predictor]) -> str:
    rows, before = [], None
    for p in sorted(predictors, key=lambda p: (p.dataset, p.size("train"))):
        first = f"**{escape(p.dataset)}**" if p.dataset != before else ""
        s = p.solution
        rows.append(
            [
                first,
                escape(p.name),
                escape(p.setting.architecture),
                f"{p.size('train'):,}",
                escape(p.setting.law),
                text.digits(float(s.shift.hi), None) if s.shift.hi > 0 else "0",
                f"{float(s.residual.hi):.0e}",
                f"{p.norm:.4g}",
                "–"
                if s.one_hot_norm_squared is None
                else f"{float(s.one_hot_norm_squared.sqrt().midpoint()):.4g}",
                "0" if p.error("train") == 0 else text.percent(p.error("train")),
                text.percent(p.error("test")),
                _rate(s.loo_errors, s.size),
                _rate(s.mistakes, s.size),
                _value(p, "cesabianchi2004-progressive-exponential"),
                _value(p, "maurer2016-kernel-stratified"),
                _value(p, "liang2023-mistakes"),
            ]
        )
        before = p.dataset
    header = [
        "data set",
        "run",
        "predictor",
        "n",
        "labels",
        "added to the diagonal",
        "relative residual",
        "norm",
        "norm, one-hot",
        "training error",
        "test error",
        "leave-one-out error",
        "mistakes on the way",
        "progressive validation",
        "margin bound",
        "mistake bound",
    ]
    return text.table(header, rows, "lllrlrrrrrrrrrrr")


def _rate(count: Any, size: int) -> str:
    if count is None:
        return "–"
    if count.hi - count.lo >= size / 2:
        return "–"  # rounding leaves most of them open
    low, high = text.percent(float(count.lo) / size), text.percent(float(count.hi) / size)
    return low if low == high else f"{low} to {high}"


def _value(predictor: Predictor, identifier: str) -> str:
    b = predictor.bound(identifier)
    return "–" if b is None or b["value"] is None else text.value(b["value"])


def _legend(predictors: Sequence[Predictor]) -> str:
    lines = [
        "`norm`: of the stored predictor, its outputs centred; `norm, one-hot`: of the interpolant of labels that are not. `leave-one-out error` and `mistakes on the way` "
        "are those of the exact solutions, from one Cholesky factor; an interval where rounding leaves an example open, and nothing where it leaves more than half of them open. The bounds by progressive validation and "
        "by mistakes speak of the average of the predictors on all prefixes of the training set, not of the final one; their own test error stands with them below.",
    ]
    if any(p.solution.rank is not None for p in predictors):
        lines.append(
            "With more examples than features nothing interpolates: the solution of least squares with the least norm stands there."
        )
    return " ".join(lines)


def _findings(predictors: Sequence[Predictor]) -> Iterator[str]:
    lines = []
    for dataset in dict.fromkeys(p.dataset for p in predictors):
        true = [
            p
            for p in predictors
            if p.dataset == dataset and p.setting.law == "true labels" and p.error("train") == 0
        ]
        random = [
            p
            for p in predictors
            if p.dataset == dataset and p.setting.law == "random labels" and p.error("train") == 0
        ]
        if len(true) > 1:
            small, best = min(true, key=lambda p: p.norm), min(true, key=lambda p: p.error("test"))
            told = (
                f"the smallest norm, {small.norm:.4g} ({escape(_name(small))}), has also the smallest test error, {text.percent(small.error('test'))}"
                if small is best
                else f"the smallest norm, {small.norm:.4g} ({escape(_name(small))}), errs on {text.percent(small.error('test'))}, and the smallest test error, "
                f"{text.percent(best.error('test'))} ({escape(_name(best))}), has norm {best.norm:.4g}"
            )
            lines.append(
                f"- {escape(dataset)}: of {len(true)} predictors that fit the true labels without an error {told}."
            )
        if random:
            lines.append(
                f"- {escape(dataset)}: random labels are fitted without an error too, by {len(random)} predictors, with norms from "
                f"{min(p.norm for p in random):.4g} to {max(p.norm for p in random):.4g}."
            )
    if lines:
        yield "**Does the norm tell which features generalize?**\n\n" + "\n".join(lines)


def table_csv(report: Report) -> str:
    """A row a predictor."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fields = (
        "norm_squared",
        "stored_norm_squared",
        "one_hot_norm_squared",
        "inverse_trace",
        "mistakes",
        "loo_errors",
        "eigenvalue",
    )
    writer.writerow(
        [
            "run",
            "dataset",
            "predictor",
            "n",
            "law",
            "ridge",
            "train_error",
            "test_error",
            *(f"{f}_{e}" for f in fields for e in ("lo", "hi")),
        ]
    )
    for p in report.predictors:
        ends = []
        for field in fields:
            value = getattr(p.solution, field)
            ends += ["", ""] if value is None else [float(value.lo), float(value.hi)]
        writer.writerow(
            [
                p.name,
                p.dataset,
                p.setting.architecture,
                p.size("train"),
                p.setting.law,
                p.setting.spec.get("ridge", 0),
                p.error("train"),
                p.error("test"),
                *ends,
            ]
        )
    return out.getvalue()


# Figures ------------------------------------------------------------------------------------------------------------


def _by_dataset(predictors: Sequence[Predictor]) -> dict[tuple[str, int], list[Predictor]]:
    groups: dict[tuple[str, int], list[Predictor]] = {}
    for p in predictors:
        groups.setdefault((p.dataset, p.size("train")), []).append(p)
    return groups


def _random(predictor: Predictor) -> bool:
    return predictor.setting.corruption == 1


def norms(predictors: Sequence[Predictor]) -> Figure:
    """Test error against norm, a panel a data set and sample size. An open circle does not fit its training labels."""
    groups = _by_dataset(predictors)
    figure, axes = panels(len(groups), height=3.6)
    names: list[tuple[Axes, list[Callout]]] = []
    with mpl.rc_context(STYLE):
        for ax, ((dataset, n), members) in zip(axes, groups.items(), strict=True):
            ax.set_xscale("log")
            ax.set_title(f"{dataset}, {n:,} examples", fontsize=9, loc="left")
            named = []
            for value, label in REPORTED.get(dataset, ()):
                ax.axhline(value, color="0.6", ls=(0, (4, 3)), lw=0.8, zorder=1)
                below = label.startswith("the same")
                ax.annotate(
                    label,
                    (0.02, value),
                    xycoords=("axes fraction", "data"),
                    xytext=(0, -2 if below else 2),
                    textcoords="offset points",
                    fontsize=6.5,
                    color="0.35",
                    va="top" if below else "bottom",
                )
            ax.axhline(members[0].guessing, color="0.4", ls=":", lw=1)
            for p in members:
                fits = p.error("train") == 0
                colour = RANDOM if _random(p) else TRUE
                ax.plot(
                    [p.norm],
                    [p.error("test")],
                    "o",
                    color=colour,
                    mfc=colour if fits else "white",
                    ms=5,
                    zorder=3,
                )
                # Random labels are alike in their error; above the line there is room for their names.
                named.append(Callout(p.norm, p.error("test"), _name(p), colour))
            low, high = (extreme(p.norm for p in members) for extreme in (min, max))
            ax.set_xlim(low / 4, high * 12)
            ax.set_ylim(0, 1.25)
            ax.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            names.append((ax, named))
        figure.supxlabel("norm of the predictor (logarithmic)", fontsize=9)
        figure.supylabel("test error", fontsize=9)
        callouts.place(figure, names, size=7)
    return figure


PALETTE: Final = ("#0072B2", "#009E73", "#A8487B", "#000000", "#8A6D00", "#5B5EA6")
"""Of Okabe and Ito's palette, darkened where they are to be read as text, those that are not the red of random labels."""

DASHES: Final = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1, 1, 1)))


def prefixes(predictors: Sequence[Predictor]) -> Figure:
    """Test error of the solution on the first t examples; random labels in one colour, since no two of them differ."""
    groups = _by_dataset(predictors)
    figure, axes = panels(len(groups), height=3.4)
    names: list[tuple[Axes, list[Callout]]] = []
    with mpl.rc_context(STYLE):
        for ax, ((dataset, n), members) in zip(axes, groups.items(), strict=True):
            ax.set_title(f"{dataset}, {n:,} examples", fontsize=9, loc="left")
            ax.set_xscale("log")
            named, place = [], 0
            for p in members:
                x, y = p.solution.sizes, p.solution.curve
                assert x is not None
                assert y is not None
                keep = x >= 10
                if _random(p):
                    colour, dashes, name = RANDOM, "-", "random labels"
                else:
                    colour, dashes = (
                        PALETTE[place % len(PALETTE)],
                        DASHES[place // len(PALETTE) % len(DASHES)],
                    )
                    place, name = place + 1, _name(p)
                ax.plot(x[keep], y[keep], color=colour, ls=dashes, lw=1.2)
                if name not in (callout.text for callout in named):
                    named.append(Callout(float(x[-1]), float(y[-1]), name, colour))
                bound = p.bound("cesabianchi2004-progressive-exponential")
                if bound is not None and bound["value"] is not None and bound["value"]["hi"] is not None:
                    ax.plot([x[-1]], [bound["value"]["hi"]], "_", color=colour, ms=12, mew=2)
            ax.set_xlim(10, 12 * n)
            ax.set_xticks([10**k for k in range(1, 6) if 10**k <= n])
            ax.set_ylim(0, 1)
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            names.append((ax, named))
        figure.supxlabel("examples seen (logarithmic)", fontsize=9)
        figure.supylabel("test error", fontsize=9)
        callouts.place(figure, names, size=7)
    return figure


def descent(predictors: Sequence[Predictor]) -> Figure:
    """The path of gradient descent towards the closed form, a panel a run."""
    figure, axes = panels(len(predictors), height=2.7)
    names: list[tuple[Axes, list[Callout]]] = []
    looks = (
        ("distance", "-", TRUE),
        ("residual", (0, (5, 1.5)), RANDOM),
        ("test error", (0, (1.5, 1)), "#000000"),
    )
    with mpl.rc_context(STYLE):
        for ax, p in zip(axes, predictors, strict=True):
            path = p.solution.descent
            assert path is not None
            ax.set_title(f"{p.dataset}, {_name(p)}, {p.setting.labels}", fontsize=9, loc="left")
            named = []
            for (name, dashes, colour), values in zip(looks, path[1:], strict=True):
                y = np.maximum(values, 1e-16)
                ax.plot(path[0], y, ls=dashes, color=colour, lw=1.3)
                named.append(Callout(float(path[0][-1]), float(y[-1]), name, colour))
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_xlim(1, 12 * path[0][-1])
            names.append((ax, named))
        figure.supxlabel("steps (logarithmic)", fontsize=9)
        callouts.place(figure, names)
    return figure
