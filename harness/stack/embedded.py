"""The embedded backend: the whole stack as processes of this machine, without containers. Satisfies ``stack.Stack``.

Real PostgreSQL, Valkey and Envoy from wheels, the real Toxiproxy, services run by this Python. Everything is owned by
the supervisor. Start it with ``EmbeddedStack(architecture, deployment)``, in a ``with``.
"""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from windtunnel.chaos.capabilities import HttpCall, Lease, Proxy
from windtunnel.harness.stack import connections, envoy, postgres, usage, valkey
from windtunnel.harness.stack.cache import Cache, default_root
from windtunnel.harness.stack.errors import LeftBehind, Missing, NotReady, NotReset, tail
from windtunnel.harness.stack.only_in_the_model import module_of
from windtunnel.harness.stack.ports import LOOPBACK, Ports
from windtunnel.harness.stack.ready import Probe, await_ready, http_ready
from windtunnel.harness.stack.reset import reset_instance, reset_toxiproxy
from windtunnel.harness.stack.stack import Instance
from windtunnel.harness.stack.supervision import Child, Supervisor, in_words
from windtunnel.harness.stack.surroundings import surroundings
from windtunnel.harness.stack.telemetry import Telemetry
from windtunnel.harness.stack.toxiproxy_server import toxiproxy_server
from windtunnel.harness.stack.wiring import CLIENT_INSTANCE, component, wire
from windtunnel.spec.architecture import CLIENT, LLM, Architecture, Database, Gateway, Service, environment
from windtunnel.spec.architecture import Cache as CacheComponent
from windtunnel.spec.deployment import Deployment

PROCESSORS = ("x86_64", "aarch64")
READY_TIMEOUT_S = 60.0
TOXIPROXY = "toxiproxy"
WAVES = {TOXIPROXY: 0, "database": 1, "cache": 1, "llm": 2, "service": 2, "gateway": 3}
"""The order of the end, the highest first: nobody loses the one it calls while it still answers."""
BESIDE = 4


class EmbeddedStack:
    """A running architecture; it stands when the constructor returns. A context manager; see ``stack.Stack``."""

    backend = "embedded"

    def __init__(
        self,
        architecture: Architecture,
        deployment: Deployment,
        *,
        seed: int = 1,
        cache: Path | None = None,
        progress: Callable[[str], None] | None = None,
        keep_logs: Path | None = None,
    ) -> None:
        """Start everything and wait until it is ready.

        ``cache``: where binaries are kept between runs. ``progress`` is told, in a line each, what takes long.
        ``keep_logs``: a folder for the logs; without it they are gone with the stack. Raises StackError; then nothing
        is left running.
        """
        if platform.machine() not in PROCESSORS:
            raise Missing(f"found the processor {platform.machine()}, expected one of {', '.join(PROCESSORS)}")
        self.architecture = architecture
        self.deployment = deployment
        self.telemetry = Telemetry()
        self._seed = seed
        self._progress = progress or (lambda line: None)  # noqa: ARG005
        self._ports = Ports()
        self._children: dict[str, Child] = {}
        self._beside: list[tuple[str, Child]] = []
        self._failed = threading.Event()
        self._supervisor = Supervisor()
        self.directory = self._supervisor.directory
        self._logs = keep_logs or self.directory / "logs"
        pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="start")
        try:
            self._wiring = wire(architecture, deployment, lambda: f"{LOOPBACK}:{self._ports.take()}")
            self._toxiproxy_port = self._ports.take()
            make_folder(self._logs)
            self.telemetry.open()
            self._start(Cache(cache or default_root(), self._supervisor), pool)
        except BaseException:
            self._failed.set()
            self._supervisor.halt()
            pool.shutdown(cancel_futures=True)
            self._close_after_failure()
            raise
        pool.shutdown()

    # What stands

    @property
    def toxiproxy_url(self) -> str:
        """Toxiproxy's control address."""
        return f"http://{LOOPBACK}:{self._toxiproxy_port}"

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """All proxies."""
        return self._wiring.proxies

    @property
    def entry_url(self) -> str:
        """Where load goes, proxied."""
        (entry,) = self.architecture.callees(CLIENT)
        return f"http://{self._wiring.route(CLIENT_INSTANCE, entry)}"

    @property
    def instances(self) -> tuple[Instance, ...]:
        """All copies of all components."""
        return tuple(
            Instance(name, component(name), address, self._log(name))
            for name, address in self._wiring.addresses.items()
        )

    def lease(self, heal: Sequence[HttpCall], ttl_s: float) -> Lease:
        """Have the supervisor send ``heal`` in ``ttl_s`` seconds, or at once when this process dies."""
        return self._supervisor.lease(heal, ttl_s)

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
        """Run a command that dies with the stack; its environment is a minimal one and ``environment``."""
        child = self._supervisor.start(
            name, argv, environment={**surroundings(self.directory), **environment}, log=log, wave=BESIDE
        )
        self._beside.append((name, child))
        return child

    # What it did

    def strays(self) -> tuple[str, ...]:
        """Established outgoing connections that lead elsewhere than to the instance's own proxies or the telemetry."""
        owners = {address: name for name, address in self._wiring.addresses.items()}
        owners |= {proxy.listen: f"the proxy {proxy.name}" for proxy in self.proxies}
        owners[f"{LOOPBACK}:{self._toxiproxy_port}"] = "Toxiproxy's control"
        found = []
        outgoing = connections.outgoing_of_all(self._children[name].pid for name in self._wiring.addresses)
        for name in self._wiring.addresses:
            allowed = {proxy.listen for proxy in self.proxies if proxy.caller == name} | {self.telemetry.address}
            for remote in outgoing[self._children[name].pid]:
                if remote not in allowed:
                    found.append(f"{name} talks to {remote} ({owners.get(remote, 'nobody in the drawing')}) directly")
        return tuple(dict.fromkeys(found))

    def dead(self) -> tuple[str, ...]:
        """Processes that should run and do not, in words, with the end of their log."""
        if not self._supervisor.alive:
            return ("the supervisor was killed, and everything with it",)
        return tuple(
            f"{name} ended with {in_words(child.code)}; its log ends\n{tail(child.log)}"
            for name, child in self._children.items()
            if child.code is not None
        )

    def cpu_seconds(self) -> Mapping[str, float]:
        """Processor seconds since the start, by component, ``toxiproxy``, and what ``start`` was given."""
        children = [(component(name) or name, child) for name, child in self._children.items()] + self._beside
        roots = {str(child.pid): child.pid for _, child in children if child.code is None}
        used = usage.cpu_seconds(roots)
        total: dict[str, float] = {}
        for name, child in children:
            total[name] = total.get(name, 0.0) + (used.get(str(child.pid), 0.0) if child.code is None else child.cpu_s)
        return total

    # Between runs

    def reset(self) -> None:
        """Empty rows, cached answers, the mock's ledger and toxics. NotReset (a RuntimeError) when not proven."""
        problems = {
            name: reset_instance(self.architecture.components[component(name)], connections.port(address))
            for name, address in self._wiring.addresses.items()
        }
        problems[TOXIPROXY] = reset_toxiproxy(self.toxiproxy_url, self.proxies)
        if left := [f"{name}: {problem}" for name, problem in problems.items() if problem]:
            raise NotReset("the stack could not be reset: " + "; ".join(left))

    # The end

    def close(self) -> None:
        """End everything. Twice is once. LeftBehind names what could not be ended or removed."""
        try:
            self._supervisor.close()
        finally:
            self.telemetry.close()
            self._ports.close()

    def __enter__(self) -> EmbeddedStack:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _close_after_failure(self) -> None:
        try:
            self.close()
        except LeftBehind as error:
            self._progress(str(error))

    # The start

    def _start(self, cache: Cache, pool: ThreadPoolExecutor) -> None:
        """Storage and network first, side by side with the models; then services; then gateways."""

        def begin(*kinds: type) -> list[Future[None]]:
            return [
                pool.submit(self._start_instance, name, cache)
                for name in self._wiring.addresses
                if isinstance(self.architecture.components[component(name)], kinds)
            ]

        models = begin(LLM)
        self._all([pool.submit(self._start_toxiproxy, cache), *begin(Database, CacheComponent)])
        self._all([*begin(Service), *models])
        self._all(begin(Gateway))

    def _all(self, starts: Iterable[Future[None]]) -> None:
        done, _ = wait(starts, return_when=FIRST_EXCEPTION)
        for start in done:
            start.result()

    def _start_instance(self, name: str, cache: Cache) -> None:
        part = self.architecture.components[component(name)]
        port = connections.port(self._wiring.addresses[name])
        folder = self.directory / name
        folder.mkdir()
        folder.chmod(0o755)
        log, wave = self._log(name), WAVES[part.kind]
        probe: Probe
        if isinstance(part, Database):
            child = postgres.Postgres(cache, self._supervisor, self._progress).start(
                name, port, part.max_connections, folder, log, wave
            )
            probe = lambda: postgres.ready(port)  # noqa: E731
        elif isinstance(part, CacheComponent):
            child = valkey.start(self._supervisor, name, port, part.max_memory_mb, folder, log, wave)
            probe = lambda: valkey.ready(port)  # noqa: E731
        elif isinstance(part, Gateway):
            settings = self._gateway(name, part)
            child = envoy.start(self._supervisor, settings, folder, log, wave)
            probe = lambda: envoy.ready(settings)  # noqa: E731
        else:
            child = self._supervisor.start(
                name,
                [sys.executable, "-m", module_of(part)],
                environment=self._environment(name, folder),
                cwd=Path.cwd(),
                log=log,
                wave=wave,
            )
            probe = lambda: http_ready(port)  # noqa: E731
        self._children[name] = child
        self._await_ready(child, probe)

    def _start_toxiproxy(self, cache: Cache) -> None:
        binary = toxiproxy_server(cache, self._supervisor, self._progress)
        child = self._supervisor.start(
            TOXIPROXY,
            [str(binary), "-host", LOOPBACK, "-port", str(self._toxiproxy_port), "-seed", str(self._seed)],
            environment={"PATH": "/usr/bin:/bin"},
            cwd=self.directory,
            log=self._log(TOXIPROXY),
            wave=WAVES[TOXIPROXY],
        )
        self._children[TOXIPROXY] = child
        self._await_ready(child, lambda: http_ready(self._toxiproxy_port, "/version"))
        from windtunnel.chaos.toxiproxy import NewProxy, Toxiproxy, ToxiproxyError  # httpx costs 0.2 s

        try:
            with Toxiproxy(self.toxiproxy_url) as toxiproxy:
                toxiproxy.populate([NewProxy(proxy.name, proxy.listen, proxy.upstream) for proxy in self.proxies])
        except ToxiproxyError as error:
            raise NotReady(f"Toxiproxy could not make the proxies: {error}") from None

    def _await_ready(self, child: Child, probe: Probe) -> None:
        def ended() -> str | None:
            return None if child.code is None else in_words(child.code)

        await_ready(child.name, probe, ended, child.log, self._failed, READY_TIMEOUT_S)

    def _gateway(self, name: str, part: Gateway) -> envoy.GatewaySettings:
        (callee,) = self.architecture.callees(component(name))
        link = self.architecture.link(component(name), callee)
        return envoy.GatewaySettings(
            component=component(name),
            instance=name,
            address=self._wiring.addresses[name],
            admin=f"{LOOPBACK}:{self._ports.take()}",
            callee=callee,
            replicas=self._wiring.behind(name, callee),
            timeout_ms=link.limit_ms,
            health_interval_ms=part.health_interval_ms,
            pool=link.pool,
            telemetry=self.telemetry.address,
        )

    def _environment(self, name: str, folder: Path) -> dict[str, str]:
        own = component(name)
        routes = {callee: self._wiring.route(name, callee) for callee in self.architecture.callees(own)}
        host, _, port = self._wiring.addresses[name].rpartition(":")
        return (
            surroundings(folder)
            | environment(self.architecture, own, routes)
            | {
                "HOST": host,
                "PORT": port,
                "COMPONENT": own,
                "REPLICA": name,
                "SEED": str(self._seed),
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.telemetry.endpoint,
            }
        )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def make_folder(logs: Path) -> None:
    """Make the folder for logs. Missing when that is not possible."""
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"the folder for logs {logs} cannot be made ({error.strerror})") from None
