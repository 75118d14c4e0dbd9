"""Runs a scenario for real, on a stack that is up, and ends in a Run. The counterpart of ``sim.simulate``.

Time's order: the load generator starts and says when its zero is; faults are injected and healed at the
edges of their windows; meanwhile a watch looks at processors, connections, instances and the faults
themselves; afterwards promised writes are looked up and the run is asked whether it can be trusted.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from windtunnel.chaos.inject import Injected, NotInjected, inject
from windtunnel.harness import checks, host
from windtunnel.harness.catalogue import Question
from windtunnel.harness.errors import HarnessError
from windtunnel.harness.readback import read_back
from windtunnel.harness.stack.stack import Process, Stack
from windtunnel.spec.architecture import CLIENT
from windtunnel.spec.fault import AnyFault
from windtunnel.spec.load import schedule
from windtunnel.spec.load_plan import LoadPlan
from windtunnel.spec.run import SERIES, Check, Event, Injection, Observable, Run, RunRecord
from windtunnel.spec.scenario import Scenario, Window

LOOK_EVERY_S = 0.5
LEASE_S = 15.0
LAST_SAID_BYTES = 4096
GENERATOR_READY_S = 60.0


@dataclass(frozen=True)
class Progress:
    """Where a run is, for whoever watches."""

    at_s: float
    total_s: float
    window: str
    sent: int = 0
    failed: int = 0
    p50_ms: float | None = None


Watcher = Callable[[Progress], None]


def execute(question: Question, stack: Stack, *, replay: str, version: str, watch: Watcher | None = None) -> Run:
    """Run the scenario on the stack. HarnessError when there is nothing to judge afterwards.

    An unproven fault or a failed check does not raise: it stands in the Run and makes it inconclusive.
    """
    scenario, architecture = question.scenario, question.architecture
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%S}-{scenario.name}-{secrets.token_hex(2)}"
    output = stack.directory / run_id
    output.mkdir(parents=True)
    entry = architecture.callees(CLIENT)[0]
    plan = LoadPlan(
        entry_url=stack.entry_url,
        load=scenario.load,
        duration_s=scenario.windows.total_s,
        seed=scenario.seed,
        flows=architecture.flows,
        timeout_ms=architecture.link(CLIENT, entry).limit_ms,
        nonce=secrets.token_hex(8),
        output=output,
    )
    stack.telemetry.clear()
    events: list[Event] = []
    with _generator(stack, plan) as generator:
        zero = generator.zero_unix_s

        def clock() -> float:
            return time.time() - zero

        events.append(Event(at_s=0, what="zero", detail=f"{datetime.fromtimestamp(zero, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"))
        with _Watch(stack, scenario, generator, clock, watch) as observed:
            injections = _faults(scenario, stack, clock, events, observed)
            code = generator.process.wait(max(scenario.windows.total_s - clock(), 0) + plan.timeout_ms / 1000 + 20)
        if code != 0:
            raise HarnessError(f"the load generator ended with {code}: {_tail(generator.log)}")
    stack.telemetry.wait_quiet(5)
    samples = pq.read_table(output / "samples.parquet")
    nonce = bytes.fromhex(plan.nonce)
    spans = stack.telemetry.spans(
        zero,
        lambda trace: int.from_bytes(trace[8:], "big") if trace[:8] == nonce else None,
        lambda method, path: checks.flow_of(architecture, method, path),
    )
    promises = pq.read_table(output / "promises.parquet")
    how = {name: flow.acknowledges.read_back for name, flow in architecture.flows.items() if flow.acknowledges}
    flows = dict(zip(samples["request"].to_pylist(), samples["flow"].to_pylist(), strict=True))
    writes = read_back(stack.entry_url, promises, flows, how)
    judged = [share for at_s, share in observed.busy if at_s > scenario.windows.warm_up_s]
    found = [
        checks.load_delivered(schedule(scenario.load, scenario.windows.total_s, scenario.seed), samples),
        checks.host_not_saturated(judged),
        checks.no_strays(observed.strays),
        checks.all_alive([*observed.deaths, *stack.dead()]),
        checks.spans_agree(architecture, samples, spans),
    ]
    found += [Check(name="watch", ok=False, detail=trouble) for trouble in observed.troubles]
    observes: list[Observable] = ["samples", "first_token", "spans", "series"]
    if how:
        observes.append("writes")
    events.append(Event(at_s=round(clock(), 3), what="end", detail="everything looked up"))
    return Run(
        record=RunRecord(
            id=run_id,
            kind="measured",
            scenario=scenario,
            architecture=architecture,
            deployment=question.deployment,
            backend=stack.backend,
            created_at=started.isoformat(timespec="seconds"),
            version=version,
            replay=replay,
            host=host.describe(),
            observes=tuple(observes),
            events=tuple(sorted(events, key=lambda event: event.at_s)),
            injections=injections,
            checks=tuple(found),
        ),
        samples=samples,
        spans=spans,
        writes=writes,
        series=pa.Table.from_pylist(observed.series, schema=SERIES),
    )


@dataclass
class _Generator:
    process: Process
    log: Path
    zero_unix_s: float


@contextmanager
def _generator(stack: Stack, plan: LoadPlan) -> Iterator[_Generator]:
    """The load generator, ready and with its zero known; ended when the block is left."""
    file = plan.output / "plan.json"
    file.write_text(plan.model_dump_json(by_alias=True))
    log = plan.output / "generator.log"
    argv = [sys.executable, "-m", "windtunnel.loadtests", str(file)]
    process = stack.start(CLIENT, argv, {}, log)
    try:
        deadline = time.monotonic() + GENERATOR_READY_S
        pause = threading.Event()
        while True:
            ready = next((line for line in _lines(log) if line.get("ready")), None)
            if ready is not None:
                break
            try:
                code = process.wait(0)
            except TimeoutError:
                code = None
            if code is not None:
                raise HarnessError(f"the load generator ended with {code} before it was ready: {_tail(log)}")
            if time.monotonic() > deadline:
                raise HarnessError(f"the load generator was not ready after {GENERATOR_READY_S:g} s: {_tail(log)}")
            pause.wait(0.05)
        yield _Generator(process, log, float(ready["zero_unix_s"]))
    finally:
        process.kill()


def _lines(log: Path) -> list[dict[str, Any]]:
    """What the generator said last: one JSON object a line, other output left out. Reads no more than the end."""
    try:
        with log.open("rb") as said_so_far:
            said_so_far.seek(max(0, log.stat().st_size - LAST_SAID_BYTES))
            text = said_so_far.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    said = []
    for line in text.splitlines():
        if line.startswith("{") and line.endswith("}"):
            said.append(json.loads(line))
    return said


def _tail(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else "it wrote nothing"


def _faults(
    scenario: Scenario, stack: Stack, clock: Callable[[], float], events: list[Event], observed: _Watch
) -> tuple[Injection, ...]:
    """Inject each fault at the start of its window and heal it at the end; wait for the end of the load."""
    active: list[tuple[AnyFault, Injected]] = []
    done: list[Injection] = []
    with ExitStack() as healing:
        for window in scenario.windows.spans():
            observed.sleep_until(window.start_s)
            events.append(Event(at_s=round(clock(), 3), what="window", detail=window.name))
            for fault in scenario.faults:
                if fault.at == window.name:
                    try:
                        injected = healing.enter_context(inject(fault, stack, clock=clock, ttl_s=LEASE_S))
                    except (NotInjected, ValueError) as error:
                        raise HarnessError(f"there is nothing to judge, the fault was not injected: {error}") from error
                    active.append((fault, injected))
                    events.append(Event(at_s=round(clock(), 3), what="injected", detail=_words(fault)))
            _hold(window, [injected for _, injected in active], observed)
            for fault, injected in active:
                injected.heal()  # on time: whether the fault was still there is read back by the healing itself
                events.append(Event(at_s=round(clock(), 3), what="healed", detail=_words(fault)))
            for _, injected in active:
                injected.confirm()
                done.append(injected.injection)
            active.clear()
        observed.sleep_until(scenario.windows.total_s)
    return tuple(done)


def _hold(window: Window, injected: list[Injected], observed: _Watch) -> None:
    """Until the window ends: look at the faults in its middle, and keep their leases alive."""
    middle = (window.start_s + window.end_s) / 2

    def renew() -> None:
        for fault in injected:
            fault.renew(LEASE_S)

    observed.sleep_until(middle, renew)
    for fault in injected:
        fault.check()
    observed.sleep_until(window.end_s, renew)


def _words(fault: AnyFault) -> str:
    return f"{fault.kind} {fault.target}"


@dataclass
class _Watch:
    """Looks, while the run goes on: processors, connections, instances. A thread of its own."""

    stack: Stack
    scenario: Scenario
    generator: _Generator
    clock: Callable[[], float]
    watcher: Watcher | None
    series: list[dict[str, Any]] = field(default_factory=list)
    busy: list[tuple[float, float]] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> _Watch:
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def sleep_until(self, at_s: float, meanwhile: Callable[[], object] | None = None) -> None:
        """Wait for a moment of the run; HarnessError at once when the generator fails."""
        while (left := at_s - self.clock()) > 0:
            try:
                code = self.generator.process.wait(min(left, 2.0))
            except TimeoutError:
                if meanwhile is not None:
                    meanwhile()
                continue
            if code != 0:
                tail = _tail(self.generator.log)
                raise HarnessError(f"the load generator ended with {code} at {self.clock():.1f} s: {tail}")
            # it has nothing left to send and every answer: the run is over all the same only when its time is
            self._over.wait(min(left, 2.0))

    def _look(self) -> None:
        before = host.ticks()
        used = self.stack.cpu_seconds()
        last_s = self.clock()
        while not self._over.wait(LOOK_EVERY_S):
            try:
                now_s, ticks, using = self.clock(), host.ticks(), self.stack.cpu_seconds()
                elapsed_s = now_s - last_s
                if now_s > 0 and elapsed_s > 0:
                    share = host.busy_share(before, ticks)
                    if now_s <= self.scenario.windows.total_s:
                        self.busy.append((now_s, share))
                    self._note("cpu_share", "host", now_s, share * host.cores())
                    for component, seconds in using.items():
                        cores = max(seconds - used.get(component, 0.0), 0.0) / elapsed_s
                        self._note("cpu_share", component, now_s, cores)
                before, used, last_s = ticks, using, now_s
                self.strays.extend(self.stack.strays())
                self.deaths.extend(self.stack.dead())
                self._tell(now_s)
            except Exception as error:  # a watch that fails must not pass for a watch that saw nothing
                self.troubles.append(f"could not look at {self.clock():.1f} s: {type(error).__name__}: {error}")
                return

    def _note(self, name: str, component: str, at_s: float, value: float) -> None:
        self.series.append({"name": name, "component": component, "at_s": at_s, "value": value})

    def _tell(self, now_s: float) -> None:
        if self.watcher is None:
            return
        spans = self.scenario.windows.spans()
        window = next((w.name for w in spans if w.start_s <= now_s < w.end_s), "end" if now_s > 0 else "start")
        said: dict[str, Any] = next((line for line in reversed(_lines(self.generator.log)) if "sent" in line), {})
        self.watcher(
            Progress(
                at_s=max(now_s, 0),
                total_s=self.scenario.windows.total_s,
                window=window,
                sent=int(said.get("sent", 0)),
                failed=int(said.get("failed", 0)),
                p50_ms=said.get("p50_ms"),
            )
        )
