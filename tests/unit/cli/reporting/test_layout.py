from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from samfleet_cli.reporting.layout import lay_out

COLUMNS = 100
LONG_NAME = "AMD EPYC 9B14 96-Core Processor (2 threads)"
TIMES = [f"{name}_ms" for name in ("mean", "p50", "p90", "p95", "p99")]


def row(**values: Any) -> dict[str, Any]:
    identity = {"variant": "efficientvit_sam_xl1", "hardware": LONG_NAME, "hardware_id": "11111111-1", "stage": "image"}
    same = {"site": "local", "code_version": "0.1.0", "parameters": "3f2a9c10b7d4", "n": 123456, "failures": 0}
    return {**identity, **same, **dict.fromkeys(TIMES, 12345.678), **values}


def shown(rows: list[dict[str, Any]], width: int = COLUMNS) -> tuple[str, str]:
    context, found = lay_out(rows, width)
    out = io.StringIO()
    console = Console(file=out, width=width)
    for table in found:
        console.print(table)
    return context, out.getvalue()


def titles(rows: list[dict[str, Any]], width: int = COLUMNS) -> list[list[str]]:
    return [[str(column.header).replace("\n", " ") for column in table.columns] for table in lay_out(rows, width)[1]]


def test_the_latencies_of_long_names_fit_100_columns() -> None:
    rows = [row(stage="image", mean_ms=1234.4), row(stage="encode", mean_ms=None)]
    context, table = shown(rows)
    assert max(map(len, table.splitlines())) <= COLUMNS
    assert len(re.findall(r"\b12346\b", table)) == 8
    assert re.search(r"\b1234\b", table)
    assert context == "site local, code version 0.1.0, parameters 3f2a9c10b7d4, failures 0"
    assert len(titles(rows)) == 1


@pytest.mark.parametrize("width", [80, 100, 140])
def test_columns_that_do_not_fit_move_to_another_table(width: int) -> None:
    figures = {f"figure_{number}": 0.12345 + number for number in range(20)}
    rows = [row(**figures), row(stage="encode", **figures)]
    _, table = shown(rows, width)
    assert max(map(len, table.splitlines())) <= width
    for number in range(20):
        assert len(re.findall(rf"(?<![\d.]){0.12345 + number:.4g}(?![\d.])", table)) == 2
    blocks = titles(rows, width)
    assert all(block[:3] == ["variant", "hardware", "stage"] for block in blocks)
    assert [name for block in blocks for name in block[3:]] == [
        "n",
        *(name.replace("_", " ") for name in [*TIMES, *figures]),
    ]


def test_a_comparison_shows_its_verdict_and_whole_digests() -> None:
    sides = {"a": "11111111-1", "b": "22222222-2", "n_a": 4990, "n_b": 4990, "p50_a_ms": 12.3, "p50_b_ms": 123.4}
    ratio = {"ratio": 0.1, "ratio_low": 0.0981, "ratio_high": 0.1021, "verdict": "a is faster"}
    rows = [{"variant": "mobile_sam", "parameters": digest, **sides, **ratio} for digest in ("3f2a9c10b7d4", "9f2a")]
    _, table = shown(rows, 80)
    assert all(table.count(word) >= 2 for word in ("a is faster", "0.0981", "0.1021"))
    assert "3f2a9c10b7d4" in table


def test_digests_are_followed_by_the_parameters_that_distinguish_them() -> None:
    rows = [row(parameters=digest, task_in_words="prompts, box") for digest in ("aaaaaaaaaaaa", "bbbbbbbbbbbb")]
    parameters = {
        digest: {"task": {"kind": "prompts"}, "checkpoint_sha256": digest[0] * 64, "input": {"size": 1024}}
        for digest in ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
    }
    _, (table,) = lay_out(rows, 400, parameters)
    column = next(column for column in table.columns if str(column.header) == "parameters")
    assert [str(cell) for cell in column.cells] == [
        f"{digest}: checkpoint sha256 {digest}" for digest in ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
    ]


def test_the_sides_of_a_comparison_are_named_in_words() -> None:
    sides = {"a": "11111111-1", "b": "22222222-2", "a_in_words": "NVIDIA L4", "b_in_words": "A CPU"}
    context, table = shown([row(**sides)])
    assert "a NVIDIA L4, b A CPU" in context
    assert "22222222" not in context + table


def test_fields_that_differ_between_rows_have_a_column() -> None:
    context, table = shown([row(site="local"), row(site="laptop")])
    assert "laptop" in table
    assert context == "code version 0.1.0, parameters 3f2a9c10b7d4, failures 0"


def test_machines_with_the_same_name_are_distinguished_by_id() -> None:
    _, table = shown([row(), row(hardware_id="22222222-2")])
    assert "11111111" in table
    assert "22222222" in table
    assert "hardware id" not in titles([row(), row(hardware="another", hardware_id="22222222-2")])[0]


def test_figures_missing_in_all_rows_have_no_column() -> None:
    rows = [row(ap=None, ar_1=0.2, ar_1_small=0.3), row(ap=None, ar_1=None, ar_1_small=None)]
    assert titles(rows, 200)[0][-2:] == ["p99 ms", "ar 1"]


def test_control_characters_in_imported_names_are_escaped() -> None:
    rows = [row(hardware="GPU\x1b[2J\x9b1m\n", dataset="a\x1b]0;b"), row(hardware="other", dataset="c")]
    context, table = shown(rows)
    assert "GPU�[2J�1m" in table
    assert not any(sign in context + table for sign in "\x1b\x9b")
