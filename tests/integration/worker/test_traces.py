from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fixtures.api.request_journey import journey
from fixtures.api.running_api import Api, Tenant
from fixtures.worker.collected_spans import traced

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CALLER = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}


def test_one_trace_leads_from_the_request_to_the_last_task(api: Api, tenant: Tenant, folder: Path) -> None:
    with traced() as finished:
        with journey(api, tenant) as way:
            job = way.submit(folder, 3, CALLER)
            way.carry_out()
        deadline = time.monotonic() + 20  # the request's span ends after its response was sent
        while "POST /v1/jobs" not in {span.name for span in finished()}:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        spans = [span for span in finished() if f"{span.context.trace_id:032x}" == TRACE_ID]
    by_id = {span.context.span_id: span for span in spans}

    def way_up(span: Any) -> list[str]:
        names = []
        while span is not None:
            names.append(span.name)
            span = by_id.get(span.parent.span_id)
        return names

    plan = ["jobs.plan", "send jobs.plan", "POST /v1/jobs"]
    fetches = [span for span in spans if span.name == "fetch"]
    assert len(fetches) == 3
    shards = sorted((span for span in spans if span.name == "shard"), key=lambda span: span.start_time)
    assert way_up(shards[0]) == ["shard", "shards.segment", "send shards.segment", *plan]
    # recording a shard sends the next one, so spans of later shards are children of earlier ones
    assert way_up(shards[1])[:5] == ["shard", "shards.segment", "send shards.segment", "record", "shard"]
    assert {way_up(span)[1] for span in spans if span.name in {"fetch", "store", "record"}} == {"shard"}
    assert [way_up(span)[-1] for span in spans if span.name == "jobs.finish"] == ["POST /v1/jobs"]
    (request,) = [span for span in spans if span.name == "POST /v1/jobs"]
    assert request.attributes["http.route"] == "/v1/jobs"
    assert request.attributes["http.response.status_code"] == 202
    assert shards[0].attributes["samfleet.job_id"] == job["id"]
    assert shards[0].attributes["samfleet.outcome"] == "recorded"
