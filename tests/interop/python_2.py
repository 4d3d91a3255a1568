"""The official Python client, version 2.x, in the mode that the argument names."""

import sys

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import ElicitResult

from expect import TOOLS, Shutdown, Told, by_form, command, holds, repos, same, starred, text, visit


async def drive(client, version):
    same(client.protocol_version, version)
    same([tool.name for tool in (await client.list_tools()).tools], TOOLS)
    same(text(await client.call_tool("echo", {"text": "grüße\n"})), "grüße\n")
    listed = await client.call_tool("list_repos", {"limit": 1})
    holds(text(listed), "hello-world")
    same(listed.structured_content["repositories"][0]["name"], "hello-world")
    starred(await client.call_tool("star", {"owner": "demo", "repository": "hello-world"}))
    refused = await client.call_tool("fetch", {"path": "//evil.example"})
    same(refused.is_error, True)
    holds(text(refused), "two slashes")
    try:
        await client.call_tool("no_such_tool", {})
        raise AssertionError("an unknown tool was called")
    except MCPError as error:
        same(error.code, -32602)
    with anyio.move_on_after(0.2) as scope:
        await client.call_tool("slow", {"ms": 60_000})
    same(scope.cancelled_caught, True)
    same(text(await client.call_tool("echo", {"text": "after"})), "after")


class User:
    """Declines the first request, and then opens the page."""

    def __init__(self):
        self.actions = ["decline", "accept"]
        self.asked = []

    async def __call__(self, context, params):
        self.asked.append(params.url)
        action = self.actions.pop(0)
        if action == "accept":
            visit(params.url)
        return ElicitResult(action=action)


async def connect(client, user):
    declined = await client.call_tool("get_user", {})
    same(declined.is_error, True)
    holds(text(declined), "declined")
    connected = await client.call_tool("get_user", {})
    same(connected.structured_content["login"], "demo")
    same(len(set(user.asked)), 1)


async def connect_by_error(client, told):
    try:
        await client.call_tool("get_user", {})
        raise AssertionError("nothing was connected")
    except MCPError as error:
        same(error.code, -32042)
        [page] = error.data["elicitations"]
    visit(page["url"])
    same(await told.page(), page["elicitationId"])
    connected = await client.call_tool("get_user", {})
    same(connected.structured_content["login"], "demo")


async def connect_by_text(client):
    failed = await client.call_tool("get_user", {})
    same(failed.is_error, True)
    visit(text(failed).split()[-1])
    holds(text(await client.call_tool("get_user", {})), "demo")


async def drive_minimal(client, version):
    same(client.protocol_version, version)
    same([tool.name for tool in (await client.list_tools()).tools], ["list_repos"])
    repos(await client.call_tool("list_repos", {"limit": 1}))
    same((await client.call_tool("list_repos", {"limit": "x"})).is_error, True)


async def run(mode, drive, *flags, server="MCP_SERVER", **options):
    program, arguments = command(*flags, server=server)
    shutdown = Shutdown()
    async with Client(StdioServerParameters(command=program, args=arguments), mode=mode, **options) as client:
        await drive(client)
        shutdown.begin()
    shutdown.check()


async def main():
    mode = sys.argv[1]
    version = "2025-11-25" if mode == "legacy" else "2026-07-28"
    await run(mode, lambda client: drive(client, version), "--bench")
    for flag, how in [("--unconnected", lambda connect: connect), ("--form", by_form)]:
        user, told = User(), Told()
        if mode == "legacy":
            by_page = how(lambda client: connect_by_error(client, told))
        else:
            by_page = how(lambda client: connect(client, user))
        await run(mode, by_page, flag, elicitation_callback=user, message_handler=told)
        await run(mode, how(connect_by_text), flag)
    await run(mode, lambda client: drive_minimal(client, version), server="MCP_MINIMAL")
    print(f"speaks {version}, connects by page, form and text")


anyio.run(main)
