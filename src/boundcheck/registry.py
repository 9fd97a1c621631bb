"""The bounds and measures that are installed, found through the entry-point group `boundcheck.bounds`.

An entry point names a `Bound` or a `Measure`. One that does not load, or clashes with another, becomes a `Failure`: it is reported
as such and takes nothing else down with it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from .bound import Bound
from .errors import PluginError, UnknownNameError
from .measure import Measure

GROUP = "boundcheck.bounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A plugin that could not be used: its entry point, the distribution it came with, one line and the traceback."""

    name: str
    plugin: str
    reason: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Registry:
    """Bounds and measures by id, in alphabetical order, with the plugin each came from; and the plugins that failed."""

    bounds: dict[str, Bound]
    plugins: dict[str, str]
    failures: tuple[Failure, ...] = ()
    measures: dict[str, Measure] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[Bound | Measure, ...]:
        """All of them, bounds first."""
        return (*self.bounds.values(), *self.measures.values())

    def find(self, name: str) -> Bound | Measure:
        """The bound or measure with this id or alias. Raises `UnknownNameError` with the nearest name."""
        for entry in self.entries:
            if name == entry.id or name in entry.aliases:
                return entry
        raise UnknownNameError("bound", name, [n for e in self.entries for n in (e.id, *e.aliases)])

    def select(self, names: Iterable[str] | None) -> tuple[Bound | Measure, ...]:
        """Those of these names, each once; all of them for None."""
        if names is None:
            return self.entries
        return tuple({entry.id: entry for entry in map(self.find, names)}.values())


def build(points: Iterable[EntryPoint]) -> Registry:
    """A registry of the given entry points."""
    bounds: dict[str, Bound] = {}
    measures: dict[str, Measure] = {}
    plugins: dict[str, str] = {}
    taken: dict[str, str] = {}
    failures: list[Failure] = []
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        plugin = _plugin(point)
        try:
            entry = point.load()
            if not isinstance(entry, Bound | Measure):
                raise PluginError(
                    f"entry point `{point.name}` of {plugin} is a {type(entry).__name__}; a `boundcheck.Bound` or a "
                    "`boundcheck.Measure` is needed."
                )
            for name in (entry.id, *entry.aliases):
                if name in taken:
                    raise PluginError(
                        f"the id `{name}` of {plugin} is already taken by {taken[name]}; rename one of the two."
                    )
        except Exception as error:
            # Whatever a plugin raises is its own failure, and the others must go on.
            reason = " ".join(str(error).split()) or "no message"
            failures.append(
                Failure(
                    name=point.name,
                    plugin=plugin,
                    reason=f"{type(error).__name__}: {reason}",
                    traceback=traceback.format_exc(),
                )
            )
            continue
        for name in (entry.id, *entry.aliases):
            taken[name] = plugin
        if isinstance(entry, Bound):
            bounds[entry.id] = entry
        else:
            measures[entry.id] = entry
        plugins[entry.id] = plugin
    return Registry(dict(sorted(bounds.items())), plugins, tuple(failures), dict(sorted(measures.items())))


def _plugin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


@cache
def installed() -> Registry:
    """The registry of everything installed beside boundcheck."""
    return build(entry_points(group=GROUP))
