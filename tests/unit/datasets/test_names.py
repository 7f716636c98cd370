from __future__ import annotations

import itertools

import pytest

from samfleet.datasets.names import FileNameInvalid, check_file_name, check_upload_name, is_image_name, storable_name


@pytest.mark.parametrize(
    "name", ["a.jpg", "sub/folder/a.jpg", "Grüße 写真 🖼.png", "..a.jpg", "with space.png", "a" * 255, "no-suffix"]
)
def test_plain_relative_paths_are_accepted(name: str) -> None:
    assert check_file_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "plain relative path"),
        ("/etc/passwd", "plain relative path"),
        ("../a.jpg", "plain relative path"),
        ("a/../b.jpg", "plain relative path"),
        ("a/./b.jpg", "plain relative path"),
        ("a//b.jpg", "plain relative path"),
        ("a/", "plain relative path"),
        ("a\nb.jpg", "control character"),
        ("a\x00.jpg", "control character"),
        ("a\x85.jpg", "control character"),
        ("a\udcff.jpg", "not valid UTF-8"),
        ("a" * 256, "more than 255 bytes"),
        ("a/" * 512 + "b", "takes 1025 bytes"),
    ],
)
def test_other_names_are_refused(name: str, reason: str) -> None:
    with pytest.raises(FileNameInvalid, match=reason):
        check_file_name(name)


def is_plain(name: str) -> bool:
    """Check a name character by character and part by part."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return False
    odd = any(character < " " or "\x7f" <= character <= "\x9f" for character in name)
    parts = name.split("/")
    long = len(encoded) > 1024 or any(len(part.encode()) > 255 for part in parts)
    return not (odd or long or any(part in {"", ".", ".."} for part in parts))


def test_names_are_judged_like_their_characters_and_parts() -> None:
    """All short names of an alphabet of odd characters, and long ones with parts around the limit."""
    short = ["".join(name) for length in range(6) for name in itertools.product("a./\n", repeat=length)]
    single = [f"a{chr(code)}b" for code in (*range(0x100), 0x2028, 0xD800, 0x1F5BC)]
    long = [f"{'é' * before}/{'a' * after}" for before in (1, 127, 128) for after in (1, 255, 256)]
    for name in (*short, *single, *long, "\n", "a\n", "a/\n", "./\n"):
        try:
            accepted = bool(check_file_name(name))
        except FileNameInvalid:
            accepted = False
        assert accepted == is_plain(name), repr(name)


def test_an_upload_may_not_name_a_windows_folder() -> None:
    assert check_file_name("a\\b.jpg") == "a\\b.jpg"
    with pytest.raises(FileNameInvalid, match="separate folders by '/'"):
        check_upload_name("a\\b.jpg")


@pytest.mark.parametrize(
    ("name", "storable"),
    [("a.jpg", "a.jpg"), ("a\udcff\n\x85.jpg", "a\\xff\\x0a\\x85.jpg"), ("é" * 600, "é" * 512), ("\ud800", "\\ud800")],
)
def test_a_name_that_cannot_be_stored_is_escaped_and_cut(name: str, storable: str) -> None:
    assert storable_name(name) == storable


def test_images_are_recognised_by_suffix_in_any_case() -> None:
    suffixes = (".jpg", ".JPEG", ".jpe", ".JFIF", ".mpo", ".Png", ".webp", ".bmp", ".tif", ".TIFF")
    assert all(is_image_name(f"x{suffix}") for suffix in suffixes)
    assert not any(is_image_name(name) for name in ("x.gif", "x.jpg.txt", "jpg"))
