from __future__ import annotations

from pathlib import Path

import pytest

from samfleet.variants.record import FileSource, VariantRecord
from samfleet.variants.stand_ins import NULL, is_stand_in
from samfleet.variants.user_records import VariantFileInvalid, read_variant
from samfleet.variants.weights.pull import pull
from samfleet.variants.weights.verify import file_sha256

EXAMPLE = Path(__file__).parents[3] / "examples/variants/null.yaml"


def read(folder: Path, text: str) -> VariantRecord:
    path = folder / "mine.yaml"
    path.write_text(text)
    return read_variant(path)


def test_the_example_is_the_null_variant() -> None:
    record = read_variant(EXAMPLE)
    assert (record.name, record.family) == (NULL, "fixed")
    assert record.architecture == {"delay_ms": 0.0, "masks": 16}
    assert is_stand_in(record.name)  # reports leave out its quality
    record.require_accepted(())


def test_the_file_itself_is_what_the_backend_loads(tmp_path: Path) -> None:
    record = read(tmp_path, "fixed: {delay_ms: 2.5}")
    assert record.architecture == {"delay_ms": 2.5, "masks": 16}
    assert record.checkpoint.sources == (FileSource(tmp_path / "mine.yaml"),)
    pulled = pull(record, tmp_path / "weights")
    assert file_sha256(pulled) == record.checkpoint.sha256 == file_sha256(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed: {delay_ms: -1}", "fixed.delay_ms is -1; write 0 to 60000 milliseconds"),
        ("fixed: {delay_ms: .nan}", "fixed.delay_ms is nan"),
        ("fixed: {masks: 10001}", "fixed.masks is 10001; write 0 to 10000"),
        ("fixed: {mask: 1}", "fixed.mask is not a field; the fields are delay_ms, masks"),
        ("fixed: 5", "fixed is 5; write its fields below it"),
        ("fixed: {}\ninput_size: 3", "variant.input_size is not a field"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(VariantFileInvalid, match=message):
        read(tmp_path, text)
