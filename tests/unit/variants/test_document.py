from __future__ import annotations

from pathlib import Path

from fixtures.models.shared_data import REPOSITORY
from samfleet.variants.catalogue import RECORDS
from samfleet.variants.document import PARITY, main, render
from samfleet.variants.published import CLAIMS, NOT_HOSTED, SURVEY

COMMITTED = REPOSITORY / "docs" / "variants.md"


def test_the_committed_page_is_current(tmp_path: Path) -> None:
    main(["--write", str(tmp_path / "variants.md")])
    assert COMMITTED.read_text() == (tmp_path / "variants.md").read_text(), "run `make generated`"


def test_every_variant_has_its_section_and_licence() -> None:
    page = render()
    for record in RECORDS:
        assert f"\n### {record.name}\n" in page
        assert f"weights under {record.weights_licence}." in page
        assert record.parity in PARITY
        assert record.paper.arxiv in page


def test_every_figure_has_a_source() -> None:
    assert all(claim.source for claims in CLAIMS.values() for claim in claims)
    assert "arXiv 2410.04960" in render()
    assert all(
        any(value is not None for value in (row.million_parameters, row.box_miou, row.everything_ms))
        for row in SURVEY.values()
    )


def test_weights_that_are_not_hosted_are_listed_with_the_reason() -> None:
    page = render()
    assert all(f"- **{name}**: {reason}." in page for name, reason in NOT_HOSTED.items())
