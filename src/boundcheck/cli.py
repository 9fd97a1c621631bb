"""The command line: parses, calls, prints. Exit status 0 done, 1 a bound was violated or failed, 2 wrong input."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from fractions import Fraction
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any

import typer

from . import citing, scaffold, workflow
from .archive import read_record
from .bibliography import bibliography
from .data import DATASETS
from .errors import BoundcheckError, RunError
from .experiment import load_experiment
from .models import list_models
from .registry import installed
from .report import text
from .report.report import Report, read
from .workflow import Bars

app = typer.Typer(
    name="boundcheck",
    help="Set the theorems of learning theory against trained networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
RunsFolder = Annotated[Path, typer.Option(help="The folder that holds run directories.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Delta = Annotated[float, typer.Option(help="The failure probability of each verdict.")]


@app.command()
def demo(
    runs: RunsFolder = Path("runs"),
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the report goes.")] = Path(
        "reports/demo"
    ),
    delta: Delta = 0.05,
) -> None:
    """Train two networks on the embedded digits, on true and on random labels, and judge every bound on both."""
    with resources.as_file(resources.files("boundcheck.experiments") / "quickstart.toml") as path:
        experiment = load_experiment(path)
    with Bars() as bars:
        workflow.train(experiment.runs, runs, bars, "quickstart.toml")
        directories = [runs / spec.name for spec in experiment.runs]
        evaluations = [workflow.judge(directory, delta=delta, progress=bars) for directory in directories]
    report = workflow.report(
        directories,
        output,
        title="Digits: true labels and random labels",
        question=experiment.question,
        command="boundcheck demo",
    )
    judged = read(directories)
    _print_verdicts(judged, judged.leaders)
    print(
        f"the smallest bound of each family, out of {len(judged.bounds)}; all of them in the report: {report}"
    )
    raise typer.Exit(int(any(e.alarming for e in evaluations)))


@app.command()
def train(
    experiment: Annotated[
        Path, typer.Argument(help="An experiment file, such as experiments/quickstart.toml.")
    ],
    only: Annotated[str | None, typer.Option(help="Train only the run of this name.")] = None,
    runs: RunsFolder = Path("runs"),
    together: Annotated[
        int | None,
        typer.Option(help="How many like runs train at once; what suits the device, if not given.", min=1),
    ] = None,
    devices: Annotated[int, typer.Option(help="Over how many devices each batch is shared out.", min=1)] = 1,
) -> None:
    """Train, or solve for, the runs of an experiment. Interrupted trainings continue from their checkpoint."""
    loaded = load_experiment(experiment)
    specs = loaded.runs if only is None else (loaded.run(only),)
    with Bars() as bars:
        workflow.train(specs, runs, bars, experiment.name, together=together, devices=devices)
    diverged = []
    for spec in specs:
        directory = runs / spec.name
        record, _ = read_record(directory)
        if "diverged" in record:
            diverged.append(f"{directory} diverged after {record['epochs']} epochs: {record['diverged']}")
            continue
        if "solved" in record:
            solved = record["solved"]
            print(
                f"{directory}: {solved['method']}; {solved['diagonal']:g} on the diagonal, relative residual "
                f"{solved['relative_residual']:.1e}, norm {solved['norm']:.5g}"
            )
            continue
        end = "training error 0" if record["interpolated"] else "budget spent before training error 0"
        print(f"{directory}: {record['epochs']} epochs, {end}")
    if diverged:
        raise RunError(
            f"{'; '.join(diverged)}. Lower `learning_rate` there, remove the directory and train again."
        )


@app.command()
def evaluate(
    run: Annotated[Path, typer.Option(help="A run directory, such as runs/digits_random.")],
    bounds: Annotated[
        str | None, typer.Option(help="Ids or aliases, separated by commas; all for none.")
    ] = None,
    delta: Delta = 0.05,
    as_json: AsJson = False,
) -> None:
    """Evaluate bounds on a run. With all bounds, also store evaluation.json, report.md and figures beside it."""
    names = None if bounds is None else [name.strip() for name in bounds.split(",") if name.strip()]
    if names == []:
        raise BoundcheckError(
            f"--bounds {bounds!r} names no bound; give ids separated by commas, or leave it out."
        )
    with Bars() as bars:
        evaluation = workflow.judge(run, bounds=names, delta=delta, progress=bars)
    stored = evaluation.to_json()
    if as_json:
        print(json.dumps(stored, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _print_verdicts(workflow.report_of(evaluation))
        if names is None:
            print(f"report: {run / 'report.md'}")
    raise typer.Exit(int(evaluation.alarming))


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, evaluated or not.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The folder of the report, such as reports/NAME.")
    ],
    title: Annotated[str, typer.Option(help="The title.")] = "",
    question: Annotated[str, typer.Option(help="The question it answers, in one line.")] = "",
) -> None:
    """Write one report over many runs, from what is stored in them: how they trained, and what the bounds say of them.

    A run that is not evaluated appears in the part on trainings alone.
    """
    path = workflow.report(
        runs,
        output,
        title=title or output.name,
        question=question,
        command=f"boundcheck report {' '.join(map(str, runs))} -o {output}",
    )
    print(str(path))


@app.command()
def witness(
    run: Annotated[Path, typer.Option(help="A run directory, such as runs/digits_random.")],
    labels: Annotated[str, typer.Option(help="run for its own labels, random for uniform ones.")] = "run",
    seed: Annotated[int, typer.Option(help="Draws the direction, and random labels.", min=0)] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where its numbers and the figure go, if given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the two-layer ReLU network with 2n + d weights that has every training label, and check it exactly."""
    found = workflow.witness(run, labels=labels, seed=seed, output=output)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _print_witness(found)


@app.command()
def ball(
    run: Annotated[Path, typer.Option(help="A run directory, such as runs/digits_true.")],
    radii: Annotated[
        str, typer.Option(help="Norms allowed, in those of the trained network, separated by commas.")
    ] = "2,1.4,1,0.7,0.5,0.35,0.25",
    draws: Annotated[
        int, typer.Option(help="How many choices of random signs; fix it before the first.", min=1)
    ] = 1,
    epochs: Annotated[
        int | None, typer.Option(help="The budget of each training; the run's own for retraining.", min=1)
    ] = None,
    quantile: Annotated[
        float, typer.Option(help="Which quantile of the training margins is the unit of margins.")
    ] = 0.5,
    delta: Delta = 0.05,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where the numbers and the figure go, if given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train on random signs within ever smaller norms: below which radius can the network no longer follow them?"""
    chosen = [_positive("radii", text) for text in radii.split(",") if text.strip()]
    share = _positive("quantile", str(quantile))
    if not chosen or share > 1:
        raise BoundcheckError(
            f"--radii {radii!r} and --quantile {quantile:g} were given; at least one radius and a quantile of at most 1 are needed."
        )
    with Bars() as bars:
        found = workflow.ball(
            run,
            chosen,
            draws=draws,
            epochs=epochs,
            quantile=share,
            delta=delta,
            output=output,
            progress=bars,
        )
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _print_ball(found)


def _positive(option: str, text: str) -> Fraction:
    try:
        number = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        number = Fraction(0)
    if not 1e-6 <= number <= 1e6:
        raise BoundcheckError(
            f"--{option} contains {text.strip()!r}; a number between 1e-6 and 1e6 is needed, such as 0.5."
        )
    return number


bounds_app = typer.Typer(
    help="The bounds that are installed.", invoke_without_command=True, rich_markup_mode=None
)
app.add_typer(bounds_app, name="bounds")


@bounds_app.callback()
def bounds(context: typer.Context, as_json: AsJson = False) -> None:
    """List the bounds and measures that are installed, with their source and plugin."""
    if context.invoked_subcommand is not None:
        return
    registry = installed()
    if as_json:
        print(
            json.dumps(
                [_listing(e, registry.plugins[e.id]) for e in registry.entries],
                indent=1,
                ensure_ascii=False,
            )
        )
        return
    rows = [("id", "family", "title", "source")]
    rows += [(e.id, e.family, e.title, e.citation.printed) for e in registry.entries]
    print(text.columns(rows, "llll"))
    for failure in registry.failures:
        print(f"failed: {failure.name} ({failure.plugin}): {failure.reason}")


@bounds_app.command()
def show(identifier: Annotated[str, typer.Argument(metavar="ID", help="An id or alias.")]) -> None:
    """Print the statement, assumptions, symbols and source of a bound."""
    registry = installed()
    print(workflow.describe(registry.find(identifier), registry))


@bounds_app.command()
def cite(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN]...", help="Run directories that have been evaluated."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every installed bound, used or not.")] = False,
) -> None:
    """Print BibTeX of the works behind the bounds that have a value in stored evaluations, and of boundcheck."""
    if bool(runs) == everything:
        raise BoundcheckError(
            "give the run directories whose bounds you quote, or --all for every installed bound."
        )
    registry = installed()
    used = citing.used_in(runs, registry) if runs else citing.installed_ones(registry)
    print(bibliography(used), end="")


@bounds_app.command()
def new(
    name: Annotated[str, typer.Argument(help="The id of the bound, such as author2024-subject.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The folder to write; ./NAME if not given.")
    ] = None,
) -> None:
    """Write an installable package with one bound, ready to be edited."""
    folder = scaffold.write(name, output or Path(name), installed())
    print(f"{folder}: edit {name.replace('-', '_')}.py, then `pip install -e {folder}` and `pytest {folder}`")


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the architectures with their number of parameters by input shape."""
    entries = list_models()
    if as_json:
        print(json.dumps(entries, indent=1))
        return
    shapes = list(dict.fromkeys(shape for entry in entries for shape in entry["parameters"]))
    rows = [("name", *shapes)]
    rows += [(e["name"], *(f"{e['parameters'][shape]:,}" for shape in shapes)) for e in entries]
    print(text.columns(rows, "l" + "r" * len(shapes)))


@app.command()
def datasets(as_json: AsJson = False) -> None:
    """List the data sets and where they come from."""
    entries = [workflow.dataset_entry(definition) for definition in DATASETS.values()]
    if as_json:
        print(json.dumps(entries, indent=1))
        return
    rows = [("name", "training", "test", "shape", "classes", "source")]
    for e in entries:
        shape = "x".join(map(str, e["shape"]))
        rows.append((e["name"], f"{e['train']:,}", f"{e['test']:,}", shape, str(e["classes"]), e["source"]))
    print(text.columns(rows, "lrrlrl"))


@app.command()
def doctor() -> None:
    """Report devices, data sets, plugins, and what failed to load."""
    import jax

    registry = installed()
    lines = [
        f"boundcheck {metadata.version('boundcheck')}, Python {platform.python_version()}, JAX {jax.__version__}",
        "devices: " + ", ".join(f"{d.platform} ({d.device_kind})" for d in jax.devices()),
        f"BOUNDCHECK_DATA: {os.environ.get('BOUNDCHECK_DATA') or 'not set; data sets are downloaded'}",
        *(f"data set {name}: {workflow.availability(name)}" for name in DATASETS),
        f"bounds: {len(registry.bounds)}, measures: {len(registry.measures)} from {', '.join(sorted(set(registry.plugins.values()))) or 'no plugin'}",
        *(f"failed: {f.name} ({f.plugin}): {f.reason}" for f in registry.failures),
    ]
    print("\n".join(lines))
    raise typer.Exit(int(bool(registry.failures)))


def _listing(b: Any, plugin: str) -> dict[str, Any]:
    return {
        "id": b.id,
        "aliases": list(b.aliases),
        "kind": b.kind,
        "family": b.family,
        "title": b.title,
        "guarantee": b.guarantee,
        "object": b.object,
        "citation": b.citation.printed,
        "plugin": plugin,
    }


def _print_witness(w: dict[str, Any]) -> None:
    whose = "its own" if w["labels"] == "run" else f"uniformly random (seed {w['seed']})"
    repeats = "" if w["merged"] == 0 else f"; {w['merged']:,} repeat an input, with its label, and count once"
    n, d = w["distinct"], w["dimension"]
    print(
        f"{w['run']}: {w['n']:,} examples, {n:,} distinct inputs in dimension {d:,}, {w['classes']} classes, labels {whose}{repeats}\n"
        f"a two-layer ReLU network with 2 x {n:,} + {d:,} = {w['weights']:,} weights has every label, in exact arithmetic:\n"
        f"    its value is the label at {w['exact']:,} of {w['n']:,} examples, and summed unit by unit from the input at all of {w['direct']}\n"
        f"    its logits 2cs - c^2 predict the label, ahead by 1 or more, at {w['decoded']:,} of {w['n']:,}\n"
        f"    longest number: {w['largest_bits']} bits; smallest gap on the line: {w['smallest_gap']['exact']} = {w['smallest_gap']['value']:.3g}"
    )
    for file in w["files"]:
        print(file)


def _print_ball(found: dict[str, Any]) -> None:
    print(
        f"{found['run']}: {found['n']:,} examples, {found['draws']} draw(s) of random signs, at most {found['epochs']:,} epochs; "
        f"margins in units of {found['margin']:.4g}, the {found['quantile']:g}-quantile of those of the trained network"
    )
    rows = [("norms at most", "fitted at that margin", "soft miss", "Rademacher complexity at least")]
    rows += [
        (f"{b['radius']:g} x", text.percent(b["fitted"]), f"{b['soft_miss']:.4f}", f"{b['complexity']:.4f}")
        for b in found["balls"]
    ]
    print(text.columns(rows, "rrrr"))
    print(f"at most 1/2; each line holds with probability {1 - found['delta']:g} over the signs")
    for file in found["files"]:
        print(file)


def _print_verdicts(report: Report, ids: Sequence[str] | None = None) -> None:
    rows = [["bound", *(cell for run in report.runs for cell in (run.name, "verdict"))]]
    for identifier in report.bounds if ids is None else ids:
        row = [identifier]
        for run in report.runs:
            b = run.bound(identifier)
            row += ["–", ""] if b is None else [text.value(b["value"]), b["verdict"]]
        rows.append(row)
    print(text.columns(rows, "l" + "rl" * len(report.runs)))
    for run in report.runs:
        o = run.evaluation["observed"]
        low, high = o["test_error_interval"]
        print(
            f"{run.name}: training error {text.percent(o['train_error'])}, test error {text.percent(o['test_error'])} "
            f"[{100 * low:.2f}, {100 * high:.2f}]"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """The `boundcheck` command."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except BoundcheckError as error:
        print(f"boundcheck: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
