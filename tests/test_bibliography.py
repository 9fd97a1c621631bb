"""BibTeX: every entry parses, LaTeX's characters are escaped, and the works are those that were used."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from boundcheck import Citation, Reference
from boundcheck.bibliography import bibliography, entry, latex, software
from boundcheck.cli import main
from boundcheck.registry import installed

ROOT = Path(__file__).parents[1]
REQUIRED = {
    "article": {"author", "title", "journal", "year"},
    "book": {"author", "title", "publisher", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": set(),
}


def parse(text):
    """A strict reading of BibTeX: entries of known kinds with braced fields, and between them only comment lines."""
    entries, comments, position = {}, [], 0
    while position < len(text):
        line = re.compile(r"%[^\n@]*\n|\n").match(text, position)
        if line:
            comments.append(line[0])
            position = line.end()
            continue
        head = re.compile(r"@(\w+)\{([A-Za-z0-9:.+/-]+),\n").match(text, position)
        assert head, f"neither an entry nor a comment: {text[position : position + 60]!r}"
        kind, key = head.groups()
        position = head.end()
        fields = {}
        while not text.startswith("}", position):
            name = re.compile(r"  (\w+) = \{").match(text, position)
            assert name, f"not a field: {text[position : position + 60]!r}"
            assert name[1] not in fields
            end = closing(text, name.end())
            fields[name[1]] = text[name.end() : end]
            assert text.startswith("},\n", end)
            position = end + 3
        position += 1
        assert kind in REQUIRED
        assert fields.keys() >= REQUIRED[kind], (key, fields)
        assert all(fields.values())
        assert key not in entries
        entries[key] = (kind, fields)
    return entries, comments


def closing(text, position):
    """The brace that closes the field. BibTeX counts escaped braces too, so they must balance."""
    depth = 0
    while depth or text[position] != "}":
        assert text[position] != "\n", "a field goes over its line"
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        position += 1
    return position


def work(**changes):
    known = {
        "key": "a1",
        "authors": "A. Author",
        "year": 2001,
        "title": "T",
        "venue": "Journal 24(6):377-380",
    }
    return Reference(**{**known, **changes})


def fields(reference):
    ((_, (kind, found)),) = parse(entry(reference) + "\n")[0].items()
    return kind, found


def test_an_article_has_its_volume_number_and_pages():
    assert fields(work(authors="A. Author, B. C. Writer and D. Third", identifier="doi:10.1000/x_1")) == (
        "article",
        {
            "author": "A. Author and B. C. Writer and D. Third",
            "title": "{T}",
            "journal": "Journal",
            "volume": "24",
            "number": "6",
            "pages": "377--380",
            "year": "2001",
            "doi": r"10.1000/x\_1",
        },
    )


@pytest.mark.parametrize(
    ("changes", "kind", "part"),
    [
        ({"venue": "COLT 2018", "kind": "inproceedings"}, "inproceedings", {"booktitle": "COLT 2018"}),
        ({"venue": "Wiley", "kind": "book"}, "book", {"publisher": "Wiley"}),
        (
            {"venue": "2nd edition, MIT Press", "kind": "book"},
            "book",
            {"edition": "2nd", "publisher": "MIT Press"},
        ),
        ({"venue": "preprint"}, "misc", {"howpublished": "preprint"}),
        (
            {"venue": "Journal of Things, Series A 71(2):219"},
            "article",
            {"journal": "Journal of Things, Series A"},
        ),
        ({"identifier": "arXiv:2111.00062"}, "article", {"eprint": "2111.00062", "archiveprefix": "arXiv"}),
        ({"identifier": "https://doi.org/10.1/2"}, "article", {"doi": "10.1/2"}),
        ({"identifier": "https://example.org/a_b"}, "article", {"url": "https://example.org/a_b"}),
    ],
)
def test_a_work_is_cited_as_what_it_is(changes, kind, part):
    found = fields(work(**changes))
    assert found[0] == kind
    assert found[1].items() >= part.items()


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ("Györfi & Lugosi", r"Gy{\"{o}}rfi \& Lugosi"),
        ("Mathématiques", r"Math{\'{e}}matiques"),
        ("50 % of #1_2 $x$", r"50 \% of \#1\_2 \$x\$"),
        (
            "a\\b{c}~^",
            r"a\textbackslash{}b\textbraceleft{}c\textbraceright{}\textasciitilde{}\textasciicircum{}",
        ),
        ("Łukasz Øre Straße 1–2", r"{\L}ukasz {\O}re Stra{\ss}e 1--2"),
        ("naïve Çelik Hőgye", r"na{\"{\i}}ve {\c{C}}elik H{\H{o}}gye"),
        ("two\n  lines", "two lines"),
        ("Колмогоров", "Колмогоров"),
    ],
)
def test_latex_is_escaped(plain, escaped):
    assert latex(plain) == escaped


def test_a_lone_brace_stays_inside_its_field():
    assert fields(work(title="a } b"))[1]["title"] == r"{a \textbraceright{} b}"


def test_works_of_one_key_get_keys_of_their_own():
    first, second = work(title="One"), work(title="Two")
    text = bibliography(
        {
            "x": Citation(first),
            "y": Citation(second),
            "z": Citation(first),
            "w": Citation(work(key="Boundcheck")),
        }
    )
    entries, comments = parse(text)
    assert list(entries) == ["boundcheck", "Boundcheckb", "a1", "a1b"]
    assert entries["a1"][1]["title"] == "{One}"
    assert [c.strip() for c in comments if c.strip()] == ["% w", "% x", "% z", "% y"]


def test_what_bibtex_would_read_as_an_entry_is_no_comment():
    text = bibliography({"x": Citation(work(), theorem="Theorem 1", changes="as in @misc{a,}\nb")})
    assert "% x: Theorem 1, changed: as in (at)misc{a,} b\n" in text
    assert list(parse(text)[0]) == ["boundcheck", "a1"]


def test_boundcheck_is_cited_as_its_own_file_says():
    cff = dict(re.findall(r"^([\w-]+): (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    ((kind, found),) = parse(software() + "\n")[0].values()
    assert kind == "misc"
    assert found["title"] == "{" + cff["title"].strip('"') + "}"
    assert found["note"] == f"Version {cff['version']}, {cff['license']}"
    assert found["author"].strip("{}") in (ROOT / "CITATION.cff").read_text()


# The command ----------------------------------------------------------------------------------------------------------


def run(capsys, *arguments):
    capsys.readouterr()
    try:
        main(["bounds", "cite", *map(str, arguments)])
    except SystemExit as exit:
        return exit.code or 0, capsys.readouterr()
    return 0, capsys.readouterr()


def stored(tmp_path, name, *rows):
    folder = tmp_path / name
    folder.mkdir()
    evaluation = {"schema": 1, "run": name, "bounds": list(rows), "measures": []}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "history.csv").write_text("epoch\n1\n")
    return folder


def row(identifier, value=True, citation=None):
    return {"id": identifier, "value": {"lo": 1.0} if value else None, "citation": citation}


def described(key):
    reference = dataclasses.asdict(work(key=key))
    return {
        "key": key,
        "work": reference,
        "theorem": "Theorem 7",
        "derivation": "",
        "changes": "",
        "verified": "",
    }


def test_all_installed_works_have_an_entry(capsys):
    status, printed = run(capsys, "--all")
    entries, _ = parse(printed.out)
    assert status == 0
    assert entries.keys() == {"boundcheck"} | {e.citation.reference.key for e in installed().entries}
    assert printed.out.isascii()


def test_only_works_that_were_used_are_cited(capsys, tmp_path):
    a = stored(
        tmp_path, "a", row("mine-1", citation=described("one")), row("no-value", False, described("two"))
    )
    b = stored(tmp_path, "b", row("mine-2", citation=described("three")), row("failed", False))
    status, printed = run(capsys, a, b)
    entries, comments = parse(printed.out)
    assert status == 0
    assert entries.keys() == {"boundcheck", "one", "three"}
    assert "% mine-1: Theorem 7\n" in comments


def test_an_evaluation_from_before_works_were_stored_is_completed_by_what_is_installed(capsys, tmp_path):
    old = {"key": "golowich2018", "reference": "", "theorem": "Theorem 1", "derivation": ""}
    status, printed = run(capsys, stored(tmp_path, "a", row("golowich2018-frobenius", citation=old)))
    assert status == 0
    assert parse(printed.out)[0].keys() == {"boundcheck", "golowich2018"}
    status, printed = run(capsys, stored(tmp_path, "b", row("absent", citation=old)))
    assert status == 2
    assert "does not describe the work behind absent" in printed.err


def test_a_real_evaluation_stores_what_is_needed(capsys, tmp_path, small_run):
    import boundcheck as bc

    folder = stored(tmp_path, "real")
    evaluation = bc.evaluate(small_run, bounds=["golowich2018-frobenius", "mohri2018-rademacher"])
    (folder / "evaluation.json").write_text(json.dumps(evaluation.to_json()))
    used, _ = parse(run(capsys, folder)[1].out)
    assert used.keys() == {"boundcheck", "golowich2018"}  # the other one does not apply to arrays
    everything, _ = parse(run(capsys, "--all")[1].out)
    assert used["golowich2018"] == everything["golowich2018"]


@pytest.mark.parametrize("arguments", [[], ["--all", "runs/a"]])
def test_either_runs_or_all(capsys, arguments):
    status, printed = run(capsys, *arguments)
    assert status == 2
    assert printed.err.count("\n") == 1
    assert "give the run directories whose bounds you quote, or --all" in printed.err


def test_a_run_that_is_not_evaluated_is_named(capsys, tmp_path):
    status, printed = run(capsys, tmp_path)
    assert status == 2
    assert f"{tmp_path} has no evaluation.json" in printed.err
