"""Check that migrations only expand the schema, and block no writes while they build indexes.

Code of the release before works on an expanded schema. An operation that this code would notice needs an entry in the
migration's `contracts`: what it removes, and the release that stopped using it. An index of a table that has rows is
built by `samfleet.db.online_index`, in a migration that does nothing else (docs/backup.md#rule-for-migrations).
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
BUILD_INDEX = "build_index"
INDEX_SQL = re.compile(r"\bCREATE\s+(UNIQUE\s+)?INDEX\b|\bREINDEX\b", re.IGNORECASE)
CHANGES = {"type_", "new_column_name", "server_default"}  # of alter_column


def faults(name: str, source: str, released: frozenset[str]) -> Iterator[str]:
    """Yield a sentence for each operation of `upgrade` that breaks a rule, and for each wrong entry."""
    tree = ast.parse(source)
    yield from (f"{name}: {fault}" for fault in _blocking(tree))
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


def _blocking(tree: ast.Module) -> Iterator[str]:
    """Yield the indexes that are built in a transaction, unless their table is new, and work beside `build_index`."""
    constants, upgrade = _constants(tree), _upgrade(tree)
    new_tables, online = _new_tables(upgrade), _builds_online(upgrade)
    for call in _calls(upgrade):
        operation = _operation(call)
        if operation == "create_index" and _text(call.args[1]) not in new_tables:
            yield f"index {_text(call.args[0])} of {_text(call.args[1])} blocks writes; use samfleet.db.online_index"
        elif operation == "execute" and INDEX_SQL.search(_sql(call, constants)):
            yield "SQL that builds an index blocks writes; use samfleet.db.online_index"
        elif online:
            yield f"{operation} beside {BUILD_INDEX} runs again after an interruption; move it to another migration"


def _builds_online(function: ast.FunctionDef) -> bool:
    calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(call.func, ast.Name) and call.func.id == BUILD_INDEX for call in calls)


def _constants(tree: ast.Module) -> Mapping[str, ast.expr]:
    return {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}


def _upgrade(tree: ast.Module) -> ast.FunctionDef:
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")


def _new_tables(function: ast.FunctionDef) -> frozenset[str]:
    return frozenset(_text(call.args[0]) for call in _calls(function) if _operation(call) == "create_table")


def _contracting(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the subject and a description of each operation that is no expansion."""
    constants, upgrade = _constants(tree), _upgrade(tree)
    new_tables = _new_tables(upgrade)
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
    text = _sql(call, constants)
    if found := SQL.search(text):
        words = " ".join(text[found.start() :].split()[:4])
        yield words, f"SQL with {words!r}"


def _sql(call: ast.Call, constants: Mapping[str, ast.expr]) -> str:
    """Return the literal text of an `op.execute`, also of a constant of the module."""
    value = constants.get(ast.unparse(call.args[0]), call.args[0])
    within = [node.value for node in ast.walk(value) if isinstance(node, ast.Constant)]
    return " ".join(part for part in within if isinstance(part, str))


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
