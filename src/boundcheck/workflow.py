"""What the commands do, without the command line: train a run, judge it, report on it, describe a bound."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import sympy
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from . import confidence, storage
from .archive import load, parts_of, read_record, write_run, write_solved
from .bound import Bound
from .data import Definition, Part, load_dataset
from .errors import DataError, RunError
from .evaluation import Evaluation, evaluate
from .measure import Measure
from .quantities.norm_ball import norm_balls
from .quantities.quantity import UnavailableError
from .quantities.study import Progress as Told
from .quantities.study import Study
from .registry import Registry
from .report import balls, markdown, plots
from .report.interpolant import interpolant
from .report.report import Judged, Report, read
from .solved import shared, solve_all
from .spec import RunSpec, SolvedSpec, Spec
from .theorem import Citation, Theorem
from .training import EpochRecord, Member, fit_all, suitable
from .witness import memorize


class Bars:
    """Progress bars on standard error, one a task, gone when done; nothing where nobody watches a terminal.

    What a task is called after a colon may change as it goes on.
    """

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if kind is KeyboardInterrupt:
            print("boundcheck: interrupted; the same command continues where it stopped.", file=sys.stderr)

    def __call__(self, task: str, done: int, total: int) -> None:
        name = task.partition(":")[0]
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(task, total=total)
        self._progress.update(self._tasks[name], description=task, completed=done, total=total)
        if done >= total:
            self._progress.remove_task(self._tasks.pop(name))


def train(
    specs: Sequence[Spec],
    runs: Path,
    progress: Told,
    experiment: str = "",
    *,
    together: int | None = None,
    devices: int = 1,
) -> None:
    """Train, or solve for, the runs that are not there yet. Interrupted trainings continue from their checkpoints.

    Runs of one architecture, recipe and images that follow one another train together, `together` at a time (None for
    what suits the device); predictors that differ in their labels alone share one factorization. `experiment`: the name of the file they come from, for the record. A training that diverges is
    recorded as such.

    Raises `RunError` when a directory holds a run of another specification.
    """
    missing = [spec for spec in specs if not _is_there(spec, runs / spec.name)]
    for _, alike in itertools.groupby(missing, key=_shared):
        group = list(alike)
        dataset = load_dataset(group[0].dataset)
        drawn = [parts_of(spec, dataset) for spec in group]
        solved = [spec for spec in group if isinstance(spec, SolvedSpec)]
        if solved:
            for spec, parts, found in zip(
                solved, drawn, solve_all(solved, drawn, dataset.classes, progress), strict=True
            ):
                write_solved(runs / spec.name, spec, found, dataset, parts, experiment)
            continue
        group = [spec for spec in group if isinstance(spec, RunSpec)]
        first = group[0]
        outcomes = fit_all(
            [_member(spec, parts, runs, progress) for spec, parts in zip(group, drawn, strict=True)],
            architecture=first.model,
            recipe=first.recipe,
            images=drawn[0][0].images,
            classes=dataset.classes,
            preparation=first.prepared,
            together=together or suitable(first.model),
            devices=devices,
        )
        for place, outcome in outcomes:
            spec, directory = group[place], runs / group[place].name
            write_run(directory, spec, outcome, dataset, drawn[place], experiment, devices)
            shutil.rmtree(directory / "checkpoint", ignore_errors=True)


def _is_there(spec: Spec, directory: Path) -> bool:
    if not (directory / "run.json").exists():
        return False
    if read_record(directory)[1] != spec:
        raise RunError(
            f"{directory} holds a run of another specification; remove it, rename the new one, or give another --runs."
        )
    return True


def _shared(spec: Spec) -> tuple[Any, ...]:
    """What runs must have in common to train together; pixels that differ by run do not go together."""
    if isinstance(spec, SolvedSpec):
        return shared(spec)
    law = spec.law
    alone = spec.name if law.pixels != "true" else ""
    return (
        spec.dataset,
        spec.prepared,
        spec.model,
        spec.recipe,
        spec.monitor,
        law.examples,
        law.test_examples,
        alone,
    )


def _member(spec: RunSpec, parts: tuple[Part, Part], runs: Path, progress: Told) -> Member:
    def told(record: EpochRecord) -> None:
        ended = record.train_error == 0
        epoch = spec.recipe.epochs if ended else record.epoch
        progress(f"{spec.name}: training error {record.train_error:.4f}, epoch", epoch, spec.recipe.epochs)

    return Member(
        labels=parts[0].labels,
        seed=spec.seed,
        test=parts[1],
        monitor=spec.monitor,
        checkpoint=runs / spec.name / "checkpoint",
        on_epoch=told,
    )


def judge(
    directory: Path, *, bounds: Sequence[str] | None = None, delta: float = 0.05, progress: Told
) -> Evaluation:
    """Evaluate a stored run. With all bounds, also write `evaluation.json`, `report.md` and `figures/` into it."""
    evaluation = evaluate(load(directory), bounds=bounds, delta=delta, progress=progress)
    if bounds is None:
        storage.write_json(directory / "evaluation.json", evaluation.to_json())
        report([directory], directory, title=evaluation.run, command=f"boundcheck evaluate --run {directory}")
    return evaluation


def report(
    directories: Sequence[Path], output: Path, *, title: str, question: str = "", command: str = ""
) -> Path:
    """Write the report of runs, evaluated or not; returns the markdown's path."""
    return markdown.write(read(directories), output, title=title, question=question, command=command)


def witness(
    directory: Path, *, labels: str = "run", seed: int = 0, output: Path | None = None
) -> dict[str, Any]:
    """Build the network with 2n + d weights that has a stored run's labels, check it exactly, and say what it is.

    With `output`, also write its numbers (`witness.csv`) and the figure of the function (`witness.png`, `.svg`) there.
    """
    run = load(directory)
    found = memorize(run.sample("train"), run.classes, labels=labels, seed=seed)
    if not found.holds:
        raise RuntimeError(f"the witness of {run.name} differs from the labels that it was built for")
    files: list[str] = []
    if output is not None:
        rows = [
            "which,index,value",
            *(f"{name},{index},{value}" for name, index, value in found.witness.rows()),
        ]
        storage.write(output / "witness.csv", "\n".join(rows) + "\n")
        plots.save(interpolant(found), output / "witness")
        files = [str(output / f"witness.{suffix}") for suffix in ("csv", "png", "svg")]
    return {
        "run": run.name,
        "labels": labels,
        "seed": seed,
        "n": len(found.labels),
        "distinct": len(found.projection.order),
        "merged": found.projection.merged,
        "dimension": len(found.witness.direction),
        "classes": run.classes,
        "weights": found.witness.size,
        "largest_bits": found.witness.largest_bits,
        "smallest_gap": {"exact": str(found.smallest_gap), "value": float(found.smallest_gap)},
        "exact": found.exact,
        "decoded": found.decoded,
        "direct": found.direct,
        "files": files,
    }


def ball(
    directory: Path,
    radii: Sequence[Fraction],
    *,
    draws: int = 1,
    epochs: int | None = None,
    quantile: Fraction = Fraction(1, 2),
    delta: float = 0.05,
    output: Path | None = None,
    progress: Told,
) -> dict[str, Any]:
    """Train within norm balls around zero on random signs, and say how complex the margins there are at least.

    `epochs`: None for the run's own budget for retraining. With `output`, also write the numbers (`ball.csv`) and the figure
    (`ball.png`, `.svg`) there. Raises `RunError` for a run that this cannot be asked of.
    """
    run = load(directory)
    study = Study(run, confidence.level(delta), progress)
    if isinstance(run.spec, RunSpec) and epochs is None:
        epochs = (run.spec.rademacher or run.spec.recipe).epochs
    try:
        found = norm_balls(study, radii, draws=draws, epochs=epochs or 1, quantile=quantile)
    except UnavailableError as error:
        raise RunError(f"{directory}: {error}") from None
    n = run.sizes["train"]
    files: list[str] = []
    if output is not None:
        storage.write(output / "ball.csv", "\n".join(balls.rows(found, n)) + "\n")
        plots.save(balls.complexities(found), output / "ball")
        files = [str(output / f"ball.{suffix}") for suffix in ("csv", "png", "svg")]
    return {
        "run": run.name,
        "n": n,
        "classes": run.classes,
        "margin": found.gamma,
        "quantile": float(quantile),
        "delta": delta,
        "draws": draws,
        "epochs": epochs,
        "balls": [
            {
                "radius": float(b.radius),
                "complexity": float(b.lower.lo),
                "soft_miss": sum(b.misses) / draws,
                "fitted": sum(fit.fitted for fit in b.fits) / (draws * n),
                "draws": [
                    {"soft_miss": fit.soft_miss, "fitted": fit.fitted / n, "inside": fit.inside}
                    for fit in b.fits
                ],
            }
            for b in found.balls
        ],
        "files": files,
    }


def report_of(evaluation: Evaluation) -> Report:
    """The report of one evaluation that need not be stored."""
    return Report(runs=(Judged(evaluation=evaluation.to_json()),))


def _latex(theorem: Theorem) -> str:
    """The statement as LaTeX, or why a formula of the plugin's has none."""
    try:
        return theorem.latex()
    except Exception as error:
        return f"none ({type(error).__name__}: {error})"


def describe(entry: Bound | Measure, registry: Registry) -> str:
    """What a bound or a measure is and where it comes from, as plain text."""
    return _measure(entry, registry) if isinstance(entry, Measure) else _bound(entry, registry)


def _measure(measure: Measure, registry: Registry) -> str:
    lines = [
        f"{measure.id}: {measure.title}",
        f"a measure: ranked across runs, never judged; plugin {registry.plugins.get(measure.id, '-')}",
        *([f"also known as {', '.join(measure.aliases)}"] if measure.aliases else []),
        "",
        f"value = {sympy.sstr(measure.value)}",
        "symbols:",
        *(
            f"    {symbol}: {m.title}"
            for symbol, m in sorted(measure.symbols.items(), key=lambda item: str(item[0]))
        ),
        "",
        f"source: {measure.citation.reference}",
        *([f"differs from public codes: {measure.differs}"] if measure.differs else []),
        f"check value: {measure.example.value} at "
        + ", ".join(f"{symbol} = {value}" for symbol, value in measure.example.values.items()),
    ]
    return "\n".join(lines)


def _bound(bound: Bound, registry: Registry) -> str:
    theorem = bound.theorem
    lines = [
        f"{bound.id}: {bound.title}",
        f"family {bound.family}; guarantee {bound.guarantee}; object {bound.object}; plugin {registry.plugins.get(bound.id, '-')}",
        *([f"also known as {', '.join(bound.aliases)}"] if bound.aliases else []),
        "",
        f"error <= {sympy.sstr(theorem.value)}",
        *(f"    {name} = {sympy.sstr(part)}" for name, part in theorem.where.items()),
        "",
        "assumptions:",
        *(f"    {a.name}: {a.statement}" for a in theorem.assumptions),
        "symbols:",
        *(
            f"    {symbol}: {m.title}"
            for symbol, m in sorted(bound.symbols.items(), key=lambda item: str(item[0]))
        ),
        *(
            [f"    best over {bound.best_over}, chosen after seeing the data"]
            if bound.best_over is not None
            else []
        ),
        "",
        *_sources(theorem.citation, registry.plugins.get(bound.id, "-")),
        f"check value: {bound.example.value} at "
        + ", ".join(f"{symbol} = {value}" for symbol, value in bound.example.values.items()),
        f"LaTeX: {_latex(theorem)}",
    ]
    return "\n".join(lines)


def _sources(citation: Citation, plugin: str) -> Iterator[str]:
    """Where a statement is from, who made it what it is, and why its constants are to be believed."""
    yield f"source: {citation.reference}{f' {citation.theorem}.' if citation.theorem else ''}"
    author = "this project" if plugin.startswith("boundcheck ") else f"the author of {plugin}"
    if citation.changes:
        yield f"statement: {author}, after {citation.printed}: {citation.changes}"
    else:
        yield f"statement: {citation.printed}"
    yield f"constants: {citation.verified or 'it is not stated how they were confirmed'}"
    if citation.derivation:
        page = Path(__file__).parents[2] / citation.derivation
        yield f"derivation: {page if page.is_file() else citation.derivation}"


def dataset_entry(definition: Definition) -> dict[str, Any]:
    """A data set as `boundcheck datasets --json` prints it."""
    return {
        "name": definition.name,
        "title": definition.title,
        "train": definition.n_train,
        "test": definition.n_test,
        "shape": list(definition.shape),
        "classes": definition.classes,
        "preparation": definition.preparation,
        "source": definition.origin,
    }


def availability(name: str) -> str:
    """Whether a data set can be loaded without the network, in words."""
    if name != "digits" and not os.environ.get("BOUNDCHECK_DATA"):
        return "downloaded on first use, or read from the folder named in BOUNDCHECK_DATA"
    try:
        dataset = load_dataset(name)
    except DataError as error:
        return str(error)
    return f"{len(dataset.train_labels):,} + {len(dataset.test_labels):,} examples, {dataset.source}"
