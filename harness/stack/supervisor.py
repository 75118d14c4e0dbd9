"""The process that owns everything a stack starts, and outlives the command that asked for it.

Started by ``supervision.Supervisor`` as ``python -I -S supervisor.py COMMAND_PID FOLDER`` in a session of its own
(Ctrl-C in the terminal does not reach it), with one end of a socket pair as its standard input. It is pure standard
library and has one thread. Requests and answers are JSON, one a line; what happens by itself is an ``event``.

However the command ends, this process

1. has the heal calls of every lease sent, then
2. ends the children wave by wave, the highest first, and every descendant of theirs (it is their subreaper), then
3. removes the shared memory they left, runs the commands that were left for the end, and removes the directories
   that were entrusted to it.

It learns of the command's death by the end of the socket and by a pidfd; it also watches the process in
WINDTUNNEL_LAUNCHER_PID (the wrapper's ``uv run``), and ends the command when that one dies. If it is killed itself,
the kernel kills its children (PR_SET_PDEATHSIG); what even that leaves is in the ledger, which the next start sweeps.

Linux only: subreaper, pidfd and /proc.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

MARKER = "WINDTUNNEL_STACK"
"""In the environment of every child: the directory of the stack it belongs to."""
LAUNCHER = "WINDTUNNEL_LAUNCHER_PID"
LEDGER = "ledger.jsonl"
PREFIX = "windtunnel-stack-"

HEAL_TIMEOUT_S = 1.0
HEAL_ALL_TIMEOUT_S = 1.5
URGENT_GRACE_S = 1.0
KILL_TIMEOUT_S = 5.0
AT_EXIT_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 5.0

IPC_RMID = 0  # linux/ipc.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
libc = ctypes.CDLL(None, use_errno=True)


# --- Processes, as /proc shows them (also used by sweep.py and usage.py) --------------------------------------------


@dataclass(frozen=True)
class Stat:
    """The fields of /proc/PID/stat that matter here; see proc_pid_stat(5)."""

    pid: int
    state: str
    parent: int
    group: int
    started: int
    """Clock ticks after boot: with the pid it names a process for good."""
    ticks: int
    """Clock ticks of processor time, of itself and of the children it has waited for."""


def stat(pid: int) -> Stat | None:
    """One process, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may contain anything
    return Stat(pid, fields[0], int(fields[1]), int(fields[2]), int(fields[19]), sum(map(int, fields[11:15])))


def processes() -> Iterator[Stat]:
    """Every process there is."""
    for name in os.listdir("/proc"):  # noqa: PTH208  # bare names, many of them, many times
        if name.isdigit() and (found := stat(int(name))):
            yield found


def descendants(root: int, among: Iterable[Stat] | None = None) -> list[Stat]:
    """Children of a process, their children, and so on; zombies included, itself not."""
    children: dict[int, list[Stat]] = {}
    for process in processes() if among is None else among:
        children.setdefault(process.parent, []).append(process)
    found: list[Stat] = []
    waiting = [root]
    while waiting:
        for process in children.get(waiting.pop(), ()):
            found.append(process)
            waiting.append(process.pid)
    return found


def kill(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone by now."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def remove(path: Path) -> bool:
    """Delete a directory, read-only parts included; whether nothing of it is left."""
    if not os.path.lexists(path):
        return True
    with contextlib.suppress(OSError):
        shutil.rmtree(path)
        return True
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            Path(folder).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def finish(argv: list[str]) -> bool:
    """Run a command that was left for the end; whether it succeeded in time."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        quiet = subprocess.DEVNULL
        return subprocess.run(argv, stdin=quiet, stdout=quiet, stderr=quiet, timeout=AT_EXIT_TIMEOUT_S).returncode == 0
    return False


def remove_segments(creators: set[int]) -> None:
    """Remove the System V shared memory that dead processes made and nobody uses: it would outlive them.

    PostgreSQL frees its own when it is asked to end, not when it is killed. The table: proc(5), /proc/sysvipc/shm.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]:
            _, identifier, _, _, creator, _, attached, *_ = line.split()
            if int(creator) in creators and attached == "0":
                libc.shmctl(int(identifier), IPC_RMID, None)


# --- The ledger: what a sweep needs when nobody is left -------------------------------------------------------------


def machine() -> str:
    """Where process numbers mean something: this boot, this pid namespace."""
    return (
        Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        + " "
        + str(Path("/proc/self/ns/pid").readlink())
    )


class Ledger:
    """Lines that are appended and never changed; locked for as long as the supervisor lives."""

    def __init__(self, directory: Path) -> None:
        """Create it. It gets its name only when it is locked: whoever can lock it knows its owner is dead."""
        new = directory / f".{LEDGER}"
        self._file = new.open("a", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.write("machine", machine())
        new.rename(directory / LEDGER)

    def write(self, what: str, value: object) -> None:
        """Append a line."""
        self._file.write(json.dumps({what: value}) + "\n")
        self._file.flush()


# --- The supervisor


@dataclass
class Child:
    """A process that was started here."""

    name: str
    process: subprocess.Popen[bytes]
    wave: int
    stop_signal: int
    urgent_signal: int
    grace_s: float


@dataclass
class Lease:
    """What to undo, and when, unless somebody comes back in time."""

    heal: list[dict[str, Any]]
    ends_at: float


class CommandGone(Exception):
    """The command died, or whoever launched it did."""


class Terminated(Exception):
    """Somebody asked the supervisor itself to end."""


class Supervisor:
    """Owns children, leases and directories; ``run`` returns when all of them are gone."""

    def __init__(self, command: socket.socket, command_pid: int, folder: Path) -> None:
        """Create the stack's directory below ``folder`` and look at who is watched."""
        self._command = command
        self._command.settimeout(SEND_TIMEOUT_S)
        self._received = b""
        self._children: dict[int, Child] = {}
        self._leases: dict[int, Lease] = {}
        self._at_exit: list[list[str]] = []
        self._remove: list[Path] = []
        self._left: list[str] = []
        self._dead: set[int] = set()
        """Children and orphans that have ended."""
        self._selector = selectors.DefaultSelector()
        self._directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        self._directory.chmod(0o755)  # the database may run as another user
        self._ledger = Ledger(self._directory)
        self._command_pid = command_pid

    def run(self) -> None:
        """Serve the command until it closes or dies, then end everything."""
        urgent = True
        answer: int | None = None
        try:
            self._watch()
            self._send({"event": "hello", "directory": str(self._directory)})
            answer = self._serve()
            urgent = False
        except CommandGone:
            pass
        except Terminated:
            urgent = False
        finally:
            self._end(urgent)
            self._send({"event": "closed", "id": answer, "left": self._left})

    def _watch(self) -> None:
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        self._wake = wake
        self._woken = woken
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        self._terminated = False
        # Handlers, not SIG_IGN: an ignored signal would stay ignored in every child.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, self._terminate)
        self._selector.register(self._command, selectors.EVENT_READ, "command")
        self._selector.register(wake, selectors.EVENT_READ, "signal")
        try:
            self._command_pidfd = os.pidfd_open(self._command_pid)
        except ProcessLookupError:
            raise CommandGone from None
        self._selector.register(self._command_pidfd, selectors.EVENT_READ, "command gone")
        launcher = os.environ.get(LAUNCHER, "")
        if launcher.isdigit() and int(launcher) != self._command_pid:
            try:
                self._selector.register(os.pidfd_open(int(launcher)), selectors.EVENT_READ, "launcher gone")
            except ProcessLookupError:
                self._abandoned()

    def _terminate(self, *_: object) -> None:
        self._terminated = True

    def _abandoned(self) -> NoReturn:
        """Nobody waits for the command any more: it must not go on unattended."""
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._command_pidfd, signal.SIGKILL)
        raise CommandGone

    def _serve(self) -> int:
        """Handle requests until the command closes; the number of its last request."""
        while True:
            for key, _ in self._selector.select(self._next_expiry_s()):
                if key.data == "command gone":
                    raise CommandGone
                if key.data == "launcher gone":
                    self._abandoned()
                if key.data == "signal":
                    self._drain_wake_ups()
                elif key.data == "command":
                    for request in self._receive():
                        if request["do"] == "close":
                            return int(request["id"])
                        self._handle(request)
            if self._terminated:
                raise Terminated
            self._reap()
            self._expire()

    def _drain_wake_ups(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)

    def _receive(self) -> Iterator[dict[str, Any]]:
        try:
            data = self._command.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            raise CommandGone
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            yield json.loads(line)

    def _send(self, message: dict[str, Any]) -> None:
        # A command that is gone or does not read is found out by the selector, not here.
        with contextlib.suppress(OSError):
            self._command.sendall(json.dumps(message).encode() + b"\n")

    def _handle(self, request: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"id": request["id"]}
        what = request["do"]
        if what == "start":
            try:
                answer["pid"] = self._start(request)
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                answer["error"] = str(error)
        elif what == "signal":
            self._signal(request["pid"], request["signal"], tree=request["tree"])
        elif what == "lease":
            self._leases[request["lease"]] = Lease(request["heal"], time.monotonic() + request["ttl_s"])
        elif what == "renew":
            lease = self._leases.get(request["lease"])
            if lease is None:
                answer["error"] = "it had run out, and what it was for has been undone"
            else:
                lease.ends_at = time.monotonic() + request["ttl_s"]
        elif what == "release":
            self._leases.pop(request["lease"], None)
        elif what == "at_exit":
            self._at_exit.append(request["argv"])
            self._ledger.write("at_exit", request["argv"])
        elif what == "remove":
            self._remove.append(Path(request["path"]))
            self._ledger.write("remove", request["path"])
        else:
            answer["error"] = f"found the request {what!r}, which the supervisor does not know"
        self._send(answer)

    # Children

    def _start(self, request: dict[str, Any]) -> int:
        own_pid = os.getpid()
        death_signal = request["urgent_signal"]
        nice = request["nice"]

        def prepare() -> None:
            """Between fork and exec, after the user was changed (which would clear the death signal)."""
            libc.prctl(PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != own_pid:
                os._exit(1)  # the supervisor died in between: nobody would send the signal
            if nice:
                os.nice(nice)

        identity: dict[str, Any] = {}
        if request["uid"] is not None:
            identity = {"user": request["uid"], "group": request["gid"], "extra_groups": []}
        stdin = request["stdin"] or os.devnull
        with Path(request["log"]).open("ab") as log, Path(stdin).open("rb") as source:
            process = subprocess.Popen(
                request["argv"],
                env={**request["env"], MARKER: str(self._directory)},
                cwd=request["cwd"],
                stdin=source,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=prepare,
                process_group=0,
                **identity,
            )
        found = stat(process.pid)
        self._ledger.write("process", [process.pid, found.started if found else 0])
        self._children[process.pid] = Child(
            name=request["name"],
            process=process,
            wave=request["wave"],
            stop_signal=request["stop_signal"],
            urgent_signal=request["urgent_signal"],
            grace_s=request["grace_s"],
        )
        return process.pid

    def _signal(self, pid: int, number: int, tree: bool) -> None:
        if pid not in self._children:
            return  # it has ended, and the number may be another's by now
        for process in descendants(pid) if tree else ():
            kill(process.pid, number)
        kill(pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._dead.add(pid)
            child = self._children.pop(pid, None)  # None: an orphan that came to us
            if child:
                code = os.waitstatus_to_exitcode(status)
                child.process.returncode = code
                self._send({"event": "exit", "pid": pid, "code": code, "cpu_s": used.ru_utime + used.ru_stime})

    # Leases

    def _next_expiry_s(self) -> float | None:
        ends = min((lease.ends_at for lease in self._leases.values()), default=None)
        return None if ends is None else max(0.0, ends - time.monotonic())

    def _expire(self) -> None:
        now = time.monotonic()
        for number in [number for number, lease in self._leases.items() if lease.ends_at <= now]:
            self._heal(self._leases.pop(number))

    def _heal(self, lease: Lease) -> None:
        for call in lease.heal:
            if problem := send(call):
                self._left.append(problem)

    # The end

    def _end(self, urgent: bool) -> None:
        enough = time.monotonic() + HEAL_ALL_TIMEOUT_S  # a Toxiproxy that hangs is about to be ended
        for lease in self._leases.values():
            if time.monotonic() < enough:
                self._heal(lease)
        self._leases.clear()
        waves: dict[int, list[Child]] = {}
        for child in self._children.values():
            waves.setdefault(0 if urgent else child.wave, []).append(child)
        for _, wave in sorted(waves.items(), reverse=True):
            for child in wave:
                kill(child.process.pid, child.urgent_signal if urgent else child.stop_signal)
                kill(child.process.pid, signal.SIGCONT)  # a stopped process could not obey
            self._await(wave, URGENT_GRACE_S if urgent else max(child.grace_s for child in wave))
        self._end_descendants()
        remove_segments(self._dead)
        for argv in self._at_exit:
            if not finish(argv):
                self._left.append("the command " + " ".join(argv) + " failed")
        for path in (*self._remove, self._directory):
            if not remove(path):
                self._left.append(f"the directory {path}")

    def _await(self, children: list[Child], grace_s: float) -> None:
        deadline = time.monotonic() + grace_s
        while True:
            self._reap()
            if all(child.process.pid not in self._children for child in children) or time.monotonic() > deadline:
                return
            self._pause()

    def _end_descendants(self) -> None:
        """Kill what is left until nothing is: whoever forks meanwhile is found in the next round."""
        deadline = time.monotonic() + KILL_TIMEOUT_S
        while True:
            self._reap()
            left = descendants(os.getpid())
            if not left:
                return
            if time.monotonic() > deadline:
                self._left += [f"process {process.pid}" for process in left]
                return
            for process in left:
                kill(process.pid, signal.SIGKILL)
                self._dead.add(process.pid)
            self._pause()

    def _pause(self) -> None:
        """Wait for the next signal (a child that ended), briefly."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            selector.select(0.02)
        self._drain_wake_ups()


def send(call: dict[str, Any]) -> str | None:
    """Send one heal call. What went wrong, in words; None when there is nothing left to undo."""
    address = urllib.parse.urlsplit(call["url"])
    what = f"the heal call {call['method']} {call['url']}"
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=HEAL_TIMEOUT_S)
    body = None if call["json"] is None else json.dumps(call["json"])
    target = address.path + (f"?{address.query}" if address.query else "")
    try:
        connection.request(call["method"], target or "/", body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
    except ConnectionRefusedError:
        return None  # whoever was faulted is gone, its faults with it
    except (OSError, http.client.HTTPException) as error:
        return f"{what} failed: {error or type(error).__name__}"
    finally:
        connection.close()
    gone_already = status == 404
    return None if status < 300 or gone_already else f"{what} was answered {status}"


def main() -> None:
    """Read the two arguments and serve on standard input."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    command = socket.socket(fileno=os.dup(0))
    Supervisor(command, int(sys.argv[1]), Path(sys.argv[2])).run()


if __name__ == "__main__":
    main()
