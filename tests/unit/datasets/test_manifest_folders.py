from __future__ import annotations

import os
from pathlib import Path

import pytest

from samfleet.datasets.allowed_paths import resolve_allowed
from samfleet.datasets.manifests import folders
from samfleet.datasets.manifests.folders import AllowedFiles
from samfleet.errors import SamfleetError

PATHS = (
    "root/a.jpg", "root/sub/b.jpg", "root/./sub/b.jpg", "root/sub/../a.jpg", "root//a.jpg", "root/missing.jpg",
    "root/missing/c.jpg", "root/a.jpg/d.jpg", "root/sub", "root/sub/", "root/sub/.", "root/sub/..", "root", "root/..",
    "root/inside.jpg", "root/outside.jpg", "root/broken.jpg", "root/loop.jpg", "root/near/b.jpg", "root/far/s.jpg",
    "root/far/back.jpg", "root/far/../s.jpg", "other/s.jpg", "other/back.jpg", "other/none.jpg",
)  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("root/a.jpg", "root/sub/b.jpg", "other/s.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    for name, target in (
        ("root/inside.jpg", "sub/b.jpg"),
        ("root/outside.jpg", "../other/s.jpg"),
        ("root/broken.jpg", "nowhere.jpg"),
        ("root/loop.jpg", "loop.jpg"),
        ("root/near", "sub"),
        ("root/far", "../other"),
        ("other/back.jpg", "../root/a.jpg"),
    ):
        (tmp_path / name).symlink_to(target)
    return tmp_path


def slowly(path: str, roots: list[Path]) -> tuple[object, ...]:
    """Return what resolving each path alone gives: the real path and its size, or the error."""
    try:
        real = os.fspath(resolve_allowed(path, roots))
    except SamfleetError as error:
        return (error.code, error.message)
    try:
        return (real, Path(real).stat().st_size)
    except OSError:
        return (real, None)


def quickly(files: AllowedFiles, path: str) -> tuple[object, ...]:
    try:
        found = files.locate(path)
    except SamfleetError as error:
        return (error.code, error.message)
    return (found.path, None if found.status is None else found.status.st_size)


@pytest.mark.parametrize("most", [1, folders.MOST_FOLDERS])
def test_files_are_those_that_each_path_alone_leads_to(tree: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_FOLDERS", most)
    for roots in ([tree / "root"], [tree / "root" / "near"], [tree / "other", tree / "root" / "sub"], [tree], []):
        files = AllowedFiles(roots)
        for path in (*PATHS, *reversed(PATHS)):
            place = f"{tree}/{path}"
            assert quickly(files, place) == slowly(place, roots), (roots, path)


@pytest.mark.parametrize("path", ["/proc/self/environ", "/dev/null", "/proc", "/etc/passwd", "/", "relative/a.jpg"])
def test_folders_of_the_system_stay_closed_under_the_root_of_all(path: str) -> None:
    root = [Path("/")]
    fast, slow = quickly(AllowedFiles(root), path), slowly(path, root)
    assert fast[0] == slow[0]


def test_the_links_of_a_folder_are_followed_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved: list[str] = []

    def resolve(path: str, roots: list[Path]) -> Path:
        resolved.append(path)
        return resolve_allowed(path, roots)

    monkeypatch.setattr(folders, "resolve_allowed", resolve)
    files = AllowedFiles([tree / "root"])
    for number in range(5):
        files.locate(f"{tree}/root/near/{number}.jpg")
    assert resolved == [f"{tree}/root/near"]
