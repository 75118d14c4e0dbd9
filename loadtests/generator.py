"""An open loop: every request starts when it is due, whatever became of the earlier ones; driven by the locustfile.

GeneratorError      the run could not begin
    PrimingFailed   a value that requests need could not be had from the service
    TooLate         the run's zero had passed before the generator was ready
"""

from __future__ import annotations

import gc
import itertools
import json
import statistics
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from urllib.parse import urlsplit

import gevent
import gevent.pool
import gevent.socket
import numpy as np
from locust.contrib.fasthttp import FastHttpSession
from pydantic import JsonValue

from windtunnel.loadtests.clock import RunClock
from windtunnel.loadtests.draws import draw, draw_bytes
from windtunnel.loadtests.exchange import Question, exchange
from windtunnel.loadtests.memory import PRIMING, Memory
from windtunnel.loadtests.record import GeneratorReport, Promise, Sample, write
from windtunnel.loadtests.template import fill_body, fill_path
from windtunnel.spec.architecture import Flow
from windtunnel.spec.load import question, schedule
from windtunnel.spec.load_plan import PROMPT, LoadPlan, placeholders, remembered_names

PROGRESS_EVERY_S = 1.0
GRACE_S = 1.0
"""Beyond the time-out, for greenlets whose time-out fired late because the processor was busy."""


class GeneratorError(Exception):
    """The run could not begin; the message is a sentence."""


class PrimingFailed(GeneratorError):
    """A value that requests need could not be had from the service."""


class TooLate(GeneratorError):
    """The run's zero had passed before the generator was ready."""


class Generator:
    """One run of a plan. ``run`` blocks its greenlet until all is written; ``stop`` ends it early."""

    def __init__(self, plan: LoadPlan) -> None:
        """Draw the whole schedule now, so that nothing is computed while requests are due."""
        self._plan = plan
        self._schedule = schedule(plan.load, plan.duration_s, plan.seed)
        self._memory = Memory()
        self._samples: list[Sample] = []
        self._promises: list[Promise] = []
        self._sent = 0
        self._failed = 0
        self._interrupted = False
        self._pace: gevent.Greenlet | None = None
        self._requests = gevent.pool.Group()
        self._fields = {name: _fields(flow) for name, flow in plan.flows.items()}

    def run(self, client: FastHttpSession) -> None:
        """Prime, say that all is ready, keep the schedule, wait for the answers, write. Raises GeneratorError."""
        self._prime(client)
        # a first look-up loads the resolver, 10 ms that the first request need not pay; a name that is unknown
        # is the requests' error, not ours
        entry = urlsplit(self._plan.entry_url)
        with suppress(OSError):
            gevent.socket.getaddrinfo(entry.hostname, entry.port)
        gc.collect()
        gc.freeze()  # what lives so long need not be looked at again while requests are due
        clock = RunClock.with_zero(self._plan.zero_unix_s)
        if self._plan.zero_unix_s is not None and clock.now_s() > 0:
            raise TooLate(f"The run's zero was {clock.now_s():.1f} s ago when the generator was ready: set it later.")
        cpu_before_s = time.process_time()
        announce(ready=True, zero_unix_s=clock.zero_unix_s)
        reporting = gevent.spawn(self._report_progress, clock)
        self._pace = gevent.spawn(self._keep_schedule, client, clock)
        if self._interrupted:
            self._pace.kill()
        self._pace.get()
        self._requests.join(timeout=self._plan.timeout_ms / 1000 + GRACE_S)
        self._requests.kill()
        reporting.kill()
        self._announce_progress(clock, 0)
        write(self._plan.output, self._samples, self._promises, self._report(clock, time.process_time() - cpu_before_s))

    def stop(self) -> None:
        """Start no more requests, give up those under way, write what there is."""
        self._interrupted = True
        if self._pace is not None:
            self._pace.kill(block=False)
        self._requests.kill(block=False)

    def _keep_schedule(self, client: FastHttpSession, clock: RunClock) -> None:
        """Spawn each request at its absolute time: a late one does not delay the next."""
        for number, at_s in enumerate(self._schedule.at_s.tolist()):
            # also when it is late: the requests that were spawned need the processor too
            gevent.sleep(max(0.0, at_s - clock.now_s()))
            self._requests.spawn(self._ask, client, number, at_s, clock)

    def _ask(self, client: FastHttpSession, number: int, intended_s: float, clock: RunClock) -> None:
        flow_name = self._schedule.flows[self._schedule.flow[number]]
        flow = self._plan.flows[flow_name]
        values = self._values(flow, number, int(self._schedule.prompt[number]))
        asked = self._question(flow_name, number, intended_s, values, {"traceparent": self._traceparent(number)})
        self._sent += 1
        sample, answered = exchange(client, asked, self._plan.timeout_ms, clock)
        self._samples.append(sample)
        if sample.outcome != "ok":
            self._failed += 1
            return
        self._remember(flow, number, answered)
        if flow.acknowledges is not None:
            path = fill_path(flow.acknowledges.read_back.path, values | answered)
            self._promises += [Promise(number, str(answered[name]), path) for name in flow.acknowledges.written]

    def _values(self, flow: Flow, number: int, prompt: int) -> dict[str, JsonValue]:
        """What the flow's placeholders stand for in this request."""
        values: dict[str, JsonValue] = {PROMPT: question(prompt, self._plan.seed)}
        for name in remembered_names(flow):
            values[name] = self._memory.recall(name, number, draw(self._plan.seed, number, "remembered"))
        return values

    def _question(
        self,
        flow_name: str,
        number: int,
        intended_s: float,
        values: Mapping[str, JsonValue],
        headers: Mapping[str, str],
    ) -> Question:
        request = self._plan.flows[flow_name].sent
        accept = "text/event-stream" if request.response == "sse" else "application/json"
        return Question(
            number=number,
            flow=flow_name,
            intended_s=intended_s,
            request=request,
            path=fill_path(request.path, values),
            body=fill_body(request.body, values),
            # unpacking would cost the generator time, and hold back a stream's first token
            headers={"Accept": accept, "Accept-Encoding": "identity", **headers},
            fields=self._fields[flow_name],
        )

    def _traceparent(self, number: int) -> str:
        """W3C trace context: the harness finds a request's spans by the number in its trace id."""
        parent = draw_bytes(self._plan.seed, number, "span")
        return f"00-{self._plan.nonce}{number:016x}-{parent.hex()}-01"

    def _remember(self, flow: Flow, number: int, answered: Mapping[str, JsonValue]) -> None:
        for name in flow.sent.remembers:
            self._memory.remember(number, name, answered[name])

    def _prime(self, client: FastHttpSession) -> None:
        """Have a value for every name that the load needs, by requests that no sample and no trace shows."""
        flows = self._plan.flows
        while missing := frozenset[str]().union(*(self._unknown(flows[name]) for name in self._plan.load.flows)):
            askable = [
                name
                for name, flow in flows.items()
                if not self._unknown(flow) and not all(map(self._memory.knows, flow.sent.remembers))
            ]
            if not askable:
                raise PrimingFailed(f"No flow can be asked for a first {', '.join(sorted(missing))}.")
            flow_name = min(askable, key=lambda name: missing.isdisjoint(flows[name].sent.remembers))
            # question -1 is in no schedule: the answer to it is in no cache that the run may hit
            values = self._values(flows[flow_name], PRIMING, prompt=-1)
            asked = self._question(flow_name, PRIMING, 0.0, values, {})
            sample, answered = exchange(client, asked, self._plan.timeout_ms, RunClock.with_zero(None))
            if sample.outcome != "ok":
                raise PrimingFailed(
                    f"The load needs a first {', '.join(sorted(missing))}, but a request of flow {flow_name}"
                    f" to {self._plan.entry_url} failed: {sample.error}."
                )
            self._remember(flows[flow_name], PRIMING, answered)

    def _unknown(self, flow: Flow) -> frozenset[str]:
        """What a request of this flow needs and no answer has said yet."""
        return frozenset(name for name in remembered_names(flow) if not self._memory.knows(name))

    def _report_progress(self, clock: RunClock) -> None:
        """A line per second for whoever watches the run."""
        for line in itertools.count(1):
            seen = len(self._samples)
            gevent.sleep(max(0.0, line * PROGRESS_EVERY_S - clock.now_s()))
            self._announce_progress(clock, seen)

    def _announce_progress(self, clock: RunClock, seen: int) -> None:
        """Where the run stands, and the median latency of the answers after the first ``seen``."""
        latencies_ms = [sample.latency_ms for sample in self._samples[seen:]]
        announce(
            at_s=round(clock.now_s(), 3),
            sent=self._sent,
            done=len(self._samples),
            failed=self._failed,
            in_flight=len(self._requests),
            p50_ms=round(statistics.median(latencies_ms), 3) if latencies_ms else None,
        )

    def _report(self, clock: RunClock, cpu_seconds: float) -> GeneratorReport:
        lags_ms = np.array([(sample.sent_s - sample.intended_s) * 1000 for sample in self._samples])
        p50, p99, largest = np.quantile(lags_ms, (0.5, 0.99, 1)).tolist() if len(lags_ms) else (None, None, None)
        return GeneratorReport(
            planned=len(self._schedule),
            sent=self._sent,
            completed=len(self._samples),
            interrupted=self._interrupted,
            lag_ms_p50=p50,
            lag_ms_p99=p99,
            lag_ms_max=largest,
            cpu_seconds=cpu_seconds,
            zero_unix_s=clock.zero_unix_s,
            version=version("windtunnel"),
        )


def announce(**values: JsonValue) -> None:
    """One JSON line on standard output; the harness reads them as they come."""
    print(json.dumps(values), flush=True)


def _fields(flow: Flow) -> frozenset[str]:
    """What a successful answer of this flow must say: what is remembered, promised, and needed to look that up."""
    needed = frozenset(flow.sent.remembers)
    if flow.acknowledges is not None:
        asked = placeholders(flow.sent.path) | placeholders(flow.sent.body) | {PROMPT}
        needed |= frozenset(flow.acknowledges.written) | (placeholders(flow.acknowledges.read_back.path) - asked)
    return needed
