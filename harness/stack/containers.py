"""The containers backend: the same stack as containers of a Docker engine on this machine. Satisfies ``stack.Stack``.

Official images at the versions of the embedded backend, started through testcontainers; services from the image that
``reference_service/Dockerfile`` makes. One network for a run. Ports are published on 127.0.0.1 and nowhere else, with
fixed numbers, and only the harness uses them: containers call each other through the Toxiproxy container. The
supervisor removes all of it when the command dies. Start it with ``ContainerStack(architecture, deployment)``, in a
``with``.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import docker.errors
from docker.models.containers import Container
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from windtunnel.chaos.capabilities import HttpCall, Lease, Proxy
from windtunnel.chaos.toxiproxy import NewProxy, Toxiproxy, ToxiproxyError
from windtunnel.harness.stack import connections, engine, envoy, postgres, removal, usage, valkey
from windtunnel.harness.stack.errors import LeftBehind, Missing, NotReady, NotReset, tail
from windtunnel.harness.stack.only_in_the_model import module_of
from windtunnel.harness.stack.ports import LOOPBACK, Ports
from windtunnel.harness.stack.ready import Probe, await_ready, http_ready
from windtunnel.harness.stack.reset import reset_instance, reset_toxiproxy
from windtunnel.harness.stack.stack import Instance
from windtunnel.harness.stack.supervision import Child, Supervisor
from windtunnel.harness.stack.surroundings import surroundings
from windtunnel.harness.stack.telemetry import Telemetry
from windtunnel.harness.stack.wiring import CLIENT_INSTANCE, component, wire
from windtunnel.spec.architecture import CLIENT, LLM, Architecture, Cache, Database, Gateway, Service, environment
from windtunnel.spec.deployment import Deployment

READY_TIMEOUT_S = 90.0
POLL_S = 0.05
TOXIPROXY = "toxiproxy"
CONTROL_PORT, ADMIN_PORT = 8474, 9901
PORTS = {"database": 5432, "cache": 6379, "llm": 8000, "service": 8000, "gateway": 8080}
"""What each kind listens on inside its container."""
EVERYWHERE = "0.0.0.0"
"""Inside a container: all of its interfaces, which are those of the run's network."""
ALIVE = ("created", "running", "paused", "restarting")
"""States of a container that has not ended."""
IMAGES = {"database": "postgres", "cache": "valkey", "gateway": "envoy"}
INSTANCE = "windtunnel.instance"
"""Label that names what a container is."""
POSTGRES = {
    "POSTGRES_HOST_AUTH_METHOD": "trust",
    "POSTGRES_INITDB_ARGS": " ".join(postgres.INITDB_OPTIONS),
}
BESIDE = 5
FOLLOW_TIMEOUT_S = 5.0
OF_THE_IMAGE = ("listen_addresses", "unix_socket_directories")
"""Settings of the embedded PostgreSQL that the image makes itself."""


@dataclass(frozen=True)
class Plan:
    """What one container is started from."""

    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    published: Mapping[int, int]
    """Ports of 127.0.0.1 by the ports inside."""
    ready: Probe


class ContainerStack:
    """A running architecture; it stands when the constructor returns. A context manager; see ``stack.Stack``."""

    backend = "containers"

    def __init__(
        self,
        architecture: Architecture,
        deployment: Deployment,
        *,
        seed: int = 1,
        progress: Callable[[str], None] | None = None,
        keep_logs: Path | None = None,
    ) -> None:
        """Start everything and wait until it is ready.

        ``progress`` is told, in a line each, what takes long. ``keep_logs``: a folder for the logs; without it they
        are gone with the stack. Raises StackError (Missing where there is no Docker engine); then nothing is left.
        """
        self.architecture = architecture
        self.deployment = deployment
        self._seed = seed
        self._progress = progress or (lambda line: None)  # noqa: ARG005
        self._containers: dict[str, DockerContainer] = {}
        self._pids: dict[str, int] = {}
        self._addresses: dict[str, str] = {}
        """Of the containers in the run's network."""
        self._followers: list[threading.Thread] = []
        self._beside: list[tuple[str, Child]] = []
        self._used: dict[str, float] = {}
        self._failed = threading.Event()
        self.telemetry = Telemetry()
        self._client = engine.connect()
        self._ports = Ports()
        # The supervisor removes what is left, as Ryuk would, and needs neither an image nor the engine's socket in it.
        testcontainers_config.ryuk_disabled = True
        self._supervisor = Supervisor()
        self.directory = self._supervisor.directory
        self._run = self.directory.name
        self._logs = keep_logs or self.directory / "logs"
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
            self._wiring = wire(architecture, deployment, lambda: f"{LOOPBACK}:{self._ports.take()}")
            self._control_port = self._ports.take()
            self._supervisor.at_exit([sys.executable, "-m", removal.__name__, self._run])
            self._start()
        except BaseException:
            self._close_after_failure()
            raise

    # What stands

    @property
    def toxiproxy_url(self) -> str:
        """Toxiproxy's control address."""
        return f"http://{LOOPBACK}:{self._control_port}"

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """All proxies, with ``listen`` as the harness reaches it. Callers use that port of the Toxiproxy container."""
        return tuple(
            replace(proxy, upstream=f"{alias(proxy.callee)}:{self._port_inside(proxy.callee)}")
            for proxy in self._wiring.proxies
        )

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
        """Run a command on this machine that dies with the stack; its environment is a minimal one and these."""
        child = self._supervisor.start(
            name, argv, environment={**surroundings(self.directory), **environment}, log=log, wave=BESIDE
        )
        self._beside.append((name, child))
        return child

    # What it did

    def strays(self) -> tuple[str, ...]:
        """Established outgoing connections that lead elsewhere than to the instance's own proxies or the telemetry."""
        owners = {f"{self._addresses[name]}:{self._port_inside(name)}": name for name in self._wiring.addresses}
        owners |= {self._inside(proxy): f"the proxy {proxy.name}" for proxy in self.proxies}
        owners[f"{self._addresses[TOXIPROXY]}:{CONTROL_PORT}"] = "Toxiproxy's control"
        found = []
        for name in self._wiring.addresses:
            allowed = {self._inside(proxy) for proxy in self.proxies if proxy.caller == name} | {self.telemetry.address}
            for remote in connections.outgoing_of_namespace(self._pids[name]):
                if remote not in allowed:
                    found.append(f"{name} talks to {remote} ({owners.get(remote, 'nobody in the drawing')}) directly")
        return tuple(dict.fromkeys(found))

    def dead(self) -> tuple[str, ...]:
        """Containers that should run and do not, in words, with the end of their log."""
        if not self._supervisor.alive:
            return ("the supervisor was killed, and everything with it",)
        states = {
            found.attrs["Labels"][INSTANCE]: found.attrs["State"]
            for found in self._client.containers.list(
                all=True, sparse=True, filters={"label": f"{removal.LABEL}={self._run}"}
            )
        }
        return tuple(
            f"{name} is {states.get(name, 'gone')}; its log ends\n{tail(self._log(name))}"
            for name in self._containers
            if states.get(name) not in ALIVE
        )

    def cpu_seconds(self) -> Mapping[str, float]:
        """Processor seconds since the start, by component, ``toxiproxy``, and what ``start`` was given."""
        beside = {str(child.pid): child for _, child in self._beside}
        used = usage.cpu_seconds(self._pids | {pid: child.pid for pid, child in beside.items() if child.code is None})
        total: dict[str, float] = {}
        for name in self._pids:
            # Of a container that ended: what was seen last.
            self._used[name] = max(self._used.get(name, 0.0), used[name])
            total[component(name) or name] = total.get(component(name) or name, 0.0) + self._used[name]
        for name, child in self._beside:
            total[name] = total.get(name, 0.0) + (child.cpu_s if child.code is not None else used[str(child.pid)])
        return total

    # Between runs

    def reset(self) -> None:
        """Empty rows, cached answers, the mock's ledger and toxics. NotReset (a RuntimeError) when not proven."""
        problems = {
            name: reset_instance(self.architecture.components[component(name)], connections.port(address))
            for name, address in self._wiring.addresses.items()
        }
        problems[TOXIPROXY] = reset_toxiproxy(self.toxiproxy_url, self.proxies)
        words = "; ".join(f"{name}: {problem}" for name, problem in problems.items() if problem)
        if words:
            raise NotReset(f"the stack could not be reset: {words}")

    # The end

    def close(self) -> None:
        """End everything. Twice is once. LeftBehind names what could not be removed."""
        try:
            self._supervisor.close()  # which removes the containers
        finally:
            for thread in self._followers:
                thread.join(FOLLOW_TIMEOUT_S)
            for container in self._containers.values():
                container.get_docker_client().client.close()
            self._client.close()
            self.telemetry.close()
            self._ports.close()

    def __enter__(self) -> ContainerStack:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _close_after_failure(self) -> None:
        try:
            self.close()
        except LeftBehind as error:
            self._progress(str(error))

    # The start

    def _start(self) -> None:
        """Toxiproxy first; then whoever calls nobody; then whoever calls only those that stand, and so on."""
        images = self._images()
        gateway_address = self._make_network()
        self.telemetry.host = gateway_address
        try:
            self.telemetry.open()
        except OSError as error:
            raise Missing(
                f"cannot listen on {gateway_address}, where the containers see this machine ({error.strerror}): "
                "the Docker engine must run on this machine itself, not in a virtual machine and not rootless"
            ) from None
        self._start_container(TOXIPROXY, self._toxiproxy(images[TOXIPROXY]))
        self._make_proxies()
        with ThreadPoolExecutor(max_workers=16, thread_name_prefix="start") as pool:
            try:
                self._start_in_turn(pool, images)
            except BaseException:
                self._failed.set()  # the others stop waiting: leaving the pool waits for them
                raise

    def _start_in_turn(self, pool: ThreadPoolExecutor, images: Mapping[str, str]) -> None:
        left = list(self._wiring.addresses)
        while left:
            waiting = {component(name) for name in left}
            free = [name for name in left if not waiting.intersection(self.architecture.callees(component(name)))]
            now = free or left  # who call each other in a circle start together
            starts = [pool.submit(self._start_container, n, self._plan(n, images[component(n)])) for n in now]
            done, _ = wait(starts, return_when=FIRST_EXCEPTION)
            for start in done:
                start.result()
            left = [name for name in left if name not in now]

    def _images(self) -> dict[str, str]:
        """The image of each component, all on the engine."""
        images = {TOXIPROXY: engine.pull(self._client, "toxiproxy", self._progress)}
        for name, part in self.architecture.components.items():
            if isinstance(part, Service | LLM):
                module = module_of(part)
                images[name] = engine.service_image(self._client, name, module, self._progress)
            else:
                images[name] = engine.pull(self._client, IMAGES[part.kind], self._progress)
        return images

    def _make_network(self) -> str:
        """The run's network; the address by which containers reach this machine."""
        network = Network(docker_network_kw={"labels": {removal.LABEL: self._run}})
        network.name = self._run
        try:
            network.create()
        except docker.errors.APIError as error:
            raise NotReady(f"the network {self._run} could not be made: {error.explanation or error}") from None
        finally:
            network._docker.client.close()
        self._network = network
        (pool,) = self._client.networks.get(self._run).attrs["IPAM"]["Config"]
        return str(pool["Gateway"])

    def _start_container(self, name: str, plan: Plan) -> None:
        """Start one and wait until it is ready."""
        container = (
            DockerContainer(plan.image)
            .with_name(f"{self._run}-{name}")
            .with_network(self._network)
            .with_network_aliases(alias(name))
            .with_command(list(plan.command))
            .with_envs(**plan.environment)
            .with_kwargs(
                labels={removal.LABEL: self._run, INSTANCE: name},
                healthcheck={"test": ["NONE"]},  # we look ourselves, and a probe inside would cost processor time
            )
        )
        # testcontainers knows no host address in its types, but hands these to docker-py, which does.
        cast("dict[str, Any]", container.ports).update(
            {f"{inside}/tcp": (LOOPBACK, outside) for inside, outside in plan.published.items()}
        )
        self._containers[name] = container
        try:
            container.start()
        except docker.errors.APIError as error:
            raise NotReady(f"{name} could not be started: {error.explanation or error}") from None
        started = container.get_wrapped_container()
        follower = threading.Thread(target=follow, args=(started, self._log(name)), name=f"log of {name}", daemon=True)
        follower.start()
        self._followers.append(follower)
        started.reload()
        self._pids[name] = started.attrs["State"]["Pid"]
        self._addresses[name] = started.attrs["NetworkSettings"]["Networks"][self._run]["IPAddress"]
        await_ready(
            name, plan.ready, lambda: ended(started), self._log(name), self._failed, READY_TIMEOUT_S, poll_s=POLL_S
        )

    def _make_proxies(self) -> None:
        """Tell Toxiproxy its proxies. It looks an instance up at each connection: that may start later, or again."""
        new = [
            NewProxy(proxy.name, f"{EVERYWHERE}:{connections.port(proxy.listen)}", proxy.upstream)
            for proxy in self.proxies
        ]
        try:
            with Toxiproxy(self.toxiproxy_url) as toxiproxy:
                toxiproxy.populate(new)
        except ToxiproxyError as error:
            raise NotReady(f"Toxiproxy could not make the proxies: {error}") from None

    def _toxiproxy(self, image: str) -> Plan:
        listening = [connections.port(proxy.listen) for proxy in self._wiring.proxies]
        return Plan(
            image,
            ["-host", EVERYWHERE, "-seed", str(self._seed)],
            {},
            {port: port for port in listening} | {CONTROL_PORT: self._control_port},
            lambda: http_ready(self._control_port, "/version"),
        )

    def _plan(self, name: str, image: str) -> Plan:
        part = self.architecture.components[component(name)]
        outside = connections.port(self._wiring.addresses[name])
        published = {PORTS[part.kind]: outside}
        if isinstance(part, Database):
            settings = {key: value for key, value in postgres.SETTINGS.items() if key not in OF_THE_IMAGE}
            settings["max_connections"] = str(part.max_connections)
            return Plan(
                image, ["postgres", *postgres.arguments(settings)], POSTGRES, published, lambda: prepared(outside)
            )
        if isinstance(part, Cache):
            return Plan(
                image,
                ["valkey-server", *valkey.options(part.max_memory_mb)],
                {},
                published,
                lambda: valkey.ready(outside),
            )
        if isinstance(part, Gateway):
            return self._gateway(name, part, image, published)
        module = module_of(part)
        return Plan(image, ["python", "-m", module], self._environment(name), published, lambda: http_ready(outside))

    def _gateway(self, name: str, part: Gateway, image: str, published: dict[int, int]) -> Plan:
        (callee,) = self.architecture.callees(component(name))
        link = self.architecture.link(component(name), callee)
        settings = envoy.GatewaySettings(
            component=component(name),
            instance=name,
            address=f"{EVERYWHERE}:{PORTS[part.kind]}",
            admin=f"{EVERYWHERE}:{ADMIN_PORT}",
            callee=callee,
            replicas=[self._inside(proxy) for proxy in self.proxies if proxy.caller == name],
            timeout_ms=link.limit_ms,
            health_interval_ms=part.health_interval_ms,
            pool=link.pool,
            telemetry=self.telemetry.address,
        )
        admin = self._ports.take()
        written = json.dumps(envoy.configuration(settings))
        return Plan(
            image,
            ["envoy", "--config-yaml", written, *envoy.OPTIONS],
            {},
            published | {ADMIN_PORT: admin},
            lambda: envoy.ready(replace(settings, admin=f"{LOOPBACK}:{admin}")),
        )

    def _environment(self, name: str) -> dict[str, str]:
        own = component(name)
        routes = {
            callee: f"{self._addresses[TOXIPROXY]}:{connections.port(self._wiring.route(name, callee))}"
            for callee in self.architecture.callees(own)
        }
        part = self.architecture.components[own]
        return environment(self.architecture, own, routes) | {
            "HOST": EVERYWHERE,
            "PORT": str(PORTS[part.kind]),
            "COMPONENT": own,
            "REPLICA": name,
            "SEED": str(self._seed),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.telemetry.endpoint,
        }

    def _inside(self, proxy: Proxy) -> str:
        """host:port of a proxy as its caller reaches it."""
        return f"{self._addresses[TOXIPROXY]}:{connections.port(proxy.listen)}"

    def _port_inside(self, name: str) -> int:
        return PORTS[self.architecture.components[component(name)].kind]

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def alias(name: str) -> str:
    """The name of an instance in the run's network: ``db-0``. With a dot, some readers of URLs see an address."""
    return name.replace(".", "-")


def ended(container: Container) -> str | None:
    """How a container ended, in words; None while it runs."""
    container.reload()
    state = container.attrs["State"]
    return None if state["Status"] in ALIVE else f"{state['Status']}, exit code {state['ExitCode']}"


def follow(container: Container, log: Path) -> None:
    """Write what a container says to a file, until it is gone."""
    with log.open("ab", buffering=0) as file, contextlib.suppress(docker.errors.APIError):
        for said in container.logs(stream=True, follow=True):
            file.write(said)


def prepared(port: int) -> str | None:
    """Give the server what the embedded one has: the role, its database, pgvector. None when it is all there."""
    import psycopg

    if postgres.ready(port) is None:
        return None
    admin = f"postgresql://postgres@{LOOPBACK}:{port}"
    try:
        # The database comes last: when it is there, everything is.
        with psycopg.connect(f"{admin}/template1", connect_timeout=2, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        with psycopg.connect(f"{admin}/postgres", connect_timeout=2, autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS windtunnel")
            connection.execute("CREATE ROLE windtunnel LOGIN")
            connection.execute("CREATE DATABASE windtunnel OWNER windtunnel")
    except psycopg.Error as error:
        return f"preparing the database: {error}"
    return postgres.ready(port)
