from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from samfleet.datasets import folder_walk
from samfleet.datasets.allowed_paths import DirectoryNotAllowed, DirectoryNotFound, resolve_allowed
from samfleet.datasets.content import read_image
from samfleet.datasets.directory import DatasetEmpty, list_files
from samfleet.datasets.folder_walk import (
    DirectoryLinksRepeat,
    DirectoryTooLarge,
    DirectoryUnreadable,
    FoundImage,
    ListingLimits,
)
from samfleet.datasets.left_out import LeftOut
from samfleet.image_errors import ImageNameInvalid
from samfleet.regular_files import open_folder
from samfleet.storage.memory_store import MemoryStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/photos").mkdir(parents=True)
    return tmp_path / "root"


def put(path: Path, content: bytes = b"image") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class Listed(NamedTuple):
    images: list[FoundImage]
    left_out: tuple[LeftOut, ...]


def list_images(
    directory: str,
    roots: list[Path],
    limit: int | None = None,
    limits: ListingLimits | None = None,
    *,
    with_hidden: bool = False,
) -> Listed:
    files = list_files(directory, roots, limit, limits, with_hidden=with_hidden)
    return Listed(list(files.images()), files.left_out)


def names(directory: Path, root: Path, limit: int | None = None) -> list[str]:
    return [image.name for image in list_images(str(directory), [root], limit).images]


def test_images_are_found_in_all_folders_and_sorted_by_path(root: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a.jpeg", "a/y/x.webp", "readme.txt", "é.tif"):
        put(root / "photos" / name)
    assert names(root / "photos", root) == ["a.jpeg", "a/y/x.webp", "a/z.png", "b.JPG", "é.tif"]
    assert names(root / "photos", root, limit=2) == ["a.jpeg", "a/y/x.webp"]
    first = list_images(str(root / "photos"), [root]).images[0]
    assert (first.path, first.size_bytes) == ((root / "photos/a.jpeg").resolve(), 5)


@pytest.mark.parametrize("path", ["/etc", "/nowhere/at/all", "{root}/../outside", "{root}-sibling"])
def test_folders_outside_the_roots_are_refused_alike_if_they_exist_or_not(root: Path, path: str) -> None:
    (root.parent / "outside").mkdir()
    with pytest.raises(DirectoryNotAllowed, match="SAMFLEET_DATASET_ROOTS"):
        list_images(path.format(root=root), [root])


def test_without_roots_everything_is_refused(root: Path) -> None:
    with pytest.raises(DirectoryNotAllowed, match="takes uploads only"):
        list_images(str(root), [])


@pytest.mark.parametrize("path", ["relative", "", "/a\x00b", "/a\ud800b"])
def test_relative_paths_are_refused(root: Path, path: str) -> None:
    with pytest.raises(DirectoryNotFound, match="absolute path"):
        resolve_allowed(path, [root])


@pytest.mark.parametrize("name", ["missing", "file.jpg", "n" * 300, "n/" * 3000])
def test_a_path_that_is_not_a_directory_is_not_found(root: Path, name: str) -> None:
    put(root / "file.jpg")
    with pytest.raises(DirectoryNotFound, match="not a directory"):
        list_images(str(root / name), [root])


def test_a_folder_without_images_is_an_empty_dataset(root: Path) -> None:
    put(root / "photos/notes.txt")
    (root / "photos/folder.jpg").mkdir()
    os.mkfifo(root / "photos/pipe.jpg")
    with pytest.raises(DatasetEmpty):
        list_images(str(root / "photos"), [root])


@pytest.mark.parametrize("name", ["a b%20#?&.jpg", "Grüße 写真 🖼.png", "back\\slash.jpg", "sub/~;:@'.png"])
def test_the_uri_of_an_image_is_that_of_its_path(root: Path, name: str) -> None:
    path = put(root / "photos" / name)
    (image,) = list_images(str(root / "photos"), [root]).images
    assert image.uri == path.resolve().as_uri()
    assert read_image(MemoryStore(), image.uri, 100) == path.read_bytes()


def test_links_inside_the_roots_are_followed_once(root: Path) -> None:
    target = put(root / "real/a.jpg")
    (root / "photos/linked.jpg").symlink_to(target)
    (root / "photos/folder").symlink_to(root / "real")
    (root / "real/loop").symlink_to(root / "photos")
    (root / "photos/self").symlink_to("self")
    assert names(root / "photos", root) == ["folder/a.jpg", "linked.jpg"]
    assert {image.path for image in list_images(str(root / "photos"), [root]).images} == {target.resolve()}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_out_of_the_roots_are_refused_by_name(root: Path, kind: str) -> None:
    outside = put(root.parent / "outside/a.jpg")
    (root / "photos/link.jpg").symlink_to(outside if kind == "file" else outside.parent)
    with pytest.raises(DirectoryNotAllowed, match=r"'link\.jpg' is a symbolic link that leaves"):
        list_images(str(root / "photos"), [root])


def test_links_out_of_the_roots_to_other_files_are_ignored(root: Path) -> None:
    put(root / "photos/a.jpg")
    (root / "photos/notes").symlink_to(put(root.parent / "notes.txt"))
    assert names(root / "photos", root) == ["a.jpg"]


def test_links_into_another_root_are_followed_and_a_root_may_be_a_link(root: Path) -> None:
    other = put(root.parent / "other/a.jpg").parent
    (root / "photos/other").symlink_to(other)
    (root.parent / "link").symlink_to(root)
    found = list_images(str(root.parent / "link/photos"), [root.parent / "link", other]).images
    assert [image.name for image in found] == ["other/a.jpg"]


def test_a_broken_link_is_listed_and_its_error_shows(root: Path) -> None:
    (root / "photos/gone.jpg").symlink_to(root / "nowhere.jpg")
    (image,) = list_images(str(root / "photos"), [root]).images
    assert (image.name, image.size_bytes) == ("gone.jpg", 0)


@pytest.mark.parametrize(
    ("name", "listed"), [(b"broken-\xff.jpg", "broken-\\xff.jpg"), (b"new\nline.jpg", "new\\x0aline.jpg")]
)
def test_an_unusable_name_is_listed_as_an_image_with_a_fault(root: Path, name: bytes, listed: str) -> None:
    put(root / "photos" / os.fsdecode(name))
    put(root / "photos/good.jpg")
    images = list_images(str(root / "photos"), [root]).images
    assert sorted(image.name for image in images) == sorted([listed, "good.jpg"])
    (bad,) = (image for image in images if image.fault)
    assert "rename the file" in (bad.fault or "")
    with pytest.raises(ImageNameInvalid, match="rename the file"):
        read_image(MemoryStore(), bad.uri, 100)


def test_an_escaped_name_never_equals_the_name_of_another_file(root: Path) -> None:
    put(root / "photos" / os.fsdecode(b"a\xff.jpg"))
    put(root / "photos/a\\xff.jpg")
    images = list_images(str(root / "photos"), [root]).images
    assert {image.name: bool(image.fault) for image in images} == {"a\\xff.jpg": False, "a\\xff.jp~": True}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_named(root: Path) -> None:
    (root / "photos/secret").mkdir(mode=0o000)
    with pytest.raises(DirectoryUnreadable, match="secret"):
        list_images(str(root / "photos"), [root])


def test_links_that_double_the_names_at_every_level_are_refused_early(root: Path) -> None:
    """Forty levels have 2**40 names; the listing visits no more folders than the limit of names allows."""
    for level in range(40):
        (root / f"{level}").mkdir()
        for side in "ab":
            (root / f"{level}/{side}").symlink_to(f"../{level + 1}")
    put(root / "40/a.jpg")
    with pytest.raises(DirectoryLinksRepeat, match="under more than 16 names"):
        list_images(str(root / "0"), [root], limits=ListingLimits(depth=100, entries=10_000))


def test_folders_deeper_than_the_limit_are_refused(root: Path) -> None:
    put(root / "a/b/c/d.jpg")
    (image,) = list_images(str(root), [root], limits=ListingLimits(depth=3)).images
    assert image.name == "a/b/c/d.jpg"
    with pytest.raises(DirectoryTooLarge, match="SAMFLEET_MAX_LISTING_DEPTH"):
        list_images(str(root), [root], limits=ListingLimits(depth=2))


def test_deep_nesting_is_refused_by_default(root: Path) -> None:
    put(root / "photos" / "/".join("d" * 300) / "a.jpg")
    with pytest.raises(DirectoryTooLarge, match="folders deep"):
        list_images(str(root), [root])
    assert len(list_images(str(root), [root], limits=ListingLimits(depth=400)).images) == 1


def test_all_entries_count_towards_the_limit(root: Path) -> None:
    for name in ("1.txt", "2.txt", "3.jpg"):
        put(root / "photos" / name)
    limits = ListingLimits(entries=3)
    assert len(list_images(str(root / "photos"), [root], limits=limits).images) == 1
    put(root / "photos/4.txt")
    with pytest.raises(DirectoryTooLarge, match="SAMFLEET_MAX_LISTING_ENTRIES"):
        list_images(str(root / "photos"), [root], limit=1, limits=limits)


def test_a_listing_that_takes_too_long_is_stopped(root: Path) -> None:
    put(root / "photos/a.jpg")
    with pytest.raises(DirectoryTooLarge, match="SAMFLEET_LISTING_TIME"):
        list_images(str(root / "photos"), [root], limits=ListingLimits(seconds=-1.0))


@pytest.mark.parametrize("path", ["/proc", "/proc/self", "/sys", "/dev"])
def test_kernel_folders_are_never_read(path: str) -> None:
    with pytest.raises(DirectoryNotAllowed, match=r"operating system|leaves the allowed"):
        list_images(path, [Path("/")])


def test_links_into_kernel_folders_are_refused(root: Path) -> None:
    (root / "photos/memory.jpg").symlink_to("/proc/kcore")
    with pytest.raises(DirectoryNotAllowed, match=r"'memory\.jpg' is a symbolic link"):
        list_images(str(root / "photos"), [Path("/")])


def test_a_folder_that_vanishes_while_it_is_listed_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root / "photos/sub/a.jpg")
    original = open_folder

    def removed_first(path: Path) -> int:
        return original(path.with_name("gone") if path.name == "sub" else path)

    monkeypatch.setattr(folder_walk, "open_folder", removed_first)
    with pytest.raises(DirectoryUnreadable, match=r"photos/sub \(No such file"):
        list_images(str(root / "photos"), [root])


def photos_of_many_systems(folder: Path) -> Path:
    """Create two photographs and the files that macOS, NAS boxes, desktops and notebooks add to folders."""
    for name in ("a.jpg", "sub/b.jfif", "._a.jpg", "sub/._b.jpg", ".Trash-1000/old.jpg", ".thumbnails/t.png"):
        put(folder / name)
    for name in ("@eaDir/a.jpg/THUMB.jpg", "__MACOSX/sub/._b.jpg", "Thumbs.db", "desktop.ini", "c.heic", "d.GIF"):
        put(folder / name)
    put(folder / "notes.txt")
    for name in ("api_key", "storage/datasets/x/a.jpg", "postgres/PG_VERSION", "logs/api.log"):
        put(folder / "stack" / name)
    return folder


def test_files_added_by_operating_systems_are_left_out_and_counted(root: Path) -> None:
    found = list_images(str(photos_of_many_systems(root / "photos")), [root])
    assert [image.name for image in found.images] == ["a.jpg", "sub/b.jfif"]
    assert {one.reason: (one.count, one.examples) for one in found.left_out} == {
        "hidden": (4, (".Trash-1000/", "._a.jpg", ".thumbnails/", "sub/._b.jpg")),
        "system": (4, ("@eaDir/", "Thumbs.db", "__MACOSX/", "desktop.ini")),
        "state": (1, ("stack/",)),
        "format": (2, ("c.heic", "d.GIF")),
        "other": (1, ("notes.txt",)),
    }


def test_hidden_files_can_be_requested_but_never_the_state_of_a_stack(root: Path) -> None:
    found = list_images(str(photos_of_many_systems(root / "photos")), [root], with_hidden=True)
    names = {image.name for image in found.images}
    assert {".Trash-1000/old.jpg", "@eaDir/a.jpg/THUMB.jpg", "._a.jpg", "a.jpg"} <= names
    assert not any(name.startswith("stack/") for name in names)
    assert {one.reason for one in found.left_out} == {"state", "format", "other"}


def test_a_hidden_folder_can_be_the_dataset_itself(root: Path) -> None:
    put(root / ".cache/a.jpg")
    assert names(root / ".cache", root) == ["a.jpg"]


def test_the_first_names_in_order_are_kept_as_examples(root: Path) -> None:
    put(root / "photos/a.jpg")
    for number in range(20):
        put(root / f"photos/{number:02}.txt")
    (one,) = list_images(str(root / "photos"), [root]).left_out
    assert (one.count, one.examples) == (20, ("00.txt", "01.txt", "02.txt", "03.txt", "04.txt"))
    assert str(one) == "20 without an image suffix (00.txt, 01.txt, 02.txt, 03.txt, 04.txt, …)"


def test_a_folder_with_only_left_out_files_is_reported(root: Path) -> None:
    put(root / "photos/a.heic")
    with pytest.raises(DatasetEmpty, match=r"left out: 1 in other formats \(a\.heic\)"):
        list_images(str(root / "photos"), [root])
