"""Check the parts of the language rules that a machine can check, over tracked texts.

Three rules: `opening`, the first word of docstrings; `word`, turns of phrase to avoid in docstrings, comments, strings,
pages and documents; `length`, lines of documents outside tables, code and link targets. Exceptions are listed in
`language_allowed.txt` next to this script.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = Path(__file__).with_name("language_allowed.txt")
SUFFIXES = {".py", ".md", ".js", ".html"}
LONGEST_LINE = 100

OPENING = re.compile(r"(What|Whether|Of|By|As|The same|Who|Whose|Which|Where|How|When)\b")
JS_OPENING = re.compile(rf"/\*\*\s*(?:\*\s*)?(?P<opening>{OPENING.pattern})")
OPENING_HELP = "start with what it does or is"
# A pattern for the phrase, and what to write instead. A blank matches any white space, line breaks included.
WORDS = (
    (r"is to be had", "is available, or name the condition"),
    (r"(in|by) any way", "delete it, or name the way"),
    (r"begun by nobody", "not started"),
    (r"gone on with", "continued, resumed"),
    (r"h(o|e)lds? (\w+ )?against", "compare with"),
    (r"at work", "running, busy"),
    (r"among them", "including"),
    (r"of (its|their|his|our|your|my|one's) own", "its own, separate"),
    (r"anew", "again"),
    (r"mend(s|ed|ing)?", "fix, repair"),
    (r"who(so)?ever", "name the subject"),
    (r"as can be", "delete it"),
    (r"for ever", "indefinitely, forever"),
    (r"tells of", "reports, describes"),
    (r"says of itself", "reports"),
    (r"hears? of", "learns of, receives"),
    (r"at hand", "available, local"),
    (r"heal(s|ed|ing)?", "repair, recover"),
    (r"blam(e|es|ed|ing)", "count as a failure of"),
    (r"(give|gives|gave|given|giving) up", "abandon, release, fail or cancel"),
)
PHRASES = tuple(
    (re.compile(rf"(?<![\w-]){pattern.replace(' ', chr(92) + 's+')}(?![\w-])", re.IGNORECASE), instead)
    for pattern, instead in WORDS
)
CODE = "\0"  # takes the place of what is not prose; matches no phrase and no white space


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    path: str
    line: int
    rule: str
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text!r}: {self.advice}"


@dataclass(slots=True)
class Allowance:
    """One line of the allow-list: a glob of paths, a rule, and a part of the text, or `*`."""

    glob: str
    rule: str
    text: str
    used: bool = field(default=False)

    def covers(self, finding: Finding) -> bool:
        return (
            finding.rule == self.rule
            and fnmatch(finding.path, self.glob)
            and (self.text == "*" or self.text.lower() in finding.text.lower())
        )


def read_allowed(text: str) -> list[Allowance]:
    """Read the allow-list. Raise ValueError at a line that has fewer than three parts."""
    found = []
    for line in text.splitlines():
        entry = line.partition(" # ")[0].strip()
        if entry and not entry.startswith("#"):
            parts = entry.split(maxsplit=2)
            if len(parts) < 3:  # noqa: PLR2004 - path, rule, text
                raise ValueError(f"language_allowed.txt: {entry!r} needs a path, a rule and a text or *")
            glob, rule, words = parts
            found.append(Allowance(glob, rule, words))
    return found


def _blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replace spans by `CODE`, line breaks kept."""
    pieces, end = [], 0
    for start, stop in spans:
        if start >= end:
            pieces += [text[end:start], re.sub(r"[^\n]", CODE, text[start:stop])]
            end = stop
    return "".join([*pieces, text[end:]])


def python_prose(text: str) -> str:
    """Keep comments and strings, with `#` and quotes as blanks; positions stay."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    kept = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    blank, end = [], 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kept:
            start = starts[token.start[0] - 1] + token.start[1]
            blank.append((end, start))
            end = starts[token.end[0] - 1] + token.end[1]
    blank.append((end, len(text)))
    code = [part for span in blank for part in _tight(text, *span)]
    return re.sub(r"[#\"']", " ", _blanked(text, code))


def _tight(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Spans of code without the white space around it, so that a comment goes on in the next line."""
    if words := text[start:stop].strip():
        first = text.index(words, start)
        yield first, first + len(words)


def markdown_prose(text: str) -> str:
    """Remove code and link targets; positions stay."""
    lines = []
    for line, is_code in markdown_lines(text):
        lines.append(re.sub(r"[^\n]", CODE, line) if is_code else line)
    prose = "".join(lines)
    return re.sub(r"`[^`]*`|\]\([^)]*\)|https?://\S+", lambda found: re.sub(r"[^\n]", CODE, found[0]), prose)


def markdown_lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line with whether it is code: fenced, or indented by four blanks after a blank line."""
    fenced = indented = False
    before = ""
    for line in text.splitlines(keepends=True):
        fence = line.lstrip().startswith("```")
        indented = line.startswith("    ") and (indented or not before.strip())
        yield line, fenced or fence or indented
        fenced ^= fence
        if line.strip():
            before = line
        elif not indented:
            before = ""


def openings(path: str, text: str) -> Iterator[Finding]:
    """Docstrings of Python and doc comments of JavaScript that start with a word to avoid."""
    if path.endswith(".js"):
        for found in JS_OPENING.finditer(text):
            line = text.count("\n", 0, found.start("opening")) + 1
            yield Finding(path, line, "opening", _rest_of_line(text, found.start("opening")), OPENING_HELP)
    elif path.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node)
                if docstring and OPENING.match(docstring):
                    line = node.body[0].lineno
                    yield Finding(path, line, "opening", docstring.splitlines()[0], OPENING_HELP)


def _rest_of_line(text: str, start: int) -> str:
    return text[start:].split("\n", 1)[0]


def phrases(path: str, text: str) -> Iterator[Finding]:
    """Turns of phrase to avoid, with the line in which they start."""
    if path.endswith(".py"):
        prose = python_prose(text)
    elif path.endswith(".md"):
        prose = markdown_prose(text)
    else:
        prose = re.sub(r"(?m)^(\s*)(\*|//)", r"\1 ", text)
    for pattern, instead in PHRASES:
        for found in pattern.finditer(prose):
            line = prose.count("\n", 0, found.start()) + 1
            yield Finding(path, line, "word", " ".join(found[0].split()), f"write: {instead}")


def long_lines(path: str, text: str) -> Iterator[Finding]:
    """Lines of a document beyond the limit, without tables, code, and the targets of links."""
    if not path.endswith(".md"):
        return
    for number, (line, is_code) in enumerate(markdown_lines(text), start=1):
        shown = re.sub(r"\]\([^)]*\)|https?://\S+", "]", line.rstrip("\n"))
        if not is_code and not line.lstrip().startswith("|") and len(shown) > LONGEST_LINE:
            yield Finding(path, number, "length", line[:60].strip(), f"{len(shown)} characters, over {LONGEST_LINE}")


def check(path: str, text: str) -> list[Finding]:
    return sorted([*openings(path, text), *phrases(path, text), *long_lines(path, text)])


def tracked_files(root: Path, prefixes: list[str]) -> list[str]:
    """Paths of checked texts, as git lists them, or all that are not hidden where there is no git checkout."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if listed.returncode == 0:
        names = listed.stdout.split("\0")
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
        names = [name for name in names if not name.startswith(".")]
    chosen = {name for name in names if Path(name).suffix in SUFFIXES and (root / name).is_file()}
    return sorted(name for name in chosen if not prefixes or name.startswith(tuple(prefixes)))


def main(argv: list[str] | None = None, *, root: Path = ROOT, allowed: Path = ALLOWED) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", help="check only paths that start with one of these")
    paths = parser.parse_args(argv).paths
    exceptions = read_allowed(allowed.read_text(encoding="utf-8"))
    count = 0
    for path in tracked_files(root, paths):
        for finding in check(path, (root / path).read_text(encoding="utf-8")):
            covering = [one for one in exceptions if one.covers(finding)]
            for one in covering:
                one.used = True
            if not covering:
                print(finding)
                count += 1
    for one in exceptions:
        if not one.used and not paths:
            print(f"{allowed.name}: no text needs {one.glob} {one.rule} {one.text}; remove the line")
            count += 1
    print(f"{count} findings", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
