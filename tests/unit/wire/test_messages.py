from __future__ import annotations

import json
from dataclasses import replace

from samfleet.wire.device_state import DeviceState
from samfleet.wire.messages import ImageReport, StageTime

REPORT = ImageReport(
    width=6,
    height=4,
    stages={"encode": StageTime(1.5, 3.0)},
    batch_size=2,
    warmup=True,
    prompts_decoded=3,
    execute_ms=12.0,
    hardware={"device_name": "cpu"},
    energy_j=12.5,
    other_load=0.25,
    device=DeviceState("GPU-1", 5, 10, 0.5, 70.25),
    execution="bf16+compile",
    warmup_seconds=12.5,
    gate={"agreeing_share": 0.98, "worst_image": "a.png"},
)


def test_a_report_of_another_release_is_read_with_the_common_fields() -> None:
    written = json.loads(REPORT.to_json())
    of_older = {name: value for name, value in written.items() if name != "device"}
    assert ImageReport.from_json(json.dumps(of_older)) == replace(REPORT, device=None)
    of_newer = {**written, "mood": "good", "device": {**written["device"], "fans": 2}}
    assert ImageReport.from_json(json.dumps(of_newer)) == REPORT
