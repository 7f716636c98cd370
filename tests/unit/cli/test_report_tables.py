from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from samfleet_cli.reporting.printing import report_table

COLUMNS = 100
LONG_NAME = "AMD EPYC 9B14 96-Core Processor (2 threads)"


def row(**values: Any) -> dict[str, Any]:
    identity = {"variant": "efficientvit_sam_xl1", "hardware": LONG_NAME, "hardware_id": "11111111-1", "stage": "image"}
    same = {"site": "local", "code_version": "0.1.0", "parameters": "3f2a9c10b7d4", "n": 123456, "failures": 0}
    times = {f"{name}_ms": 12345.678 for name in ("mean", "p50", "p90", "p95", "p99")}
    return {**identity, **same, **times, **values}


def shown(rows: list[dict[str, Any]]) -> tuple[str, str]:
    context, table = report_table(rows)
    out = io.StringIO()
    Console(file=out, width=COLUMNS).print(table)
    return context, out.getvalue()


def test_a_table_fits_100_columns_and_breaks_no_number() -> None:
    context, table = shown([row(stage="image", mean_ms=1234.4), row(stage="encode", mean_ms=None)])
    assert max(map(len, table.splitlines())) <= COLUMNS
    assert table.count(" 12346") == 8
    assert " 1234 " in table
    assert "123456" in table
    assert context == "site local, code version 0.1.0, parameters 3f2a9c10b7d4"


def test_what_differs_between_rows_has_a_column() -> None:
    context, table = shown([row(site="local"), row(site="laptop")])
    assert "laptop" in table
    assert context == "code version 0.1.0, parameters 3f2a9c10b7d4"


def test_machines_of_one_name_are_told_apart_by_their_ids() -> None:
    _, table = shown([row(), row(hardware_id="22222222-2")])
    assert "11111111" in table
    assert "22222222" in table
    _, table = shown([row(), row(hardware="another", hardware_id="22222222-2")])
    assert "11111111" not in table


def test_figures_that_no_row_has_have_no_column() -> None:
    _, table = report_table([row(ap=None, ar_1=0.2, ar_1_small=0.3), row(ap=None, ar_1=None, ar_1_small=None)])
    assert [column.header for column in table.columns][-2:] == ["p99 ms", "ar 1"]
