"""What is made once and kept between runs: a built Toxiproxy, PostgreSQL's binaries, an initialised data directory.

Used by the embedded backend. An entry is a directory that is made beside its place and moved there whole, together
with a list of its files: parallel starts make it once, a killed one leaves nothing, a damaged one is made again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from windtunnel.harness.stack.errors import Missing, NotReady
from windtunnel.harness.stack.supervision import Supervisor, open_to_all

SEAL = ".sealed.json"
POLL_S = 0.1


def default_root() -> Path:
    """$WINDTUNNEL_CACHE, else for root /var/cache/windtunnel, else $XDG_CACHE_HOME/windtunnel.

    Without XDG_CACHE_HOME it is ~/.cache/windtunnel. Missing without a home directory.
    """
    if chosen := os.environ.get("WINDTUNNEL_CACHE"):
        return Path(chosen).absolute()
    if os.getuid() == 0:
        return Path("/var/cache/windtunnel")
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "windtunnel"
    try:
        return Path.home() / ".cache" / "windtunnel"
    except RuntimeError:
        raise Missing("found no home directory to keep a cache in; set WINDTUNNEL_CACHE to a folder") from None


class Cache:
    """A folder of entries."""

    def __init__(self, root: Path, supervisor: Supervisor) -> None:
        """Make the folder. Missing when that, or writing there, is not possible.

        The supervisor removes what is half made when we die.
        """
        self.root = root
        self._supervisor = supervisor
        try:
            if not self.root.is_dir():
                self.root.mkdir(parents=True, exist_ok=True)
                self.root.chmod(0o755)  # whatever the umask says: for the user nobody
        except OSError as error:
            raise Missing(
                f"the cache {root} cannot be made ({error.strerror}); set WINDTUNNEL_CACHE to a folder you may write to"
            ) from None
        if os.getuid() == 0 and not open_to_all(root):
            raise Missing(
                f"the cache {root} cannot be entered by the user nobody, as whom PostgreSQL runs when you are root; "
                "set WINDTUNNEL_CACHE to a folder that everybody may enter"
            )

    def entry(self, name: str, make: Callable[[Path], None], timeout_s: float = 900) -> Path:
        """The directory of an entry; made by ``make(directory)`` when it is not there or not whole.

        Raises what ``make`` raises, Missing when the disk is full or the folder cannot be written to, NotReady when
        another start holds the entry for ``timeout_s``.
        """
        place = self.root / name
        if whole(place):
            return place
        try:
            with self._locked(name, timeout_s):
                if not whole(place):  # another start may just have made it
                    self._make(place, make)
        except OSError as error:
            raise Missing(
                f"the cache entry {place} cannot be made ({error.strerror or error}); free some space, or set "
                "WINDTUNNEL_CACHE to a folder you may write to"
            ) from None
        return place

    def _make(self, place: Path, make: Callable[[Path], None]) -> None:
        new = self.root / f".{place.name}.new"  # ours alone: we hold the lock
        shutil.rmtree(new, ignore_errors=True)
        self._supervisor.remove(new)
        try:
            new.mkdir()
            new.chmod(0o755)
            make(new)
            (new / SEAL).write_text(json.dumps(contents(new)), encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            new.rename(place)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    @contextmanager
    def _locked(self, name: str, timeout_s: float) -> Iterator[None]:
        deadline = time.monotonic() + timeout_s
        with (self.root / f".{name}.lock").open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise NotReady(
                            f"another start has been making {self.root / name} for {timeout_s:g} s; is it stuck?"
                        ) from None
                    time.sleep(POLL_S)
                else:
                    break
            yield


def contents(directory: Path) -> dict[str, list[int]]:
    """Size and permissions of every file below, by its path; the seal itself is left out."""
    found: dict[str, list[int]] = {}
    for folder, _, files in os.walk(directory):
        for file in files:
            path = Path(folder) / file
            status = path.lstat()
            found[str(path.relative_to(directory))] = [status.st_size, status.st_mode]
    found.pop(SEAL, None)
    return found


def whole(directory: Path) -> bool:
    """Whether an entry is there with all the files that it was sealed with, in their sizes."""
    try:
        sealed = json.loads((directory / SEAL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(sealed == contents(directory))
