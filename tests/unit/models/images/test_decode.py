from __future__ import annotations

import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fixtures.images.encoded_images import encoded, gradient, rgb, tiff
from fixtures.models.shared_data import shared_path
from samfleet.errors import InvalidInput
from samfleet.image_errors import (
    ImageEmpty,
    ImageFormatUnsupported,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
)
from samfleet.masks import greys
from samfleet_models.images.decode import PixelBudget, read_image

ORIENTATION = 0x0112
LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_are_decoded_exactly(kind: str, options: dict[str, bool]) -> None:
    image = gradient()
    pixels = read_image(encoded(image, kind, **options))
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, rgb(image))


def test_photographs_have_the_same_pixels_as_in_the_official_code() -> None:
    for path in sorted(shared_path("data", "coco_dev", "images").iterdir())[:5]:
        with Image.open(path) as image:
            np.testing.assert_array_equal(read_image(path.read_bytes()), rgb(image))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    image = gradient()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    plain = read_image(encoded(image, kind, **options))
    turned = read_image(encoded(image, kind, exif=exif, **options))
    turns = {2: "fliplr", 3: "rot180", 4: "flipud", 5: "transpose", 6: "rot270", 7: "transverse", 8: "rot90"}
    expected = {
        "fliplr": np.fliplr(plain),
        "rot180": np.rot90(plain, 2),
        "flipud": np.flipud(plain),
        "transpose": plain.transpose(1, 0, 2),
        "rot270": np.rot90(plain, 3),
        "transverse": np.rot90(plain, 2).transpose(1, 0, 2),
        "rot90": np.rot90(plain),
    }.get(turns.get(orientation, ""), plain)
    np.testing.assert_array_equal(turned, expected)


def outcome(data: bytes) -> str:
    """Return the error's code, or "image"."""
    try:
        assert read_image(data, max_pixels=10_000).ndim == 3
    except InvalidInput as error:
        return error.code
    return "image"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
def test_damaged_exif_is_ignored() -> None:
    image = gradient()
    data = encoded(image, "JPEG", exif=b"Exif\0\0MM\0*\0\0\xff\xff garbage")
    np.testing.assert_array_equal(read_image(data), read_image(encoded(image, "JPEG")))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_modes_become_rgb_as_pillow_converts(mode: str) -> None:
    image = gradient().convert(mode)
    np.testing.assert_array_equal(read_image(encoded(image)), rgb(image))


def test_cmyk_becomes_rgb() -> None:
    image = gradient().convert("CMYK")
    np.testing.assert_array_equal(read_image(encoded(image, "TIFF")), rgb(image))


def test_alpha_is_dropped_not_composited() -> None:
    image = Image.new("RGBA", (3, 2), (200, 10, 20, 0))
    assert (read_image(encoded(image)) == (200, 10, 20)).all()


def test_a_transparent_palette_gives_its_colours_without_a_warning() -> None:
    image = gradient().convert("P")
    data = encoded(image, transparency=bytes(range(256)))
    np.testing.assert_array_equal(read_image(data), rgb(image))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    values = np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16)
    pixels = read_image(encoded(Image.fromarray(values), kind))
    np.testing.assert_array_equal(pixels[0], np.repeat([[0], [1], [128], [255]], 3, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_grey_without_a_fixed_white_is_stretched(dtype: type[np.float32 | np.int32]) -> None:
    values = np.array([[-100, 0, 100]], dtype=dtype)
    pixels = read_image(encoded(Image.fromarray(values), "TIFF"))
    np.testing.assert_array_equal(pixels[0, :, 0], [0, 128, 255])


def test_constant_and_undefined_floats_are_black() -> None:
    assert not read_image(encoded(Image.fromarray(np.full((2, 2), 7, np.float32)), "TIFF")).any()
    assert not read_image(encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF")).any()


def test_an_image_may_have_one_pixel() -> None:
    assert read_image(encoded(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize(("kind", "options"), [("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})])
def test_the_first_of_several_frames_is_decoded(kind: str, options: dict[str, bool]) -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    data = encoded(first, kind, save_all=True, append_images=[second], **options)
    assert (read_image(data) == (255, 0, 0)).all()


def test_a_huge_header_is_refused_before_decoding() -> None:
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(ImageTooLarge, match="50000 x 50000 pixels, the limit is 100000000"):
        read_image(data)


def test_the_pixel_limit_is_inclusive() -> None:
    data = encoded(gradient(10, 10))
    assert read_image(data, max_pixels=100).shape == (10, 10, 3)
    with pytest.raises(ImageTooLarge):
        read_image(data, max_pixels=99)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns about damaged metadata
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_a_file_cut_in_the_middle_is_truncated(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageTruncated):
        read_image(data[: len(data) // 2])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns about damaged metadata
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.9, 0.99])
def test_any_truncation_gives_a_named_error_or_an_image(kind: str, share: float) -> None:
    data = encoded(gradient(), kind)
    cut = data[: max(1, int(len(data) * share))]
    assert outcome(cut) in {"image", "image_truncated", "image_unreadable"}


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns about damaged metadata
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_any_damage_gives_a_named_error_or_an_image(kind: str) -> None:
    data = encoded(gradient(), kind)
    rng = np.random.default_rng(1)
    for _ in range(40):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 4):
            damaged[at] = rng.integers(0, 256)
        assert outcome(bytes(damaged)).startswith("image")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ImageEmpty),
        (b"just a text file named .jpg", ImageUnreadable),
        (b"\xff\xd8\xff", ImageTruncated),
        (b"%PDF-1.7 ...", ImageFormatUnsupported),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ImageFormatUnsupported),
        (b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00", ImageFormatUnsupported),
    ],
)
def test_files_that_are_no_image_have_an_error_code(data: bytes, error: type[InvalidInput]) -> None:
    with pytest.raises(error):
        read_image(data)


def test_gif_is_named_as_unsupported() -> None:
    with pytest.raises(ImageFormatUnsupported, match="GIF"):
        read_image(encoded(gradient(), "GIF"))


def plainly_stretched(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Stretch the whole picture at once, in float64."""
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    low, high = finite.min(), finite.max()
    clean = np.nan_to_num(wide, nan=low, posinf=high, neginf=low)
    grey = np.rint((clean - low) * 255.0 / (high - low)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


@pytest.mark.parametrize("orientation", [1, 6])
def test_strips_give_the_same_pixels_as_the_whole_image(monkeypatch: pytest.MonkeyPatch, orientation: int) -> None:
    numbers = np.random.default_rng(5)
    floats = numbers.normal(0, 1e4, (37, 23)).astype(np.float32)
    floats[3, 4], floats[20, 1], floats[30, 2] = np.nan, np.inf, -np.inf
    kinds = [floats, numbers.integers(-(2**31), 2**31 - 1, (37, 23)).astype(np.int32)]
    files = [encoded(Image.fromarray(values), "TIFF") for values in kinds]
    files += [encoded(Image.fromarray(numbers.integers(0, 65_535, (37, 23)).astype(np.uint16)), "TIFF")]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    files += [
        encoded(gradient().resize((23, 37)).convert(mode), kind, exif=exif)
        for mode, kind in (("RGB", "PNG"), ("L", "PNG"), ("P", "PNG"), ("1", "PNG"), ("RGBA", "PNG"), ("CMYK", "TIFF"))
    ]
    whole = [read_image(file) for file in files]
    monkeypatch.setattr(greys, "STRIP_PIXELS", 100)
    for file, expected in zip(files, whole, strict=True):
        np.testing.assert_array_equal(read_image(file), expected)
    for file, values in zip(files, kinds, strict=False):
        np.testing.assert_array_equal(read_image(file), plainly_stretched(values))


@pytest.mark.parametrize(
    ("dtype", "stated"), [(np.float32, "-32767"), (np.int32, "-32767.0 "), (np.float32, "-3.40282346638528859812e+38")]
)
def test_nodata_of_a_geotiff_is_black_and_does_not_affect_the_stretching(dtype: type[np.generic], stated: str) -> None:
    missing = np.array(float(stated)).astype(dtype)
    values = np.array([[missing, 100, 150, 200]], dtype=dtype)
    data = geotiff(values, stated)
    assert read_image(data)[0, :, 0].tolist() == [0, 0, 128, 255]
    assert read_image(geotiff(values, stated, ORIENTATION))[:, 0, 0].tolist() == [0, 0, 128, 255]


@pytest.mark.parametrize("stated", ["nan", "none", "7"])
def test_an_unused_nodata_value_changes_nothing(stated: str) -> None:
    values = np.array([[-100, 0, 100]], dtype=np.float32)
    assert read_image(geotiff(values, stated))[0, :, 0].tolist() == [0, 128, 255]


def geotiff(values: NDArray[np.generic], nodata: str, turned_by: int | None = None) -> bytes:
    tags = [(42113, "s", 0, nodata, True)]
    return tiff(values, extratags=tags if turned_by is None else [*tags, (turned_by, "H", 1, 6, True)])


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint16, np.uint8])
def test_a_large_image_needs_few_bytes_per_pixel(dtype: type[np.generic]) -> None:
    """Count the bytes that numpy allocates; Pillow takes four more per pixel. It was 32 for 32-bit grey."""
    height, width = 2000, 3000
    values = (np.arange(height * width).reshape(height, width) % 251).astype(dtype)
    file = encoded(Image.fromarray(values), "TIFF")
    tracemalloc.start()
    try:
        pixels = read_image(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pixels.shape == (height, width, 3)
    assert peak < 3 * height * width + 48 * greys.STRIP_PIXELS + 3 * len(file)


def test_images_decoded_together_respect_the_pixel_budget() -> None:
    budget = PixelBudget(100)
    second, third = Event(), Event()

    def take(pixels: int, taken: Event) -> None:
        with budget.taken(pixels):
            taken.set()

    with ThreadPoolExecutor(2) as pool:
        with budget.taken(60):
            fits = pool.submit(take, 40, second)
            assert second.wait(20)
            fits.result()
            waits = pool.submit(take, 500, third)  # more than the whole budget: it is decoded alone
            assert not third.wait(0.05)
        waits.result()
    assert third.is_set()
