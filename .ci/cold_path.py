# For gdb, see cold-path: stops at the entry of every function of `src` and keeps the files apart.
import os
import gdb


class Path:
    """The calls that one thread is in: where their part of the stack begins, and their file."""

    def __init__(self, number, ignored):
        self.number, self.ignored, self.over = number, ignored, False
        self.calls = []
        self.changes = 0

    def leave(self, stack):
        while self.calls and self.calls[-1][0] <= stack:
            _, file = self.calls.pop()
            self.changes += bool(self.calls) and self.calls[-1][1] != file

    def enter(self, stack, file, name):
        self.leave(stack)
        # The caller's thread has returned from the call that was asked about.
        self.over = self.number == 1 and self.changes > 0 and not self.calls
        if self.over:
            return
        change = bool(self.calls) and self.calls[-1][1] != file
        self.changes += change
        self.calls.append((stack, file))
        mark = "*" if change else " "
        print(f"cold-path: {self.number} {mark} {'  ' * len(self.calls)}{file}  {name}")


paths = {}


class Entry(gdb.Breakpoint):
    def __init__(self, address, file, name):
        super().__init__(f"*{address:#x}", internal=True)
        self.file, self.name = file, name.replace("nexus_sdk::", "")

    def stop(self):
        if not paths and not self.name.endswith("::authenticated_fetch"):
            return False
        thread = gdb.selected_thread().ptid
        if thread not in paths:
            # Threads of the development gateway are not the client's.
            paths[thread] = Path(len(paths) + 1, self.file.startswith("testing/"))
        path = paths[thread]
        if not path.ignored and not path.over:
            path.enter(int(gdb.parse_and_eval("$rsp")), self.file, self.name)
        return False


for setting in ["pagination off", "confirm off", "breakpoint always-inserted on", "debuginfod enabled off"]:
    gdb.execute(f"set {setting}")
gdb.execute("starti")
program = gdb.current_progspace().filename
mapped = gdb.execute("info proc mappings", to_string=True).splitlines()
base = next(int(line.split()[0], 16) for line in mapped if line.rstrip().endswith(program))
with open(os.environ["ENTRIES"], encoding="utf-8") as entries:
    for entry in entries:
        address, file, name = entry.rstrip("\n").split("\t")
        Entry(base + int(address, 16), file, name)
gdb.execute("continue")
for path in paths.values():
    path.leave(1 << 64)
if not paths:
    raise gdb.GdbError("authenticated_fetch was not called")
changes = sum(path.changes for path in paths.values())
print(f"cold-path: {changes // 2} calls into another file of src, and as many returns")
