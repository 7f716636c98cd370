"""The MCP server with the tools that its key may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from samfleet.client.async_client import AsyncClient
from samfleet.client.transport import ApiError
from samfleet.errors import SamfleetError
from samfleet.version import code_version
from samfleet_cli.mcp_server.reading import ReadingTools
from samfleet_cli.mcp_server.writing import SubmittingTools

INSTRUCTIONS = (
    "Tools of a samfleet server, which segments images with variants of Segment Anything. A job segments the images of "
    "a dataset with one run for each variant. Errors end with a stable code in brackets and say what to do."
)
READ_ONLY = ToolAnnotations(read_only_hint=True)
ADDING = ToolAnnotations(read_only_hint=False, destructive_hint=False)
CANCELLING = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True)

Tool = Callable[..., Awaitable[Any]]


async def serve(client: AsyncClient) -> None:
    """Serve the tools on stdin and stdout until stdin ends."""
    await (await server_of(client)).run_stdio_async()


async def server_of(client: AsyncClient) -> MCPServer[Any]:
    """Return a server with the tools that the client's key may use: without the scope `submit`, only those that read.

    Raises `ApiError` for a wrong key, and `ApiUnreachable`.
    """
    may_submit = (await client.current_key())["scope"] != "read"
    server: MCPServer[Any] = MCPServer(
        "samfleet", instructions=INSTRUCTIONS, version=code_version(), log_level="WARNING"
    )
    reading, submitting = ReadingTools(client), SubmittingTools(client)
    _add(
        server, READ_ONLY, reading.list_variants, reading.list_datasets, reading.list_images, reading.list_jobs,
        reading.show_job, reading.follow_job, reading.list_failed_images, reading.read_report, reading.show_overlay,
    )  # fmt: skip
    if may_submit:
        _add(server, ADDING, submitting.predict_image, submitting.create_dataset, submitting.submit_job)
        _add(server, CANCELLING, submitting.cancel_job)
    return server


def _add(server: MCPServer[Any], annotations: ToolAnnotations, *tools: Tool) -> None:
    for tool in tools:
        server.add_tool(_with_errors(tool), annotations=annotations, structured_output=False)


def _with_errors(tool: Tool) -> Tool:
    """Let the tool fail with the message and the stable code of an error, which the assistant reads."""

    @wraps(tool)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await tool(*args, **kwargs)
        except ApiError as error:
            raise ToolError(f"{error.message} [{error.problem_code}]") from error
        except SamfleetError as error:
            raise ToolError(f"{error.message} [{error.code}]") from error
        except OSError as error:  # of a file that the assistant has named
            raise ToolError(f"{error} [file_error]") from error

    return call
