"""What every Python client has to see."""

import os
import re
import time
import urllib.parse
import urllib.request

TOOLS = ["list_repos", "get_user", "fetch", "echo", "slow", "panic", "bare"]
# A call that was not cancelled would hold the shutdown up for 1.5 s.
QUICK = 1.2


def command(*flags):
    variables = ["MCP_WRAPPER", "MCP_STATUS", "MCP_SAID", "MCP_SERVER"]
    wrapper, *arguments = [os.environ[variable] for variable in variables]
    return wrapper, [*arguments, "--demo", *flags]


def visit(url):
    """What the user's browser does: on the sample gateway's page that is the consent, a form is filled in and sent."""
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
    """Connects with the secret. The upstream sends back what it is sent; `run.sh` looks that the server does not."""

    async def drive(client):
        await connect(client)
        wanted = {"name": os.environ["MCP_SECRET"]}
        created = await client.call_tool("fetch", {"method": "POST", "path": "/user/repos", "body": wanted})
        holds(text(created), "[credential]")

    return drive


def text(result):
    assert len(result.content) == 1, result
    return result.content[0].text


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def holds(found, expected):
    assert expected in found, f"{found!r} holds no {expected!r}"


class Shutdown:
    """Says when the closing began, and fails when it took too long."""

    def begin(self):
        self.start = time.monotonic()

    def check(self):
        took = time.monotonic() - self.start
        assert took < QUICK, f"the shutdown took {took:.2f} s: was the call cancelled?"
