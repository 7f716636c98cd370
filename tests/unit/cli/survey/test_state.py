from __future__ import annotations

from pathlib import Path

import pytest

from samfleet_cli.survey.state import STATE_FILE, CellState, SurveyState, SurveyStateInvalid


def test_a_state_is_read_as_it_was_saved(tmp_path: Path) -> None:
    state = SurveyState.load(tmp_path / "none yet")
    state.cell("box").job_id = "0b5d"
    state.save(tmp_path)
    assert SurveyState.load(tmp_path) == state


def test_the_key_of_a_cell_depends_on_the_survey_and_the_cell() -> None:
    one, other = SurveyState(), SurveyState()
    assert one.idempotency_key("box") == one.idempotency_key("box")
    assert len({one.idempotency_key("box"), one.idempotency_key("grid"), other.idempotency_key("box")}) == 3


def test_cells_of_a_former_plan_are_forgotten() -> None:
    state = SurveyState()
    for key in ("box", "grid"):
        state.cell(key).status = "completed"
    state.keep({"box", "points"})
    assert list(state.cells) == ["box"]


def test_a_cell_that_is_measured_again_has_another_attempt_and_no_outcome() -> None:
    entry = SurveyState().cell("box")
    entry.status, entry.job_id, entry.reason, entry.images = "failed", "0b5d", "the job was cancelled", 3
    entry.again()
    assert entry == CellState(attempt=2)


@pytest.mark.parametrize("content", ["", "[]", '{"version": 2}', '{"cells": {"box": {"status": "lost"}}}'])
def test_an_unreadable_state_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE_FILE).write_text(content)
    with pytest.raises(SurveyStateInvalid, match=STATE_FILE):
        SurveyState.load(tmp_path)
