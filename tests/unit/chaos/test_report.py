from __future__ import annotations

from chaos.suite.exports import differences
from chaos.suite.job import Struck
from chaos.suite.report import strikes, summary
from chaos.suite.scenario_run import Result
from chaos.suite.schedule import Strike

EXPORTS = {"a.coco": "1", "a.jsonl": "2"}


def result(name: str, exports: dict[str, str], struck: tuple[Struck, ...] = (), faults: tuple[str, ...] = ()) -> Result:
    numbers = {"images": 2, "rows": 4, "masks": 8, "shards": 2, "claims": 3, "attempts": 0, "swept": 1}
    return Result(name=name, struck=struck, seconds=12.4, exports=exports, faults=faults, **numbers)


def test_differing_missing_and_new_exports_are_named() -> None:
    assert list(differences(EXPORTS, EXPORTS)) == []
    found = [fault.split()[1] for fault in differences(EXPORTS, {"a.coco": "1", "a.jsonl": "3", "b.coco": "4"})]
    assert found == ["a.jsonl", "b.coco"]
    assert [fault.split()[1] for fault in differences(EXPORTS, {"a.coco": "1"})] == ["a.jsonl"]


def test_the_summary_has_a_row_for_each_scenario() -> None:
    lines = list(
        summary(
            [result("undisturbed", EXPORTS), result("kills", {"a.coco": "1", "a.jsonl": "3"}, faults=("exports: …",))],
            {"clock": "needs libfaketime"},
        )
    )
    assert lines[2] == "| undisturbed | 0 | 4 | 8 | 2 | 3 | 0 | 1 | 2 of 2 equal | 0 | 12 |"
    assert lines[3] == "| kills | 0 | 4 | 8 | 2 | 3 | 0 | 1 | 1 of 2 equal | 1 | 12 |"
    assert lines[4:] == ["left out: clock: needs libfaketime"]


def test_strikes_are_counted_by_kind_and_target() -> None:
    struck = tuple(Struck(Strike(1, "kill", target), 1) for target in ("redis", "api", "redis"))
    assert list(strikes(result("kills", EXPORTS, struck)))[2:] == [
        "| kill | api | 1 |",
        "| kill | redis | 2 |",
        "| all |  | 3 |",
    ]
