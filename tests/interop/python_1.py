"""The 1.x line of the official Python client."""

import anyio
from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.stdio import stdio_client

from expect import TOOLS, Shutdown, command, holds, same, text


async def cancel(session):
    """This line has no cancellation of its own: the id of the request is the session's next one."""
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
    holds(text(await session.call_tool("list_repos", {"limit": 1})), "hello-world")
    refused = await session.call_tool("fetch", {"path": "//evil.example"})
    same(refused.isError, True)
    holds(text(refused), "is refused")
    try:
        await session.call_tool("no_such_tool", {})
        raise AssertionError("an unknown tool was called")
    except McpError as error:
        same(error.error.code, -32602)
    await cancel(session)
    same(text(await session.call_tool("echo", {"text": "after"})), "after")
    return began.protocolVersion


async def main():
    program, arguments = command()
    shutdown = Shutdown()
    async with stdio_client(StdioServerParameters(command=program, args=arguments)) as streams:
        async with ClientSession(*streams) as session:
            version = await drive(session)
        shutdown.begin()
    shutdown.check()
    print(f"speaks {version}")


anyio.run(main)
