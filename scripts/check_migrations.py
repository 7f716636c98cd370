"""Check that migrations only expand the schema, so that code of the release before works on it.

An operation that this code would notice needs an entry in the migration's `contracts`: what it removes, and the release
that stopped using it (docs/backup.md#rule-for-migrations).
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "migrations" / "versions"
BEFORE_THE_RULE = "2026-11-30_0030_round_trips.py"  # of the first release: no release has run on an earlier schema
CONTRACTS = "contracts"
RELEASE = re.compile(r"^## \[?(\d+\.\d+\.\d+)", re.MULTILINE)
# Views may be dropped and made again in one migration: only BI tools read them.
SQL = re.compile(
    r"\bDROP\s+(TABLE|COLUMN|SCHEMA|FUNCTION|TYPE)\b|\bRENAME\b|\bTRUNCATE\b|\bSET\s+NOT\s+NULL\b"
    r"|\bALTER\s+COLUMN\s+\S+\s+(SET\s+DATA\s+)?TYPE\b",
    re.IGNORECASE,
)
REMOVALS = {"drop_table", "drop_column", "rename_table"}
NEW_RULES = {"create_check_constraint", "create_unique_constraint", "create_foreign_key", "create_exclude_constraint"}
CHANGES = {"type_", "new_column_name", "server_default"}  # of alter_column


def faults(name: str, source: str, released: frozenset[str]) -> Iterator[str]:
    """Yield a sentence for each operation of `upgrade` without an entry, and for each wrong entry."""
    tree = ast.parse(source)
    contracts = _contracts(tree)
    for subject, what in _contracting(tree):
        if subject not in contracts:
            yield (
                f"{name}: {what}, which code of the release before notices; expand first, and name here the release "
                f'that stopped using it: {CONTRACTS} = {{"{subject}": "1.2.3"}}'
            )
    for subject, release in contracts.items():
        if release not in released:
            yield f"{name}: {CONTRACTS} names {release!r} for {subject!r}, which is no release in CHANGELOG.md"


def _contracts(tree: ast.Module) -> Mapping[str, str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [CONTRACTS]:
            return dict(ast.literal_eval(node.value))
    return {}


def _contracting(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the subject and a description of each operation that is no expansion."""
    constants = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    new_tables = {_text(call.args[0]) for call in _calls(upgrade) if _operation(call) == "create_table"}
    for call in _calls(upgrade):
        operation, words = _operation(call), [_text(argument) for argument in call.args]
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if operation == "execute":
            yield from _in_sql(call, constants)
        elif operation in REMOVALS:
            yield ".".join(words[:2]), f"{operation} of {'.'.join(words[:2])}"
        elif operation in NEW_RULES and words[1] not in new_tables:
            yield ".".join(words[1::-1]), f"{operation} {words[0]} of {words[1]}"
        elif operation == "alter_column" and (CHANGES & set(keywords) or _is(keywords.get("nullable"), value=False)):
            yield ".".join(words[:2]), f"alter_column of {'.'.join(words[:2])}"
        elif operation == "add_column" and _is_required(call.args[1]):
            column = f"{words[0]}.{_column(call.args[1])}"
            yield column, f"add_column of {column} without a default, which an INSERT without it fails"


def _in_sql(call: ast.Call, constants: Mapping[str, ast.expr]) -> Iterator[tuple[str, str]]:
    argument = call.args[0]
    value = constants.get(ast.unparse(argument), argument)
    within = [node.value for node in ast.walk(value) if isinstance(node, ast.Constant)]
    text = " ".join(part for part in within if isinstance(part, str))
    if found := SQL.search(text):
        words = " ".join(text[found.start() :].split()[:4])
        yield words, f"SQL with {words!r}"


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    return (node for node in ast.walk(function) if isinstance(node, ast.Call) and _operation(node))


def _operation(call: ast.Call) -> str:
    """Return the name of an operation of alembic (`op.NAME`, or of a batch); empty for other calls."""
    function = call.func
    named = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    return function.attr if named and function.value.id in {"op", "batch_op"} else ""  # type: ignore[attr-defined]


def _is_required(column: ast.expr) -> bool:
    """Return True for a new column that an INSERT must name: not nullable, and without a default of the server."""
    keywords = {one.arg: one.value for one in column.keywords} if isinstance(column, ast.Call) else {}
    return _is(keywords.get("nullable"), value=False) and not keywords.keys() & {"server_default"}


def _is(node: ast.expr | None, *, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _column(column: ast.expr) -> str:
    return _text(column.args[0]) if isinstance(column, ast.Call) and column.args else ast.unparse(column)


def _text(node: ast.expr) -> str:
    """Return the value of a text, or the inner text of `op.f("name")`; other expressions as they are written."""
    if isinstance(node, ast.Call) and _operation(node) == "f":
        return _text(node.args[0])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def main() -> None:
    released = frozenset(RELEASE.findall((ROOT / "CHANGELOG.md").read_text("utf-8")))
    paths = [path for path in sorted(FOLDER.glob("*.py")) if path.name > BEFORE_THE_RULE]
    found = [fault for path in paths for fault in faults(path.name, path.read_text("utf-8"), released)]
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
