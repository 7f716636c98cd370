"""The MCP server, through the package's own client in memory, against the real API."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters
from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image
from sqlalchemy import Engine

from fixtures.api.predicting import PICTURE, client_of, working
from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.servers.redis import RedisServer
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH, carry_out, failed, new_job, segmented, write_pictures
from fixtures.worker.worker_services import make_services
from samfleet.client import ApiError, AsyncClient, local_source
from samfleet.datasets.directory import list_files
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet_cli.commands.mcp import McpNotInstalled, mcp
from samfleet_cli.mcp_server.server import server_of
from samfleet_worker.triton.memory_segmenter import SIDE, MemorySegmenter

READING = {
    "follow_job", "list_datasets", "list_failed_images", "list_images", "list_jobs", "list_variants", "read_report",
    "show_job", "show_overlay",
}  # fmt: skip
WRITING = {"cancel_job", "create_dataset", "predict_image", "submit_job"}

Use = Callable[[McpClient], Awaitable[Any]]


def used(url: str, key: str, use: Use) -> Any:
    """Return what `use` does with a session of an MCP server for the API."""

    async def run() -> Any:
        async with AsyncClient(url, key) as client, McpClient(await server_of(client)) as session:
            return await use(session)

    return asyncio.run(run())


def called(url: str, key: str, tool: str, **arguments: Any) -> CallToolResult:
    result = used(url, key, lambda session: session.call_tool(tool, arguments))
    assert isinstance(result, CallToolResult)
    return result


def value_of(result: CallToolResult) -> Any:
    (content,) = [one for one in result.content if isinstance(one, TextContent)]
    assert not result.is_error, content.text
    return json.loads(content.text)


def picture_of(result: CallToolResult) -> Image.Image:
    (content,) = [one for one in result.content if isinstance(one, ImageContent)]
    assert content.mime_type == "image/png"
    return Image.open(io.BytesIO(base64.b64decode(content.data)))


def error_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert result.is_error, content.text
    return content.text


@pytest.fixture
def reading_key(api: Api) -> Iterator[str]:
    with new_tenant(api, admin=True) as admin:
        yield str(admin.http.post("/v1/keys", json={"name": "reader", "scope": "read"}).json()["key"])


def second_fails(image: ShardImage) -> ImageOutcome:
    return failed(image) if image.image_id == 2 else segmented(image)


def test_a_key_that_may_only_read_gets_only_tools_that_read(api: Api, reading_key: str, tenant: Tenant) -> None:
    for key, tools in ((reading_key, READING), (tenant.key, READING | WRITING)):
        listed = used(api.url, key, lambda session: session.list_tools()).tools
        assert {tool.name for tool in listed} == tools
        for tool in listed:
            assert tool.description
            assert tool.annotations.read_only_hint == (tool.name in READING)
    refused = called(api.url, reading_key, "cancel_job", job_id=str(uuid.uuid4()))
    assert "cancel_job" in error_of(refused)


def test_a_job_is_submitted_followed_and_read(api: Api, tenant: Tenant, folder: Path) -> None:
    write_pictures(folder, 2)

    def call(tool: str, **arguments: Any) -> CallToolResult:
        return called(api.url, tenant.key, tool, **arguments)

    assert "mobile_sam" in {one["name"] for one in value_of(call("list_variants"))["variants"]}
    dataset = value_of(call("create_dataset", folder=str(folder), name="shelves"))
    assert dataset["image_count"] == 2
    assert [one["name"] for one in value_of(call("list_datasets", query="shel"))["datasets"]] == ["shelves"]
    images = value_of(call("list_images", dataset_id=dataset["id"], limit=1))["images"]
    assert [one["file_name"] for one in images] == ["0.png"]
    job = value_of(call("submit_job", dataset_id=dataset["id"], variants=["mobile_sam"], name="first"))
    assert (job["state"], job["name"], job["counts"]["total"]) == ("queued", "first", 2)
    assert value_of(call("follow_job", job_id=job["id"], seconds=0))["state"] == "queued"
    carry_out(api, tenant.http.get(f"/v1/jobs/{job['id']}").json(), second_fails)

    seen: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async def follow(session: McpClient) -> Any:
        return await session.call_tool("follow_job", {"job_id": job["id"]}, progress_callback=note)

    ended = value_of(used(api.url, tenant.key, follow))
    assert (ended["state"], ended["counts"]["failed"]) == ("completed_with_errors", 1)
    assert seen == [(2, 2, "completed_with_errors: 2 of 2 images")]
    listed = value_of(call("list_jobs", state="completed_with_errors"))["jobs"]
    assert [one["id"] for one in listed] == [job["id"]]
    (broken,) = value_of(call("list_failed_images", job_id=job["id"]))["images"]
    assert (broken["image_id"], broken["code"]) == (2, "image_truncated")
    with picture_of(call("show_overlay", run_id=ended["runs"][0]["id"], image_id=1)) as drawn:
        assert drawn.size == (WIDTH, HEIGHT)
    report = value_of(call("read_report", name="latency", filters={"variant": "mobile_sam", "stage": "encode"}))
    assert report["row_count"] == len(report["rows"]) == 1
    assert report["rows"][0]["mean_ms"] == pytest.approx(4.0, rel=0.02)


def test_two_folders_are_read_at_the_same_time(
    api: Api, tenant: Tenant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(folder, 1)
    both = threading.Barrier(2, timeout=10)

    def list_when_both_do(*args: Any, **kwargs: Any) -> Any:
        both.wait()
        return list_files(*args, **kwargs)

    monkeypatch.setattr(local_source, "list_files", list_when_both_do)

    async def create_two(session: McpClient) -> Any:
        asked = [session.call_tool("create_dataset", {"folder": str(folder), "name": name}) for name in ("a", "b")]
        return await asyncio.gather(*asked)

    created = used(api.url, tenant.key, create_two)
    assert [(value_of(one)["name"], value_of(one)["image_count"]) for one in created] == [("a", 1), ("b", 1)]


def test_a_job_is_cancelled(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    assert value_of(called(api.url, tenant.key, "cancel_job", job_id=job["id"][:8]))["state"] == "cancelled"


def test_an_image_is_predicted_and_shown(
    api: Api, tenant: Tenant, engine: Engine, redis_server: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PICTURE)
    segmenter = MemorySegmenter()
    with (
        client_of(api, tenant, redis_server, tmp_path) as client,
        working(make_services(engine, segmenter), redis_server),
    ):
        url = str(client.http.base_url)
        result = called(url, tenant.key, "predict_image", image_path=str(path), variant="mobile_sam", points=[[1, 2]])
    value = value_of(result)
    assert (value["mask_count"], value["width"], len(value["masks"])) == (1, SIDE, 1)
    assert value["masks"][0]["object_id"] == "1"
    assert segmenter.requests[0].prompts[0].points == ((1.0, 2.0),)
    with picture_of(result) as drawn:
        assert drawn.size == (SIDE, SIDE)


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("show_job", {"job_id": str(uuid.uuid4())}, r"\[job_not_found\]$"),
        ("show_overlay", {"run_id": str(uuid.uuid4()), "image_id": 1}, r"\[run_not_found\]$"),
        ("read_report", {"name": "latency", "filters": {"colour": "red"}}, r"colour.*\[payload_invalid\]$"),
        ("read_report", {"name": "weather"}, "name"),
        ("submit_job", {"dataset_id": str(uuid.uuid4()), "variants": ["mobile_sam"]}, r"\[dataset_not_found\]$"),
        ("submit_job", {"dataset_id": str(uuid.uuid4()), "variants": []}, "variants"),
        ("predict_image", {"image_path": "nowhere.png", "variant": "mobile_sam"}, r"no file.*\[images_invalid\]$"),
        ("create_dataset", {"folder": "/nowhere"}, r"\[[a-z_]+\]$"),
        ("list_jobs", {"limit": 0}, "limit"),
    ],
)
def test_an_error_has_the_code_and_the_advice(
    api: Api, tenant: Tenant, tool: str, arguments: dict[str, Any], message: str
) -> None:
    assert re.search(message, error_of(called(api.url, tenant.key, tool, **arguments)), re.DOTALL)


def test_a_wrong_key_is_refused_at_the_start(api: Api) -> None:
    with pytest.raises(ApiError) as refused:
        called(api.url, "wrong", "list_jobs")
    assert refused.value.status == 401


def test_the_command_serves_on_stdin_and_stdout(api: Api, tenant: Tenant, tmp_path: Path) -> None:
    environment = {"SAMFLEET_API_URL": api.url, "SAMFLEET_API_KEY": tenant.key, "SAMFLEET_STATE_DIR": str(tmp_path)}
    command = StdioServerParameters(command=sys.executable, args=["-m", "samfleet_cli.main", "mcp"], env=environment)

    async def list_jobs() -> CallToolResult:
        async with McpClient(command) as session:
            return await session.call_tool("list_jobs", {})

    assert value_of(asyncio.run(list_jobs())) == {"jobs": []}


def test_without_the_package_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("mcp.", "samfleet_cli.mcp_server."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(McpNotInstalled, match=r"pip install 'samfleet\[mcp\]'"):
        mcp()
