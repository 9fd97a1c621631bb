"""`boundcheck bounds new` and `show`: a package that works as it is, or one clear line; and what a reader needs of a bound."""

import dataclasses
import importlib.util
import tomllib
from pathlib import Path

import pytest

from boundcheck import workflow
from boundcheck.cli import main
from boundcheck.registry import installed
from boundcheck.scaffold import write
from boundcheck.testing import check_bound


def run(capsys, *arguments):
    capsys.readouterr()
    try:
        main(["bounds", *map(str, arguments)])
    except SystemExit as exit:
        return exit.code or 0, capsys.readouterr()
    return 0, capsys.readouterr()


def test_the_new_package_is_complete_and_its_bound_conforms(capsys, tmp_path):
    status, printed = run(capsys, "new", "stranger2030-first-try", "-o", tmp_path / "deep" / "mine")
    folder = tmp_path / "deep" / "mine"
    assert status == 0
    assert printed.out.startswith(f"{folder}: edit stranger2030_first_try.py")
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "pyproject.toml",
        "stranger2030_first_try.py",
        "test_stranger2030_first_try.py",
    ]
    assert [p.name for p in folder.parent.iterdir()] == ["mine"]
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["boundcheck.bounds"] == {
        "stranger2030-first-try": "stranger2030_first_try:bound"
    }
    assert "$" not in "".join(p.read_text() for p in folder.iterdir())
    spec = importlib.util.spec_from_file_location("new_plugin", folder / "stranger2030_first_try.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.bound.id == "stranger2030-first-try"
    assert {r.status for r in check_bound(module.bound)} <= {"passed", "skipped"}


def test_the_folder_is_named_after_the_bound(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "new", "stranger2030-second")[0] == 0
    assert (tmp_path / "stranger2030-second" / "stranger2030_second.py").is_file()


@pytest.mark.parametrize(
    "name", ["Upper2020", "two words", "../escape", "a--b", "-a", "", "2020author", "lambda", "ä", "a\n"]
)
def test_a_name_that_is_none_is_refused(capsys, tmp_path, name):
    status, printed = run(capsys, "new", "-o", tmp_path / "x", "--", name)
    assert status == 2
    assert "is not the name of a bound; lower-case words and hyphens are needed" in printed.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["golowich2018-frobenius", "golowich-fro"])
def test_a_name_that_is_taken_is_refused(capsys, tmp_path, name):
    status, printed = run(capsys, "new", name, "-o", tmp_path / "x")
    assert status == 2
    assert f"a bound named '{name}' is installed already" in printed.err


def test_the_name_of_another_module_is_refused(capsys, tmp_path):
    status, printed = run(capsys, "new", "json", "-o", tmp_path / "x")
    assert status == 2
    assert "Python has a module json already" in printed.err


def test_a_folder_that_exists_is_left_alone(capsys, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for there in ("mine", "dangling", "mine/precious.txt"):
        status, printed = run(capsys, "new", "stranger2030-third", "-o", tmp_path / there)
        assert status == 2
        assert "exists already; give another folder with -o" in printed.err
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["precious.txt"]
    status, printed = run(
        capsys, "new", "stranger2030-third", "-o", tmp_path / "mine" / "precious.txt" / "below"
    )
    assert status == 2
    assert "cannot be made" in printed.err


def test_what_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(KeyboardInterrupt):
        write("stranger2030-fourth", tmp_path / "mine", installed())
    assert list(tmp_path.iterdir()) == []


# show -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", installed().bounds.values(), ids=lambda b: b.id)
def test_show_says_where_the_statement_and_its_constants_come_from(bound):
    shown = workflow.describe(bound, installed()).splitlines()
    citation = bound.theorem.citation
    begin = f"statement: this project, after {citation.printed}: " if citation.changes else "statement: "
    assert any(line.startswith(begin) for line in shown)
    assert f"constants: {citation.verified}" in shown
    (page,) = [line.removeprefix("derivation: ") for line in shown if line.startswith("derivation: ")]
    assert Path(page).is_file()
    assert all(
        any(line.strip().startswith(f"{a.name}: ") for line in shown) for a in bound.theorem.assumptions
    )


def test_show_does_not_speak_for_others():
    bound = installed().bounds["golowich2018-frobenius"]
    registry = dataclasses.replace(installed(), plugins={bound.id: "their-bounds 2.0"})
    assert (
        "statement: the author of their-bounds 2.0, after golowich2018, Theorem 1: k classes"
        in workflow.describe(bound, registry)
    )
    citation = dataclasses.replace(
        bound.theorem.citation, changes="", verified="", derivation="https://example.org/p"
    )
    theirs = dataclasses.replace(bound, theorem=dataclasses.replace(bound.theorem, citation=citation))
    shown = workflow.describe(theirs, registry).splitlines()
    assert "statement: golowich2018, Theorem 1" in shown
    assert "constants: it is not stated how they were confirmed" in shown
    assert "derivation: https://example.org/p" in shown
