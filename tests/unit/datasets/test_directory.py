from __future__ import annotations

import os
from pathlib import Path

import pytest

from samfleet.datasets import directory
from samfleet.datasets.directory import (
    DatasetEmpty,
    DirectoryLinksRepeat,
    DirectoryNotAllowed,
    DirectoryNotFound,
    DirectoryTooLarge,
    DirectoryUnreadable,
    ListingLimits,
    list_images,
    resolve_allowed,
)
from samfleet.datasets.names import FileNameInvalid
from samfleet.regular_files import open_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/photos").mkdir(parents=True)
    return tmp_path / "root"


def put(path: Path, content: bytes = b"image") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(directory: Path, root: Path, limit: int | None = None) -> list[str]:
    return [image.name for image in list_images(str(directory), [root], limit)]


def test_images_are_found_in_all_folders_and_sorted_by_path(root: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a.jpeg", "a/y/x.webp", "readme.txt", "é.tif"):
        put(root / "photos" / name)
    assert names(root / "photos", root) == ["a.jpeg", "a/y/x.webp", "a/z.png", "b.JPG", "é.tif"]
    assert names(root / "photos", root, limit=2) == ["a.jpeg", "a/y/x.webp"]
    first = list_images(str(root / "photos"), [root])[0]
    assert (first.path, first.size_bytes) == ((root / "photos/a.jpeg").resolve(), 5)


@pytest.mark.parametrize("path", ["/etc", "/nowhere/at/all", "{root}/../outside", "{root}-sibling"])
def test_other_folders_are_refused_whether_they_exist_or_not(root: Path, path: str) -> None:
    (root.parent / "outside").mkdir()
    with pytest.raises(DirectoryNotAllowed, match="SAMFLEET_DATASET_ROOTS"):
        list_images(path.format(root=root), [root])


def test_without_roots_everything_is_refused(root: Path) -> None:
    with pytest.raises(DirectoryNotAllowed, match="takes uploads only"):
        list_images(str(root), [])


@pytest.mark.parametrize("path", ["relative", "", "/a\x00b", "/a\ud800b"])
def test_what_is_no_absolute_path_is_refused(root: Path, path: str) -> None:
    with pytest.raises(DirectoryNotFound, match="absolute path"):
        resolve_allowed(path, [root])


@pytest.mark.parametrize("name", ["missing", "file.jpg", "n" * 300, "n/" * 3000])
def test_what_is_no_directory_is_not_found(root: Path, name: str) -> None:
    put(root / "file.jpg")
    with pytest.raises(DirectoryNotFound, match="not a directory"):
        list_images(str(root / name), [root])


def test_a_folder_without_images_is_an_empty_dataset(root: Path) -> None:
    put(root / "photos/notes.txt")
    (root / "photos/folder.jpg").mkdir()
    os.mkfifo(root / "photos/pipe.jpg")
    with pytest.raises(DatasetEmpty):
        list_images(str(root / "photos"), [root])


def test_links_inside_the_roots_are_followed_once(root: Path) -> None:
    target = put(root / "real/a.jpg")
    (root / "photos/linked.jpg").symlink_to(target)
    (root / "photos/folder").symlink_to(root / "real")
    (root / "real/loop").symlink_to(root / "photos")
    (root / "photos/self").symlink_to("self")
    assert names(root / "photos", root) == ["folder/a.jpg", "linked.jpg"]
    assert {image.path for image in list_images(str(root / "photos"), [root])} == {target.resolve()}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_out_of_the_roots_are_refused_by_name(root: Path, kind: str) -> None:
    outside = put(root.parent / "outside/a.jpg")
    (root / "photos/link.jpg").symlink_to(outside if kind == "file" else outside.parent)
    with pytest.raises(DirectoryNotAllowed, match=r"'link\.jpg' is a symbolic link that leaves"):
        list_images(str(root / "photos"), [root])


def test_other_links_out_of_the_roots_do_not_matter(root: Path) -> None:
    put(root / "photos/a.jpg")
    (root / "photos/notes").symlink_to(put(root.parent / "notes.txt"))
    assert names(root / "photos", root) == ["a.jpg"]


def test_a_second_root_may_be_linked_to_and_a_root_may_be_a_link(root: Path) -> None:
    other = put(root.parent / "other/a.jpg").parent
    (root / "photos/other").symlink_to(other)
    (root.parent / "link").symlink_to(root)
    found = list_images(str(root.parent / "link/photos"), [root.parent / "link", other])
    assert [image.name for image in found] == ["other/a.jpg"]


def test_a_broken_link_is_listed_so_that_its_error_shows(root: Path) -> None:
    (root / "photos/gone.jpg").symlink_to(root / "nowhere.jpg")
    assert [(image.name, image.size_bytes) for image in list_images(str(root / "photos"), [root])] == [("gone.jpg", 0)]


@pytest.mark.parametrize("name", [b"broken-\xff.jpg", b"new\nline.jpg"])
def test_names_that_cannot_be_carried_are_refused(root: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(root / "photos") + b"/" + name)).write_bytes(b"")
    with pytest.raises(FileNameInvalid, match="rename the file"):
        list_images(str(root / "photos"), [root])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(root: Path) -> None:
    (root / "photos/secret").mkdir(mode=0o000)
    with pytest.raises(DirectoryUnreadable, match="secret"):
        list_images(str(root / "photos"), [root])


def test_links_that_double_the_names_at_every_level_are_refused_early(root: Path) -> None:
    """Forty levels have 2**40 names; only as many folders are looked at as the limit of names lets pass."""
    for level in range(40):
        (root / f"{level}").mkdir()
        for side in "ab":
            (root / f"{level}/{side}").symlink_to(f"../{level + 1}")
    put(root / "40/a.jpg")
    with pytest.raises(DirectoryLinksRepeat, match="under more than 16 names"):
        list_images(str(root / "0"), [root], limits=ListingLimits(depth=100, entries=10_000))


def test_folders_deeper_than_the_limit_are_refused(root: Path) -> None:
    put(root / "a/b/c/d.jpg")
    assert [image.name for image in list_images(str(root), [root], limits=ListingLimits(depth=3))] == ["a/b/c/d.jpg"]
    with pytest.raises(DirectoryTooLarge, match="SAMFLEET_MAX_LISTING_DEPTH"):
        list_images(str(root), [root], limits=ListingLimits(depth=2))


def test_deep_nesting_is_refused_by_default(root: Path) -> None:
    put(root / "photos" / "/".join("d" * 300) / "a.jpg")
    with pytest.raises(DirectoryTooLarge, match="folders deep"):
        list_images(str(root), [root])
    assert len(list_images(str(root), [root], limits=ListingLimits(depth=400))) == 1


def test_entries_count_whether_they_are_images_or_not(root: Path) -> None:
    for name in ("1.txt", "2.txt", "3.jpg"):
        put(root / "photos" / name)
    limits = ListingLimits(entries=3)
    assert len(list_images(str(root / "photos"), [root], limits=limits)) == 1
    put(root / "photos/4.txt")
    with pytest.raises(DirectoryTooLarge, match="SAMFLEET_MAX_LISTING_ENTRIES"):
        list_images(str(root / "photos"), [root], limit=1, limits=limits)


def test_a_listing_that_takes_too_long_ends(root: Path) -> None:
    put(root / "photos/a.jpg")
    with pytest.raises(DirectoryTooLarge, match="SAMFLEET_LISTING_TIME"):
        list_images(str(root / "photos"), [root], limits=ListingLimits(seconds=-1.0))


@pytest.mark.parametrize("path", ["/proc", "/proc/self", "/sys", "/dev"])
def test_folders_of_the_kernel_are_never_read(path: str) -> None:
    with pytest.raises(DirectoryNotAllowed, match=r"operating system|leaves the allowed"):
        list_images(path, [Path("/")])


def test_links_into_folders_of_the_kernel_are_refused(root: Path) -> None:
    (root / "photos/memory.jpg").symlink_to("/proc/kcore")
    with pytest.raises(DirectoryNotAllowed, match=r"'memory\.jpg' is a symbolic link"):
        list_images(str(root / "photos"), [Path("/")])


def test_a_folder_that_vanishes_while_it_is_listed_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root / "photos/sub/a.jpg")
    original = open_folder

    def removed_first(path: Path) -> int:
        return original(path.with_name("gone") if path.name == "sub" else path)

    monkeypatch.setattr(directory, "open_folder", removed_first)
    with pytest.raises(DirectoryUnreadable, match=r"photos/sub \(No such file"):
        list_images(str(root / "photos"), [root])
