"""The checks that all Python clients share."""

import os
import re
import time
import urllib.parse
import urllib.request

import anyio

TOOLS = ["list_repos", "get_user", "star", "fetch", "echo", "slow", "panic", "bare"]
# A call that was not cancelled would delay the shutdown by 1.5 s.
QUICK = 1.2


def command(*flags, server="MCP_SERVER"):
    variables = ["MCP_WRAPPER", "MCP_STATUS", "MCP_SAID", server]
    wrapper, *arguments = [os.environ[variable] for variable in variables]
    return wrapper, [*arguments, "--demo", *flags]


def visit(url):
    """Opens a page as the user's browser does. On the sample gateway, that counts as consent. Fills in and sends a form."""
    with urllib.request.urlopen(url) as page:
        shown = page.read().decode()
    fields = re.findall(r'<input [^>]*name="([^"]+)"', shown)
    same(fields, ["api_key"] if "<form" in shown else [])
    if fields:
        origin = "http://" + urllib.parse.urlsplit(url).netloc
        entered = urllib.parse.urlencode({"api_key": os.environ["MCP_SECRET"]})
        with urllib.request.urlopen(urllib.request.Request(url, entered.encode(), {"Origin": origin})) as page:
            holds(page.read().decode(), "Connected")


def by_form(connect):
    """Connects with the secret, which the upstream repeats in a response. `run.sh` checks that the server hides it."""

    async def drive(client):
        await connect(client)
        wanted = {"name": os.environ["MCP_SECRET"]}
        created = await client.call_tool("fetch", {"method": "POST", "path": "/user/repos", "body": wanted})
        holds(text(created), "[credential]")

    return drive


def starred(result):
    """Checks the result of `star`."""
    holds(text(result), "204")


def repos(result):
    """Checks the result of the minimal server's only tool."""
    holds(text(result), "demo/hello-world")


def text(result):
    assert len(result.content) == 1, result
    return result.content[0].text


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def holds(found, expected):
    assert expected in found, f"{found!r} holds no {expected!r}"


class Told:
    """Waits for the notification that the user has finished with a page."""

    def __init__(self):
        self.heard = anyio.Event()

    async def __call__(self, message):
        notification = getattr(message, "root", message)
        if getattr(notification, "method", None) == "notifications/elicitation/complete":
            self.id = notification.params.model_dump(by_alias=True)["elicitationId"]
            self.heard.set()

    async def page(self):
        with anyio.fail_after(10):
            await self.heard.wait()
        return self.id


class Shutdown:
    """Measures the time that a client takes to close, and fails if it is too long."""

    def begin(self):
        self.start = time.monotonic()

    def check(self):
        took = time.monotonic() - self.start
        assert took < QUICK, f"the shutdown took {took:.2f} s: was the call cancelled?"
