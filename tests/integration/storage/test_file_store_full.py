"""A full disk and a limit of file size, both raised by the real kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fixtures.servers.small_disk import run_on_small_disk, run_script

WRITER = """
import json, resource, sys
from pathlib import Path
from samfleet.errors import SamfleetError
from samfleet.storage.file_store import FileStore

root = Path(sys.argv[1])
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
store = FileStore(root)
store.put("parts/kept", b"old")
answers = []
for write in (
    lambda: store.put("parts/kept", b"x" * 1_000_000),
    lambda: store.put_stream("parts/new", (b"x" * 1000 for _ in range(1000))),
):
    try:
        write()
    except SamfleetError as error:
        answers.append({"code": error.code, "retryable": error.retryable, "message": error.message})
store.put("parts/after", b"there is room again")
print(json.dumps({
    "answers": answers,
    "kept": store.get("parts/kept").decode(),
    "keys": [found.key for found in store.list("")],
    "files": sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()),
}))
"""


def check(outcome: dict[str, Any], reason: str) -> None:
    assert [answer["code"] for answer in outcome["answers"]] == ["storage_full", "storage_full"]
    assert all(answer["retryable"] and reason in answer["message"] for answer in outcome["answers"])
    assert outcome["kept"] == "old"
    assert outcome["keys"] == outcome["files"] == ["parts/after", "parts/kept"]


def test_a_full_disk_leaves_no_partial_file(tmp_path: Path) -> None:
    check(json.loads(run_on_small_disk(WRITER, tmp_path, 256)), "the disk is full")


def test_a_file_size_limit_leaves_no_partial_file(tmp_path: Path) -> None:
    check(json.loads(run_script(WRITER, tmp_path, "100000")), "the file size limit is reached")
