"""`samfleet mcp`: tools for assistants, through the Model Context Protocol."""

from __future__ import annotations

import asyncio

from samfleet.errors import InvalidInput
from samfleet_cli.commands.options import ApiKey, ApiUrl


class McpNotInstalled(InvalidInput):
    """The MCP server needs the package `mcp`; run `pip install 'samfleet[mcp]'`."""

    code = "mcp_not_installed"


def mcp(api_url: ApiUrl = None, api_key: ApiKey = None) -> None:
    """Serve an assistant on stdin and stdout by the Model Context Protocol.

    It may read; with a key of the scope `submit` it may also submit jobs and segment images.
    """
    try:
        from samfleet_cli.mcp_server.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":  # a module is missing if the version is another
            raise
        raise McpNotInstalled from error
    from samfleet.client import AsyncClient

    async def run() -> None:
        async with AsyncClient(api_url, api_key) as client:
            await serve(client)

    asyncio.run(run())
