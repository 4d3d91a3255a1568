"""The official Python client, version 1.x."""

import anyio
from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import UrlElicitationRequiredError

from expect import TOOLS, Shutdown, Told, by_form, command, holds, repos, same, starred, text, visit


async def cancel(session):
    """Cancels a request, because version 1.x has no method for that. The session's next id is the id of the request."""
    async with anyio.create_task_group() as group:
        request = session._request_id
        group.start_soon(session.call_tool, "slow", {"ms": 60_000})
        await anyio.sleep(0.2)
        params = types.CancelledNotificationParams(requestId=request, reason="test")
        notification = types.CancelledNotification(method="notifications/cancelled", params=params)
        await session.send_notification(types.ClientNotification(notification))
        await session.send_ping()
        group.cancel_scope.cancel()


async def drive(session):
    began = await session.initialize()
    same(began.protocolVersion, "2025-11-25")
    same([tool.name for tool in (await session.list_tools()).tools], TOOLS)
    same(text(await session.call_tool("echo", {"text": "grüße\n"})), "grüße\n")
    listed = await session.call_tool("list_repos", {"limit": 1})
    holds(text(listed), "hello-world")
    same(listed.structuredContent["repositories"][0]["name"], "hello-world")
    starred(await session.call_tool("star", {"owner": "demo", "repository": "hello-world"}))
    refused = await session.call_tool("fetch", {"path": "//evil.example"})
    same(refused.isError, True)
    holds(text(refused), "two slashes")
    try:
        await session.call_tool("no_such_tool", {})
        raise AssertionError("an unknown tool was called")
    except McpError as error:
        same(error.error.code, -32602)
    await cancel(session)
    same(text(await session.call_tool("echo", {"text": "after"})), "after")
    return began.protocolVersion


async def open_pages(context, params):
    raise AssertionError("the server asks nothing of its own accord")


async def connect(session, told):
    """A client that opens pages gets the page in an error, and a notification when the user has finished with the page."""
    await session.initialize()
    try:
        await session.call_tool("get_user", {})
        raise AssertionError("nothing was connected")
    except McpError as error:
        [page] = UrlElicitationRequiredError.from_error(error.error).elicitations
    visit(page.url)
    # Version 1.x fails if a message arrives while it closes, so the notification has to arrive before that.
    same(await told.page(), page.elicitationId)
    user = await session.call_tool("get_user", {})
    same(user.structuredContent["login"], "demo")


async def connect_by_text(session):
    """Any other client gets the address in the text."""
    await session.initialize()
    failed = await session.call_tool("get_user", {})
    same(failed.isError, True)
    visit(text(failed).split()[-1])
    holds(text(await session.call_tool("get_user", {})), "demo")


async def drive_minimal(session):
    await session.initialize()
    same([tool.name for tool in (await session.list_tools()).tools], ["list_repos"])
    repos(await session.call_tool("list_repos", {"limit": 1}))
    same((await session.call_tool("list_repos", {"limit": "x"})).isError, True)


async def run(drive, *flags, server="MCP_SERVER", **options):
    program, arguments = command(*flags, server=server)
    shutdown = Shutdown()
    async with stdio_client(StdioServerParameters(command=program, args=arguments)) as streams:
        async with ClientSession(*streams, **options) as session:
            result = await drive(session)
        shutdown.begin()
    shutdown.check()
    return result


async def main():
    version = await run(drive, "--bench")
    for flag, how in [("--unconnected", lambda connect: connect), ("--form", by_form)]:
        told = Told()
        by_page = how(lambda session: connect(session, told))
        await run(by_page, flag, elicitation_callback=open_pages, message_handler=told)
        await run(how(connect_by_text), flag)
    await run(drive_minimal, server="MCP_MINIMAL")
    print(f"speaks {version}, connects by page, form and text")


anyio.run(main)
