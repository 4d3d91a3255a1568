# For gdb, see cold-path: stops at the entry of every function of `src` and keeps the files apart.
import os
import re
import gdb

# Files that only make, read and convert values: they hold no lock, start no thread, and touch no file and no socket.
VALUES = ("base64.rs", "debug.rs", "error.rs", "header.rs", "json.rs", "time.rs", "time/date.rs", "url.rs")


def is_simple(file, line):
    """Whether the function at this line makes or reads a value: it returns `Self`, but not in a `Result`, or it has
    `&self` and a single line."""
    with open(f"src/{file}", encoding="utf-8") as source:
        lines = source.read().splitlines()[int(line) - 1 :]
    end = next(at for at, text in enumerate(lines) if text.endswith("{"))
    signature = " ".join(lines[: end + 1])
    returned = signature.partition("->")[2]
    is_constructor = re.search(r"\bSelf\b", returned) is not None and "Result" not in returned
    is_getter = "&self" in signature and bool(returned) and lines[end + 2].strip() == "}"
    return is_constructor or is_getter


def return_address(stack):
    """Of the call whose part of the stack begins there, as long as it has not returned and given way to another."""
    return bytes(gdb.selected_inferior().read_memory(stack, 8))


class Path:
    """The calls that one thread is in: where their part of the stack begins, their return address, and their file."""

    def __init__(self, number, ignored):
        self.number, self.ignored, self.over = number, ignored, False
        self.calls = []
        self.changes = self.conversions = 0

    def leave(self, stack):
        ended = (at for at, (begin, back, _) in enumerate(self.calls) if begin <= stack or return_address(begin) != back)
        left = next(ended, len(self.calls))
        while len(self.calls) > left:
            self.calls.pop()

    def enter(self, stack, file, line, name):
        self.leave(stack)
        # The caller's thread has returned from the call that was asked about.
        self.over = self.number == 1 and self.changes > 0 and not self.calls
        if self.over:
            return
        # A method of a trait is called by ureq or by an operator, not by a name that leads to the file.
        change = bool(self.calls) and self.calls[-1][2] != file and not name.startswith("<")
        is_conversion = change and (file in VALUES or "{{closure}}" not in name and is_simple(file, line))
        self.conversions += is_conversion
        self.changes += change and not is_conversion
        self.calls.append((stack, return_address(stack), file))
        mark = "-" if is_conversion else "*" if change else " "
        print(f"cold-path: {self.number} {mark} {'  ' * len(self.calls)}{file}  {name}")


paths = {}


class Entry(gdb.Breakpoint):
    def __init__(self, address, file, line, name):
        super().__init__(f"*{address:#x}", internal=True)
        self.file, self.line, self.name = file, line, name.replace("nexus_sdk::", "")

    def stop(self):
        if not paths and not self.name.endswith("::authenticated_fetch"):
            return False
        thread = gdb.selected_thread().ptid
        if thread not in paths:
            # The threads of the development gateway and of its server are not the client's.
            paths[thread] = Path(len(paths) + 1, self.file.startswith(("testing/", "loopback/")))
        path = paths[thread]
        if not path.ignored and not path.over:
            path.enter(int(gdb.parse_and_eval("$rsp")), self.file, self.line, self.name)
        return False


for setting in ["pagination off", "confirm off", "breakpoint always-inserted on", "debuginfod enabled off"]:
    gdb.execute(f"set {setting}")
gdb.execute("starti")
program = gdb.current_progspace().filename
mapped = gdb.execute("info proc mappings", to_string=True).splitlines()
base = next(int(line.split()[0], 16) for line in mapped if line.rstrip().endswith(program))
with open(os.environ["ENTRIES"], encoding="utf-8") as entries:
    for entry in entries:
        address, file, line, name = entry.rstrip("\n").split("\t")
        Entry(base + int(address, 16), file, line, name)
gdb.execute("continue")
if not paths:
    raise gdb.GdbError("authenticated_fetch was not called")
changes = sum(path.changes for path in paths.values())
conversions = sum(path.conversions for path in paths.values())
print(f"cold-path: {changes} calls into another file of src, and {conversions} that only make, read or convert a value")
