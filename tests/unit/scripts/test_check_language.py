"""The part of the language rules that `scripts/check_language.py` finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check_language import check, main, read_allowed


def found(path: str, text: str) -> list[tuple[int, str, str]]:
    return [(one.line, one.rule, one.text) for one in check(path, text)]


@pytest.mark.parametrize("word", ["What", "Whether", "Of", "By", "As", "The same", "Who", "How", "When"])
def test_the_opening_of_a_docstring(word: str) -> None:
    text = f'"""{word} it is."""\n'
    assert found("a.py", text) == [(1, "opening", f"{word} it is.")]
    assert found("a.py", f'def f() -> None:\n    """{word} it is.\n\n    More.\n    """\n')[0][0] == 2


def test_a_word_that_only_begins_like_one_is_fine() -> None:
    assert found("a.py", '"""Offsets of the boxes."""\nx = "What is it?"\n') == []


def test_the_opening_of_a_doc_comment_in_javascript() -> None:
    assert found("a.js", "const a = 1;\n/**\n * Whether it is open.\n */\n") == [(3, "opening", "Whether it is open.")]


def test_words_in_comments_strings_and_f_strings_of_python() -> None:
    text = 'a = "Mend it."\nb = 1  # made anew\nc = f"blame {a}"\nmend = a\n'
    assert found("a.py", text) == [(1, "word", "Mend"), (2, "word", "anew"), (3, "word", "blame")]


def test_a_phrase_over_two_lines() -> None:
    assert found("a.py", "# It is held\n# against the rest.\n") == [(1, "word", "held against")]
    assert found("a.md", "It is held\nagainst the rest.\n") == [(1, "word", "held against")]
    assert found("a.js", "// It is held\n// against the rest.\n") == [(1, "word", "held against")]
    assert found("a.html", "<p>held\nagainst</p>\n") == [(1, "word", "held against")]
    assert found("a.py", '"""It is held\nagainst the rest."""\n') == [(1, "word", "held against")]


def test_code_between_two_texts_separates_them() -> None:
    assert found("a.py", 'f("held", x, "against")\n') == []


def test_code_and_link_targets_in_markdown_are_no_prose() -> None:
    text = "`mend` [x](mend-it.md) https://example.org/mend\n\n    mend it\n\n```\nmend it\n```\n"
    assert found("a.md", text) == []


def test_a_word_with_a_hyphen_is_another_word() -> None:
    assert found("a.md", "A self-healing stack, and blame-free reviews.\n") == []


def test_long_lines_of_documents() -> None:
    long = "word " * 20 + "end"
    assert found("a.md", f"{long}\n") == [(1, "length", long[:60].strip())]
    assert found("a.md", f"| {long} |\n```\n{long}\n```\n\n    {long}\n") == []
    assert found("a.md", f"[words](https://example.org/{'x' * 100})\n") == []
    assert found("a.py", f"# {long}\n") == []


def test_an_indented_line_of_a_list_is_prose() -> None:
    assert found("a.md", "1. Mend it,\n    and mend it.\n") == [(1, "word", "Mend"), (2, "word", "mend")]


def run(root: Path, allowed: str, *paths: str) -> int:
    (root / "allowed.txt").write_text(allowed)
    return main(list(paths), root=root, allowed=root / "allowed.txt")


def test_findings_are_listed_and_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.md").write_text("Mend it.\n")
    (tmp_path / "b.md").write_text("Fix it.\n")
    assert run(tmp_path, "") == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("a.md:1: word: 'Mend'")
    assert captured.err == "1 findings\n"
    assert run(tmp_path, "", "b.md") == 0


def test_the_allow_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.md").write_text("Mend it anew.\n")
    assert run(tmp_path, "# a comment\na.md word mend  # the name of a tool\n*.md word ANEW\n") == 0
    assert run(tmp_path, "a.md word *\n") == 0
    assert run(tmp_path, "a.md opening *\nb.md word *\na.md word mend\n") == 1
    assert "anew" in capsys.readouterr().out


def test_a_line_of_the_allow_list_that_no_text_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.md").write_text("Fix it.\n")
    assert run(tmp_path, "a.md word mend\n") == 1
    assert "remove the line" in capsys.readouterr().out
    assert run(tmp_path, "a.md word mend\n", "a.md") == 0


def test_an_incomplete_line_of_the_allow_list() -> None:
    with pytest.raises(ValueError, match="needs a path"):
        read_allowed("a.md word\n")
