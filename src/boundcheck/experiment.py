"""`Experiment`: a TOML file that names the runs to train, and the question they answer.

The first line is a comment with the question. `[defaults]` holds what the runs share, and each `[[run]]` the
rest:

    # Do two networks, one trained on random labels, get different bounds?
    [defaults]
    dataset = "digits"
    model = "mlp-2x256-nobias"
    recipe = { learning_rate = 0.1, momentum = 0.9, epochs = 400 }

    [[run]]
    name = "digits_true"

    [[run]]
    name = "digits_random"
    labels = "random"

The tables `recipe` and `rademacher` of a run are laid over those of the defaults key by key; every other key
replaces the default.
"""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .data import DATASETS
from .errors import DataError, ExperimentError, UnknownNameError
from .spec import RunSpec, SolvedSpec, Spec, kind_of

_MERGED: Final = ("recipe", "rademacher")


class Experiment(BaseModel):
    """The runs of a file, in its order, and the question they answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Annotated[str, Field(strict=True, min_length=1)]
    runs: Annotated[tuple[Spec, ...], Field(min_length=1)]

    def run(self, name: str) -> Spec:
        """The run of this name. Raises `UnknownNameError`, suggesting the nearest."""
        for spec in self.runs:
            if spec.name == name:
                return spec
        raise UnknownNameError("run", name, [spec.name for spec in self.runs])


def load_experiment(path: str | Path) -> Experiment:
    """The experiment in a TOML file.

    Raises `ExperimentError` for whatever is wrong with it, in one line: the file, the key, what was found
    there, and what is needed.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode()
        content = tomllib.loads(text)
    except OSError as error:
        raise ExperimentError(
            f"{path} cannot be read ({error.strerror}); an experiment in TOML is needed."
        ) from None
    except UnicodeDecodeError as error:
        raise ExperimentError(
            f"{path} is not UTF-8 text ({error}); an experiment in TOML is needed."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"{path} is not TOML: {error}. Correct it there.") from None
    known = ("question", "defaults", "run")
    if unknown := [key for key in content if key not in known]:
        raise ExperimentError(f"{path}: {_unknown_key(unknown[0], known)}")
    defaults, entries = content.get("defaults", {}), content.get("run", [])
    if not isinstance(defaults, dict):
        raise ExperimentError(
            f"{path}: `defaults` is {_shown(defaults)}; a table of what the runs share is needed."
        )
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ExperimentError(
            f"{path}: `run` is {_shown(entries)}; tables are needed, each begun by `[[run]]`."
        )
    if not entries:
        raise ExperimentError(f"{path} names no run; at least one `[[run]]` is needed.")
    if "name" in defaults:
        raise ExperimentError(
            f"{path}: `defaults.name` is {_shown(defaults['name'])}; each run needs its own name."
        )
    runs: list[Spec] = []
    for index, entry in enumerate(entries):
        spec = _read_run(path, index, entry, defaults)
        if spec.name in (other.name for other in runs):
            raise ExperimentError(
                f"{path}: `run[{index}].name` is {spec.name!r}, which an earlier run is called; rename one."
            )
        runs.append(spec)
    return Experiment(question=_question(path, text, content), runs=tuple(runs))


def _question(path: Path, text: str, content: Mapping[str, Any]) -> str:
    first = text.split("\n", 1)[0].strip()
    question = content.get("question", first.removeprefix("#").strip() if first.startswith("#") else "")
    if not isinstance(question, str) or not question.strip():
        raise ExperimentError(
            f"{path} asks no question; write it as a comment in the first line, or as the key `question`, a "
            "string."
        )
    return question.strip()


def _read_run(path: Path, index: int, entry: dict[str, Any], defaults: dict[str, Any]) -> Spec:
    kind = kind_of({**defaults, **entry})
    other = RunSpec if kind is SolvedSpec else SolvedSpec
    # Of the defaults a run takes what its kind knows; a key that neither knows is an error in both.
    shared = {k: v for k, v in defaults.items() if k in kind.model_fields or k not in other.model_fields}
    merged = {**shared, **entry}
    for key in _MERGED:
        if isinstance(defaults.get(key), dict) and isinstance(entry.get(key), dict):
            merged[key] = {**defaults[key], **entry[key]}
    try:
        return kind.model_validate(merged)
    except (UnknownNameError, DataError) as error:
        # Only the names of models, data sets and preparations are looked up, and each says which kind it is.
        key = _looked_up(error, merged)
        raise ExperimentError(f"{path}: {_place((key,), index, entry, defaults)}: {error}") from None
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        where = _without_tags(detail["loc"])
        raise ExperimentError(f"{path}: {_explain(detail, where, index, entry, defaults)}") from None


def _without_tags(location: Sequence[Any]) -> tuple[Any, ...]:
    """The keys of a place in a run, without the names that pydantic adds for validators and for the kind of a model."""
    keys = [step for step in location if not str(step).startswith("function-")]
    return tuple(step for i, step in enumerate(keys) if not (i == 1 and keys[0] == "model"))


def _looked_up(error: Exception, merged: Mapping[str, Any]) -> str:
    for words, key in (("unknown data set", "dataset"), ("unknown model", "model")):
        if str(error).startswith(words):
            return key
    return "preparation" if "preparation" in merged else "dataset"


def _explain(
    detail: Any, where: tuple[Any, ...], index: int, entry: Mapping[str, Any], defaults: Mapping[str, Any]
) -> str:
    """One pydantic error in words."""
    kind, context = detail["type"], detail.get("ctx", {})
    place = _place(where, index, entry, defaults)
    if kind == "extra_forbidden":
        merged = {**defaults, **entry}
        model = merged.get("model")
        name = model.get("name") if isinstance(model, dict) else None
        known = list(_fields_at(kind_of(merged), where[:-1], name))
        return f"{place}: {_unknown_key(str(where[-1]), known)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        found = detail["input"].get("name") if isinstance(detail["input"], dict) else detail["input"]
        kinds = "'mlp', 'inception', 'alexnet' or 'wide-resnet'"
        return f"{_place((*where, 'name'), index, entry, defaults)} is {_shown(found)}; {kinds} is needed."
    if kind == "missing":
        return f"{_place(where, index, entry, {})} is missing; {_needed(where)} is needed."
    if kind == "string_pattern_mismatch":
        needed = "letters, digits and `.`, `_`, `-`, beginning with a letter or digit, are needed."
        return f"{place} is {_shown(detail['input'])}; {needed}"
    if kind == "value_error":
        if not where:
            return f"`run[{index}]`: {context['error']}"
        return f"{place} is {_shown(detail['input'])}: {context['error']}"
    message = detail["msg"].removeprefix("Input should be ")
    return f"{place} is {_shown(detail['input'])}; {message} is needed."


def _place(where: Sequence[Any], index: int, entry: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The key as it stands in the file: in the run itself, or in the defaults that it took it from."""
    at_defaults = not _contains(entry, where) and _contains(defaults, where)
    text = "defaults" if at_defaults else f"run[{index}]"
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return f"`{text}`"


def _contains(tree: Any, where: Sequence[Any]) -> bool:
    for step in where:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _fields_at(model: type[BaseModel], where: Sequence[Any], named: Any = None) -> Mapping[str, Any]:
    """The fields of the table at a place in a run of this kind; `named`: the kind of model, where the place is one."""
    for step in where:
        annotation = model.model_fields[str(step)].annotation
        options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
        models = [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]
        model = next((m for m in models if named in _names(m)), models[0])
    return model.model_fields


def _names(model: type[BaseModel]) -> tuple[Any, ...]:
    """The values that the field `name` of a kind of model can have."""
    field = model.model_fields.get("name")
    return () if field is None else typing.get_args(field.annotation)


def _needed(where: Sequence[Any]) -> str:
    return {
        "name": "a name, which becomes the directory of the run,",
        "dataset": f"one of {', '.join(DATASETS)}",
        "model": 'a model, such as "mlp-2x512",',
        "recipe": "a recipe, such as { learning_rate = 0.1, momentum = 0.9, epochs = 100 },",
    }.get(str(where[-1]), "a value")


def _unknown_key(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(f'`{k}`' for k in known)}."
    return f"unknown key `{key}`; {hint}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
