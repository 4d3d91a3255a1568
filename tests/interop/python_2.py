"""The 2.x line of the official Python client, in the mode that the argument names."""

import sys

import anyio
from mcp import Client, MCPError, StdioServerParameters

from expect import TOOLS, Shutdown, command, holds, same, text


async def drive(client, version):
    same(client.protocol_version, version)
    same([tool.name for tool in (await client.list_tools()).tools], TOOLS)
    same(text(await client.call_tool("echo", {"text": "grüße\n"})), "grüße\n")
    holds(text(await client.call_tool("list_repos", {"limit": 1})), "hello-world")
    refused = await client.call_tool("fetch", {"path": "//evil.example"})
    same(refused.is_error, True)
    holds(text(refused), "is refused")
    try:
        await client.call_tool("no_such_tool", {})
        raise AssertionError("an unknown tool was called")
    except MCPError as error:
        same(error.code, -32602)
    with anyio.move_on_after(0.2) as scope:
        await client.call_tool("slow", {"ms": 60_000})
    same(scope.cancelled_caught, True)
    same(text(await client.call_tool("echo", {"text": "after"})), "after")


async def main():
    mode = sys.argv[1]
    version = "2025-11-25" if mode == "legacy" else "2026-07-28"
    program, arguments = command()
    shutdown = Shutdown()
    async with Client(StdioServerParameters(command=program, args=arguments), mode=mode) as client:
        await drive(client, version)
        shutdown.begin()
    shutdown.check()
    print(f"speaks {version}")


anyio.run(main)
