"""The command's side of the supervisor: start processes, take leases, entrust directories, and be rid of them all.

Used by both backends. Whatever is started through here is gone a moment after the command, however that ends;
``supervisor.py`` says how.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from windtunnel.chaos.capabilities import HttpCall
from windtunnel.harness.stack import supervisor
from windtunnel.harness.stack.errors import Failed, LeftBehind, Lost, Missing, NotReady, Refused, tail
from windtunnel.harness.stack.sweep import sweep

HELLO_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 20.0
CLOSE_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class User:
    """An account that a process runs as."""

    uid: int
    gid: int


class Child:
    """A process that the supervisor owns. Satisfies ``stack.Process``."""

    def __init__(self, owner: Supervisor, name: str, log: Path) -> None:
        """Made by ``Supervisor.start`` only."""
        self.name = name
        self.log = log
        self.pid = 0
        self.code: int | None = None
        """Exit code; negative: the signal. None while it runs."""
        self.cpu_s = 0.0
        """Processor seconds of itself and what it waited for; known when it has ended."""
        self._owner = owner
        self._ended = threading.Event()

    def wait(self, timeout_s: float) -> int:
        """Its exit code (negative: the signal). TimeoutError when it is still running then; Lost without supervisor."""
        if not self._ended.wait(timeout_s):
            raise TimeoutError(f"{self.name} is still running after {timeout_s:g} s")
        if self.code is None:
            raise Lost(f"the supervisor that owned {self.name} is gone")
        return self.code

    def signal(self, number: int) -> None:
        """Send it a signal, itself only."""
        self._owner.signal(self, number)

    def kill(self) -> None:
        """End it and its descendants, now."""
        self._owner.signal(self, signal.SIGKILL, tree=True)

    def ended(self, code: int | None, cpu_s: float = 0.0) -> None:
        """Told by the supervisor's reader: it has ended, or (None) nobody knows any more."""
        if not self._ended.is_set():
            self.code, self.cpu_s = code, cpu_s
            self._ended.set()


class SupervisedLease:
    """Satisfies ``chaos.capabilities.Lease``."""

    def __init__(self, owner: Supervisor, number: int) -> None:
        """Made by ``Supervisor.lease`` only."""
        self._owner = owner
        self._number = number

    def renew(self, ttl_s: float) -> None:
        """Put the end off to ``ttl_s`` from now. Lost when it had run out already: then it has been healed."""
        try:
            self._owner.request("renew", lease=self._number, ttl_s=ttl_s)
        except Refused as error:
            raise Lost(f"the lease cannot be renewed: {error}") from None

    def release(self) -> None:
        """We have undone it ourselves. Of a lease that ran out: nothing."""
        self._owner.request("release", lease=self._number)


class Supervisor:
    """A running supervisor process. A context manager; the methods may be called from several threads."""

    def __init__(self) -> None:
        """Sweep what earlier supervisors left, start one and wait until it is there.

        Raises Missing on a system other than Linux and where no folder for temporary files can be used, NotReady
        when the supervisor does not start.
        """
        if sys.platform != "linux":
            raise Missing(f"found the system {sys.platform}, expected Linux: the supervisor needs /proc and pidfd")
        folder = temporary_folder()
        sweep(folder)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._children: dict[int, Child] = {}
        self._ended_early: dict[int, dict[str, Any]] = {}
        self._hello: Future[Path] = Future()
        self._gone = False
        self._halted = False
        self._last_words = "the supervisor is gone, and what it owned with it"
        self._left: list[str] | None = None
        """What it could not clean up, told when it ends; None: it has not told."""
        self._closed = False
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", supervisor.__file__, str(os.getpid()), str(folder)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name="supervisor", daemon=True)
        self._reader.start()
        try:
            self.directory = self._hello.result(HELLO_TIMEOUT_S)
        except (FutureTimeout, Lost) as error:
            self._process.kill()
            self._end()
            raise NotReady(f"the supervisor did not start in {HELLO_TIMEOUT_S:g} s. {error}".strip()) from None
        """Readable for everybody, gone with the supervisor: logs and data stand here."""

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it is still there."""
        return not self._gone

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        stdin: Path | None = None,
        user: User | None = None,
        nice: int = 0,
        wave: int = 9,
        stop_signal: int = signal.SIGTERM,
        urgent_signal: int = signal.SIGKILL,
        grace_s: float = 3.0,
    ) -> Child:
        """Start a process that dies with the command.

        Its environment is ``environment`` and nothing else; its output is appended to ``log``. At the end the children
        with the highest ``wave`` go first: they get ``stop_signal`` and ``grace_s`` seconds. After the command's death
        all get their ``urgent_signal`` at once. Raises NotReady when it
        cannot be started, Lost when the supervisor is gone.
        """
        if self._halted:
            raise Lost(f"{name} was not started: the stack is ending")
        child = Child(self, name, log)
        try:
            answer = self.request(
                "start",
                name=name,
                argv=list(argv),
                env=dict(environment),
                log=str(log),
                cwd=str(cwd) if cwd else None,
                stdin=str(stdin) if stdin else None,
                uid=user.uid if user else None,
                gid=user.gid if user else None,
                nice=nice,
                wave=wave,
                stop_signal=stop_signal,
                urgent_signal=urgent_signal,
                grace_s=grace_s,
            )
        except Refused as error:
            raise NotReady(f"{name} could not be started: {error}") from None
        child.pid = answer["pid"]
        with self._lock:
            early = self._ended_early.pop(child.pid, None)
            if early is None:
                self._children[child.pid] = child
        if early:
            child.ended(early["code"], early["cpu_s"])
        return child

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        timeout_s: float,
        log: Path,
        cwd: Path | None = None,
        stdin: Path | None = None,
        user: User | None = None,
    ) -> None:
        """Run a helping command to its end. Failed (with the end of its log) on another exit code than 0."""
        child = self.start(name, argv, environment=environment, log=log, cwd=cwd, stdin=stdin, user=user)
        try:
            code = child.wait(timeout_s)
        except BaseException as error:
            child.kill()
            if isinstance(error, TimeoutError):
                raise Failed(f"{name} did not end in {timeout_s:g} s; its log ends\n{tail(log)}") from None
            raise
        if code != 0:
            raise Failed(f"{name} ended with {in_words(code)}; its log ends\n{tail(log)}")

    def signal(self, child: Child, number: int, tree: bool = False) -> None:
        """Send a signal to a child that still runs; with ``tree`` to its descendants too."""
        if child.code is None:
            self.request("signal", pid=child.pid, signal=int(number), tree=tree)

    def halt(self) -> None:
        """Kill all children and start no more: threads that wait for one, or are about to start one, give up.

        For a start that fails: what such a thread wrote after the end would be left behind.
        """
        self._halted = True
        with self._lock:
            children = list(self._children.values())
        for child in children:
            with contextlib.suppress(Lost):
                child.kill()

    def lease(self, heal: Sequence[HttpCall], ttl_s: float) -> SupervisedLease:
        """Have ``heal`` sent in ``ttl_s`` seconds, or at once when this process dies, unless it is released."""
        number = next(self._numbers)
        self.request("lease", lease=number, heal=[asdict(call) for call in heal], ttl_s=ttl_s)
        return SupervisedLease(self, number)

    def at_exit(self, argv: Sequence[str]) -> None:
        """Have a command run when all children are gone, however this process ends."""
        self.request("at_exit", argv=list(argv))

    def remove(self, directory: Path) -> None:
        """Have a directory deleted at the end, if it is there then."""
        self.request("remove", path=str(directory))

    def close(self) -> None:
        """End everything, wave by wave. Twice is once. LeftBehind names what stayed."""
        if self._closed:
            return
        self._closed = True
        words = ""
        try:
            try:
                if not self._gone:
                    self.request("close", timeout_s=CLOSE_TIMEOUT_S)
            except Lost as lost:  # it died, and the reader thread has not seen that yet; or it is silent
                words = str(lost)
            if self._left is None:
                raise LeftBehind(f"{words or self._last_words}; the next start sweeps what it may have left")
            if self._left:
                raise LeftBehind("could not be cleaned up: " + "; ".join(self._left))
        finally:
            self._end()

    def request(self, what: str, timeout_s: float = ANSWER_TIMEOUT_S, **details: object) -> dict[str, Any]:
        """Send one request and wait for its answer. Refused when it cannot do it, Lost when it is gone or silent."""
        number = next(self._numbers)
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._gone:
                raise Lost(self._last_words)
            self._answers[number] = future
            try:
                self._socket.sendall(json.dumps({"id": number, "do": what, **details}).encode() + b"\n")
            except OSError as error:
                raise Lost(f"the supervisor is gone: {error}") from None
        try:
            answer = future.result(timeout_s)
        except FutureTimeout:
            raise Lost(f"the supervisor did not answer {what!r} in {timeout_s:g} s") from None
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def _read(self) -> None:
        """The reader thread: hand answers to whoever waits, and ends of processes to their Child."""
        with contextlib.suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if message.get("event") == "hello":
                    self._hello.set_result(Path(message["directory"]))
                elif message.get("event") == "exit":
                    self._note_exit(message)
                else:
                    if message.get("event") == "closed":
                        self._left = message["left"]
                    if future := self._answers.pop(message["id"], None):
                        future.set_result(message)
        if error := self._error():
            self._last_words += f": {error}"
        with self._lock:
            self._gone = True
            waiting, self._answers = list(self._answers.values()), {}
            orphans, self._children = list(self._children.values()), {}
        lost = Lost(self._last_words)
        for future in waiting:
            future.set_exception(lost)
        if not self._hello.done():
            self._hello.set_exception(lost)
        for child in orphans:
            child.ended(None)

    def _note_exit(self, message: dict[str, Any]) -> None:
        with self._lock:
            child = self._children.pop(message["pid"], None)
            if child is None:  # it ended before start() had its answer
                self._ended_early[message["pid"]] = message
        if child:
            child.ended(message["code"], message["cpu_s"])

    def _error(self) -> str:
        """The last line that a crashing supervisor wrote."""
        with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
            _, written = self._process.communicate(timeout=5)
            return (written.decode(errors="replace").strip().splitlines() or [""])[-1]
        return ""

    def _end(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._reader.join(10)
        self._socket.close()


def in_words(code: int) -> str:
    """An exit code as a person says it: ``exit code 1``, ``SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def temporary_folder() -> Path:
    """Where the directories of running stacks stand. For root: one that other users may pass through.

    PostgreSQL refuses to run as root, so its data must be reachable for another user. Missing where there is none.
    """
    candidates = [Path(tempfile.gettempdir())]
    if os.getuid() == 0:
        candidates += [Path("/tmp"), Path("/var/tmp")]
    for folder in candidates:
        if os.access(folder, os.W_OK) and (os.getuid() != 0 or open_to_all(folder)):
            return folder
    tried = ", ".join(map(str, candidates))
    raise Missing(f"found no folder for temporary files that every user may enter among {tried}; set TMPDIR to one")


def open_to_all(folder: Path) -> bool:
    """Whether every user may pass through a folder and all those above it."""
    whole = folder.resolve()
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in (whole, *whole.parents))
