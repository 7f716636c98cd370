from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from structlog.contextvars import bound_contextvars

from fixtures.logging_state import logging_restored
from samfleet.logging import configure_logging, correlation_id, get_logger


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with logging_restored():
        yield


def test_a_line_is_one_json_object_with_the_bound_ids(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")
    with bound_contextvars(job_id="j1", correlation_id="c1"):
        get_logger("samfleet.test").info("shard.recorded", images=4)
        assert correlation_id() == "c1"
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "shard.recorded",
        "images": 4,
        "job_id": "j1",
        "correlation_id": "c1",
        "level": "info",
        "logger": "samfleet.test",
    }


def test_foreign_loggers_and_tracebacks_have_the_same_format(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("someone.else").exception("it broke: %s", "badly")
    logging.getLogger("kombu").info("chatter")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "it broke: badly"
    assert "ZeroDivisionError" in json.loads(line)["exception"]


def test_the_console_format_shows_events_above_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING", "console")
    get_logger("samfleet.test").info("not shown")
    get_logger("samfleet.test").warning("queue.unavailable", task="jobs.plan")
    shown = capsys.readouterr().err
    assert "queue.unavailable" in shown
    assert "not shown" not in shown


def test_an_id_is_generated_outside_of_a_request() -> None:
    assert correlation_id() != correlation_id()
