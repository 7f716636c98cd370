"""Check the form of commit messages: a file for git's hook `commit-msg`, or a range of commits with `--commits`."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

LONGEST_SUBJECT = 72
GENERATED = re.compile(r"(Merge |Revert \"|Reapply \"|(fixup|squash|amend)! )")  # git writes these subjects
SCISSORS = re.compile(r"^# -+ >8 -+$", re.MULTILINE)  # `git commit --verbose` puts the diff below
# Verbs in the imperative that end like a past tense or a participle.
IMPERATIVES = {"Bring", "Embed", "Exceed", "Feed", "Ping", "Proceed", "Seed", "Shed", "Speed", "Spring", "Succeed"}


def without_comments(text: str) -> str:
    """Return the message as git will store it, without comment lines and blank lines around it."""
    kept = SCISSORS.split(text, maxsplit=1)[0]
    return "\n".join(line.rstrip() for line in kept.splitlines() if not line.startswith("#")).strip("\n")


def problems(message: str) -> list[str]:
    """List what is wrong with a message, comments removed."""
    subject, *rest = message.split("\n")
    if GENERATED.match(subject):
        return []
    if not subject.strip():
        return ["the message is empty"]
    found = []
    first = subject.split(maxsplit=1)[0]
    if not first[0].isupper():
        found.append(f"the subject starts with {first!r}; start it with a capital letter")
    if re.fullmatch(r"[A-Za-z]{2,}(ed|ing)", first) and first.capitalize() not in IMPERATIVES:
        found.append(f"the subject starts with {first!r}; use the imperative, such as 'Add' for 'Added' or 'Adding'")
    if len(subject) > LONGEST_SUBJECT:
        found.append(f"the subject has {len(subject)} characters; at most {LONGEST_SUBJECT} are allowed")
    if subject.endswith("."):
        found.append("the subject ends with a period; remove it")
    if rest and rest[0]:
        found.append("the second line is not blank; separate the subject from the body")
    return found


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607


def _messages(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Return pairs of a name and a message."""
    if arguments.commits:
        commits = _git("rev-list", "--reverse", "--no-merges", arguments.commits).split()
        return [(commit[:10], _git("log", "-1", "--format=%B", commit).strip("\n")) for commit in commits]
    text = Path(arguments.file).read_text(encoding="utf-8", errors="replace")
    return [("commit message", without_comments(text))]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", help="file with the message, as git gives it to the hook")
    source.add_argument("--commits", help="range of commits, such as origin/main..HEAD")
    found = [
        f"{name}: {problem}" for name, message in _messages(parser.parse_args(argv)) for problem in problems(message)
    ]
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
