from __future__ import annotations

import io
from pathlib import Path

from fixtures.api.api_double import ApiDouble, dataset, image, job, page
from samfleet.client.local_source import Source
from samfleet_cli.jobs.progress import PlainDisplay
from samfleet_cli.jobs.segment import Segmentation, start_job


def test_left_out_files_and_unused_annotations_are_reported_before_the_job_starts(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"123")
    (tmp_path / "b.png").write_bytes(b"123")
    left_out = [{"reason": "hidden", "count": 7, "examples": [".DS_Store"]}]
    counts = {"annotation_count": 4, "annotated_image_count": 1, "unused_annotation_count": 4, "left_out": left_out}
    api = ApiDouble(
        {
            "POST /v1/datasets": dataset(**counts),
            "GET /v1/datasets/d1/images": page(image(0, "a.png"), image(1, "b.png")),
            "POST /v1/jobs": job(),
            "GET /v1/variants": page({"name": "mobile_sam"}),
        }
    )
    shown = io.StringIO()
    wanted = Segmentation(Source(tmp_path), ("mobile_sam",), {"kind": "everything"}, tmp_path / "out")
    start_job(api.client(), wanted, PlainDisplay(shown))
    assert shown.getvalue().splitlines() == [
        "dataset d1: 2 images",
        "left out: 7 hidden (.DS_Store, …)",
        "annotations: 1 of 2 images annotated, 4 of 8 annotations unused",
    ]
