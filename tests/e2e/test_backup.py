"""A backup of the running stack; `tests/chaos` restores one and continues its job."""

from __future__ import annotations

import tarfile
from pathlib import Path

import zstandard

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import FIXED, Samfleet


def test_a_running_stack_is_backed_up(samfleet: Samfleet, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "images", 4)[0].parent
    done = samfleet("segment", folder, "--variant", FIXED, "--upload", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.stderr
    made = samfleet("backup", tmp_path / "backup", "--without-secrets", "--json")
    assert made.exit_code == 0, made.stderr
    with zstandard.open(tmp_path / "backup", "rb") as frame, tarfile.open(fileobj=frame, mode="r|") as tar:
        names = tar.getnames()
    assert names[:2] == ["backup.json", "database.dump"]
    assert sum(name.startswith("objects/") for name in names) == made.json()["objects"]
    keys = [name.removeprefix("objects/") for name in names if name.startswith("objects/")]
    assert {"contents", "runs"} <= {key.partition("/")[0] for key in keys}
    assert all((samfleet.info.state_dir / "storage" / key).is_file() for key in keys)
    assert "api_key" not in names
