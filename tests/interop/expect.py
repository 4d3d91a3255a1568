"""What every Python client has to see."""

import os
import time
import urllib.request

TOOLS = ["list_repos", "get_user", "fetch", "echo", "slow", "panic", "bare"]
# A call that was not cancelled would hold the shutdown up for 1.5 s.
QUICK = 1.2


def command(*flags):
    return os.environ["MCP_WRAPPER"], [os.environ["MCP_STATUS"], os.environ["MCP_SERVER"], "--demo", *flags]


def visit(url):
    """What the user's browser does: on the sample gateway that is the consent."""
    with urllib.request.urlopen(url) as page:
        same(page.status, 200)


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
