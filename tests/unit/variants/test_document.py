from __future__ import annotations

from pathlib import Path

from fixtures.models.shared_data import REPOSITORY
from samfleet.variants.catalogue import RECORDS
from samfleet.variants.document import PARITY, main, render
from samfleet.variants.published import CLAIMS, NOT_HOSTED
from samfleet.variants.survey_figures import FIGURES, NAMES, SOURCE

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
    assert SOURCE in render()


def test_every_figure_of_the_survey_is_in_the_table_of_its_condition() -> None:
    tables = render().split("\n### Table ")[1:7]
    assert [int(table[0]) for table in tables] == [3, 4, 5, 6, 7, 8]
    for condition, cells in FIGURES.items():
        rows = [[cell.strip() for cell in row.split("|")] for row in tables[condition.table - 3].splitlines()]
        (heading,) = [row for row in rows if "the survey's name" in row]
        place = heading.index(f"{condition.label} ({condition.unit})")
        found = {row[1]: row[place] for row in rows if len(row) > place and row[1] in NAMES and row[place]}
        assert found == {variant: f"{figure:g}" for variant, figure in cells.items()}


def test_the_survey_measured_only_variants_that_are_hosted() -> None:
    hosted = {record.name for record in RECORDS}
    assert hosted >= set(NAMES)
    assert set(NAMES) == {variant for cells in FIGURES.values() for variant in cells}


def test_weights_that_are_not_hosted_are_listed_with_the_reason() -> None:
    page = render()
    assert all(f"- **{name}**: {reason}." in page for name, reason in NOT_HOSTED.items())
