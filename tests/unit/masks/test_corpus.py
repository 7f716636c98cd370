"""Every file of the corpus of hostile and odd images has the outcome that the documented rules demand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from fixtures.images.corpus.entry import Entry
from fixtures.images.corpus.folder import encoded_files
from samfleet.image_errors import ImageFailed
from samfleet.masks.image_file import upright_size
from samfleet.masks.large import PixelLimits
from samfleet.masks.pictures import open_picture
from samfleet_models.images.decode import read_image

MAX_PIXELS = 100_000_000
LEAST_FILES = 300
DAMAGED_FILES = 600
SMALL_BYTES = 20_000
Outcome = str | tuple[int, int]  # a code, or (width, height)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as in the product


def outcome(part: Callable[[bytes], tuple[int, int]], data: bytes) -> Outcome:
    try:
        return part(data)
    except ImageFailed as error:
        return error.code


def of_the_model(data: bytes) -> tuple[int, int]:
    height, width, _ = read_image(data, MAX_PIXELS).shape
    return width, height


def of_the_worker(data: bytes) -> tuple[int, int]:
    return upright_size(data, MAX_PIXELS)


def of_the_picture(data: bytes) -> tuple[int, int]:
    with open_picture(data, 16_384, PixelLimits(MAX_PIXELS, MAX_PIXELS)) as source:
        height, width, _ = source.read().shape
    return width, height


@pytest.fixture(scope="module")
def files() -> list[Entry]:
    return list(encoded_files())


def test_the_corpus_is_large_and_has_every_outcome(files: list[Entry]) -> None:
    counted = Counter(entry.code for entry in files)
    assert sum(counted.values()) >= LEAST_FILES
    assert len({entry.name for entry in files}) == len(files)
    assert counted.keys() == {
        None, "image_empty", "image_truncated", "image_unreadable", "image_format_unsupported", "image_too_large",
    }  # fmt: skip


def test_the_corpus_is_the_same_each_time(files: list[Entry]) -> None:
    again = {entry.name: entry.data for entry in encoded_files()}
    assert [entry.name for entry in files if again[entry.name] != entry.data] == []


def test_the_model_gives_each_file_its_documented_outcome(files: list[Entry]) -> None:
    wanted = {entry.name: entry.code or entry.size for entry in files}
    assert {entry.name: outcome(of_the_model, entry.data) for entry in files} == wanted


def test_the_worker_reads_the_size_that_the_model_decodes(files: list[Entry]) -> None:
    wanted = {entry.name: entry.size for entry in files if not entry.code}
    found = {entry.name: outcome(of_the_worker, entry.data) for entry in files if not entry.code}
    assert found == wanted


def test_a_picture_of_each_good_file_can_be_drawn(files: list[Entry]) -> None:
    shown = [entry for entry in files if entry.size and max(entry.size) <= 16_384]
    assert {entry.name: outcome(of_the_picture, entry.data) for entry in shown} == {
        entry.name: entry.size for entry in shown
    }


def damaged(files: list[Entry]) -> Iterator[bytes]:
    """Yield files of the corpus with a few bytes changed, most of them in the header, some cut short too."""
    small = [entry.data for entry in files if 0 < len(entry.data) <= SMALL_BYTES]
    chance = random.Random(7)
    for _ in range(DAMAGED_FILES):
        data = bytearray(chance.choice(small))
        for _ in range(chance.randint(0, 6)):
            at = min(len(data) - 1, int(chance.expovariate(1 / 60)))
            data[at] = chance.choice((0, 1, 255, chance.randrange(256)))
        yield bytes(data if chance.random() < 0.6 else data[: chance.randint(0, len(data))])


def test_any_further_damage_gives_a_stable_code_or_the_size_that_the_worker_reads(files: list[Entry]) -> None:
    for data in damaged(files):
        found = outcome(of_the_model, data)
        if isinstance(found, tuple):
            assert outcome(of_the_worker, data) == found
