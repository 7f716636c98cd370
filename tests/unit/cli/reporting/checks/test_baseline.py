from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from samfleet.sites.lines import Header
from samfleet_cli.reporting.checks.baseline import (
    BaselineInvalid,
    MeasurementsAmbiguous,
    measurements_of,
    read_baseline,
    write_baseline,
)

ROW = {
    "variant": "mobile_sam",
    "hardware": "NVIDIA L4",
    "hardware_id": "1",
    "precision": "bf16",
    "dataset": "val",
    "stage": "image",
    "site": "local",
    "code_version": "1",
    "parameters": "3f2a9c10b7d4",
    "task_in_words": "everything",
    "n": 500,
    "p50_ms": 10.0,
    "p50_low_ms": 9.9,
    "p50_high_ms": 10.1,
}
QUALITY = {**ROW, "miou": 0.7, "instances": 900}


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = measurements_of([ROW], [QUALITY])
    assert (found[0].miou, found[0].instances, found[0].low_ms) == (0.7, 900, 9.9)
    write_baseline(tmp_path / "b.json", found, "a job")
    again = read_baseline(tmp_path / "b.json")
    assert (again.measurements, again.job) == (found, "a job")


def test_measurements_without_annotations_have_no_quality() -> None:
    (found,) = measurements_of([ROW], [{**QUALITY, "parameters": "another"}])
    assert (found.miou, found.instances) == (None, 0)


def test_two_measurements_of_the_same_work_are_refused() -> None:
    with pytest.raises(MeasurementsAmbiguous, match="mobile_sam on NVIDIA L4 bf16, val, everything; choose one job"):
        measurements_of([ROW, {**ROW, "code_version": "2"}], [])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "samfleet-baseline/2"}, "format"),
        ({"measurements": [{"variant": "mobile_sam"}]}, r"measurements\.0\."),
        ({"more": 1}, "more"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused_with_the_place(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "b.json"
    write_baseline(path, measurements_of([ROW], []), None)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BaselineInvalid, match=rf"is no baseline: {reason}.*--write-baseline"):
        read_baseline(path)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("variant,p50\n")
    with pytest.raises(BaselineInvalid, match="the file"):
        read_baseline(tmp_path / "b.json")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_export_of_a_site_is_refused_with_what_is_needed_instead(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    exported_at = datetime(2026, 11, 30, tzinfo=UTC)
    header = Header(site="lab", public_key="0" * 64, exported_at=exported_at, code_version="1")
    (tmp_path / "export").write_bytes(pack(header.model_dump_json().encode() + b"\n{}\n"))
    with pytest.raises(BaselineInvalid, match=r"measurements of the site lab .*--write-baseline"):
        read_baseline(tmp_path / "export")


def test_damaged_gzip_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"\x1f\x8b not gzip")
    with pytest.raises(BaselineInvalid, match="the file"):
        read_baseline(tmp_path / "b.json")
