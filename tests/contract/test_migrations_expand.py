"""Migrations only expand the schema, unless a release has stopped using what they remove, and block no writes."""

from __future__ import annotations

import pytest

from scripts.check_migrations import BEFORE_THE_RULE, FOLDER, RELEASE, ROOT, faults

RELEASED = frozenset({"0.2.0"})


def migration(operation: str, extra: str = "") -> str:
    return f"{extra}\ndef upgrade():\n    {operation}\n\ndef downgrade():\n    op.drop_table('t')\n"


def test_migrations_since_the_rule_expand() -> None:
    released = frozenset(RELEASE.findall((ROOT / "CHANGELOG.md").read_text("utf-8")))
    paths = sorted(FOLDER.glob("*.py"))
    assert BEFORE_THE_RULE in [path.name for path in paths]
    newer = [path for path in paths if path.name > BEFORE_THE_RULE]
    assert [fault for path in newer for fault in faults(path.name, path.read_text("utf-8"), released)] == []


def test_the_rule_finds_operations_of_earlier_migrations() -> None:
    earlier = [path for path in FOLDER.glob("*.py") if list(faults(path.name, path.read_text("utf-8"), RELEASED))]
    assert earlier


@pytest.mark.parametrize(
    ("operation", "subject"),
    [
        ("op.drop_column('runs', 'old')", "runs.old"),
        ("op.drop_table('runs')", "runs"),
        ("op.rename_table('runs', 'others')", "runs.others"),
        ("op.alter_column('runs', 'old', new_column_name='new')", "runs.old"),
        ("op.alter_column('runs', 'old', nullable=False)", "runs.old"),
        ("op.alter_column('runs', 'old', type_=sa.Text())", "runs.old"),
        ("op.alter_column('runs', 'old', server_default=None)", "runs.old"),
        ("op.add_column('runs', sa.Column('new', sa.Integer(), nullable=False))", "runs.new"),
        ("op.create_check_constraint(op.f('ck_runs_new'), 'runs', 'new > 0')", "runs.ck_runs_new"),
        ("op.create_unique_constraint('uq_runs_new', 'runs', ['new'])", "runs.uq_runs_new"),
        ("op.execute('ALTER TABLE runs DROP COLUMN old')", "DROP COLUMN old"),
        ("op.execute(STATEMENT)", "SET NOT NULL"),
        ("op.execute(f'ALTER TABLE {table} RENAME TO x')", "RENAME TO x"),
    ],
)
def test_an_operation_that_the_release_before_notices_needs_an_entry(operation: str, subject: str) -> None:
    extra = "STATEMENT = 'ALTER TABLE runs ALTER old SET NOT NULL'\n"
    (fault,) = faults("m.py", migration(operation, extra), RELEASED)
    assert f'contracts = {{"{subject}": ' in fault
    assert list(faults("m.py", migration(operation, f"{extra}contracts = {{{subject!r}: '0.2.0'}}"), RELEASED)) == []


@pytest.mark.parametrize(
    "operation",
    [
        "op.add_column('runs', sa.Column('new', sa.Integer(), nullable=True))",
        "op.add_column('runs', sa.Column('new', sa.Integer(), server_default='0', nullable=False))",
        "op.create_table('new', sa.Column('id', sa.Integer(), nullable=False))",
        "build_index('ix_runs_new', 'runs', ['new'])",
        "op.drop_index('ix_runs_old')",
        "op.alter_column('runs', 'old', nullable=True)",
        "op.drop_constraint('ck_runs_old', 'runs')",
        "op.execute('UPDATE runs SET new = old')",
    ],
)
def test_expansions_need_no_entry(operation: str) -> None:
    assert list(faults("m.py", migration(operation), RELEASED)) == []


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ("op.create_index('ix_runs_new', 'runs', ['new'])", "index ix_runs_new of runs blocks writes"),
        ("op.create_index(op.f('ix_runs_new'), TABLE, ['new'])", "blocks writes"),
        ("op.execute('CREATE UNIQUE INDEX ix ON runs (new)')", "SQL that builds an index blocks writes"),
        ("op.execute('REINDEX TABLE runs')", "SQL that builds an index blocks writes"),
        ("op.add_column('runs', sa.Column('new'))\n    build_index('ix', 'runs', ['new'])", "add_column beside"),
    ],
)
def test_an_index_of_a_table_with_rows_is_built_online_and_alone(operation: str, reason: str) -> None:
    (fault,) = faults("m.py", migration(operation), RELEASED)
    assert reason in fault


def test_a_new_table_may_have_indexes() -> None:
    operations = "op.create_table('new')\n    op.create_index('ix_new', 'new', ['a'])"
    assert list(faults("m.py", migration(operations), RELEASED)) == []


def test_an_entry_names_a_release() -> None:
    (fault,) = faults("m.py", migration("op.drop_table('runs')", "contracts = {'runs': '9.9.9'}"), RELEASED)
    assert "no release in CHANGELOG.md" in fault


def test_rules_of_a_new_table_need_no_entry() -> None:
    operations = "op.create_table('new')\n    op.create_unique_constraint('uq', 'new', ['a'])"
    assert list(faults("m.py", migration(operations), RELEASED)) == []
