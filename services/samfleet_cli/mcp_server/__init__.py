"""The MCP server: tools with which an assistant uses a samfleet API through `samfleet.client`.

Needs the extra `samfleet[mcp]`. May import `exit_codes`.
"""
