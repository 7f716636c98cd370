from __future__ import annotations

import httpcore
import pytest

from samfleet.outbound import errors


def foreign() -> list[type[Exception]]:
    found = {getattr(httpcore, name) for name in httpcore.__all__}
    return sorted(
        (one for one in found if isinstance(one, type) and issubclass(one, Exception)), key=lambda one: one.__name__
    )


@pytest.mark.parametrize("error", foreign())
def test_every_error_of_httpcore_has_one_of_ours(error: type[Exception]) -> None:
    ours = errors.mapped(error("the reason"))
    assert type(ours).__module__ == errors.__name__
    assert "the reason" in ours.message


def test_time_limits_are_not_broken_connections() -> None:
    assert isinstance(errors.mapped(httpcore.ConnectTimeout("x")), errors.ReceiverTimedOut)
    assert isinstance(errors.mapped(httpcore.RemoteProtocolError("x")), errors.ReplyInvalid)
