from __future__ import annotations

import pytest
from tritonclient.grpc.service_pb2 import RepositoryIndexResponse, ServerMetadataResponse

from samfleet_cli.local_stack.model_index import IndexedModel, read_index, read_version


def test_responses_encoded_by_tritonclient_are_read() -> None:
    answer = RepositoryIndexResponse()
    answer.models.add(name="mobile_sam", version="1", state="READY")
    reason = (
        "Internal: TritonModelException: weights_missing: no ü\n" + "x" * 300 + "\n\nAt:\n  /model.py(1): initialize"
    )
    answer.models.add(name="tinysam", version="1", state="UNAVAILABLE", reason=reason)
    answer.models.add(name="never asked for")
    ready, failed, silent = read_index(answer.SerializeToString())
    assert (ready, silent) == (IndexedModel("mobile_sam", "READY", ""), IndexedModel("never asked for", "", ""))
    assert (failed.name, failed.state) == ("tinysam", "UNAVAILABLE")
    assert failed.said == "weights_missing: no ü " + "x" * 300


def test_an_empty_response_has_no_models() -> None:
    assert read_index(b"") == []


def test_the_version_of_a_server_is_read() -> None:
    answer = ServerMetadataResponse(name="triton", version="2.51.0", extensions=["statistics", "trace"])
    assert read_version(answer.SerializeToString()) == "2.51.0"
    assert read_version(b"") == ""


@pytest.mark.parametrize("answer", [b"\x0a", b"\x0d\x00\x00\x00\x00", b"\xff\xff"])
def test_malformed_messages_are_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"is not used in these replies|ends within"):
        read_index(answer)
