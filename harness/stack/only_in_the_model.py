"""What the model knows and no real stack does: refused before anything is started, with a sentence for each.

A service of the user's may do itself what a drawing says of it and its links; it is told all of that in its
environment. The servers that we bring along (gateway, database, cache, mock LLM, reference service) and the load
generator do what stands here and no more: drawn more, they would be measured as something that they are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic import BaseModel

from windtunnel.harness.stack.errors import StackError
from windtunnel.spec.architecture import CLIENT, LLM, Architecture, Component, Database, Queue, Service
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.problem import Problem, SpecError

REFERENCE_SERVICE = "windtunnel.reference_service."
MOCK_LLM = f"{REFERENCE_SERVICE}mock_llm"

DESCRIBES = frozenset({"kind", "processor_bound", "cpu_ms", "input_tokens"})
"""What only says how a component is, and asks for nothing."""
DONE = {
    "gateway": frozenset({"health_interval_ms"}),
    "service": frozenset({"module", "max_concurrency", "environment"}),
    "database": frozenset({"max_connections"}),
    "cache": frozenset({"ttl_s", "max_memory_mb"}),
    "llm": frozenset({"slots", "queue_limit", "first_token_ms", "token_ms", "output_tokens"}),
}
LINK_DONE = frozenset({"caller", "callee", "timeout_ms", "deadline_ms", "retries", "pool", "pool_timeout_ms"})
LINK_TOLD = frozenset({"on_timeout", "breaker", "hedge", "propagates_deadline"})
"""What a service of the user's may do; which replica is called is not its to choose."""
RETRIES_DONE = frozenset({"max", "backoff_ms"})
MOCK_DRAWS = frozenset({"constant", "lognormal", "exponential", "uniform"})


def refuse(architecture: Architecture, deployment: Deployment) -> None:
    """SpecError with everything that could not be measured; nothing has been started then."""
    drawn = [*_of_components(architecture), *_of_links(architecture), *_of_flows(architecture)]
    placed = [
        Problem(f"place.{name}.autoscale", "it", "a fixed number of replicas: the real stack is not scaled")
        for name, placement in deployment.place.items()
        if placement.autoscale is not None
    ]
    problems = [replace(problem, file=architecture.name) for problem in drawn]
    problems += [replace(problem, file=deployment.name) for problem in placed]
    if problems:
        raise SpecError(problems)


def module_of(part: Component) -> str:
    """The Python module that is run for a component. StackError for one that is no Python program."""
    if isinstance(part, LLM):
        return MOCK_LLM
    if not isinstance(part, Service) or part.module is None:
        raise StackError(f"found a {part.kind} without a module, expected a program that can be started")
    return part.module


def _of_components(architecture: Architecture) -> Iterator[Problem]:
    for name, part in architecture.components.items():
        here = f"components.{name}"
        if isinstance(part, Queue):
            yield Problem(here, "a queue, which exists in the model only", "a component that can be started")
            continue
        if isinstance(part, Service) and part.module is None:
            expected = f"the Python module to start: {name} exists in the model only"
            yield Problem(f"{here}.module", "nothing", expected)
        if isinstance(part, Service) and part.consumes is not None:
            yield Problem(f"{here}.consumes", "a worker, which exists in the model only", "a service that is called")
        if isinstance(part, Database) and part.standbys:
            yield Problem(f"{here}.standbys", f"{part.standbys}", "0: the real database is not replicated yet")
        if isinstance(part, LLM):
            for key in ("first_token_ms", "token_ms", "output_tokens"):
                kind = getattr(part, key).kind
                if kind not in MOCK_DRAWS:
                    yield Problem(
                        f"{here}.{key}.kind", repr(kind), f"what the mock draws: {', '.join(sorted(MOCK_DRAWS))}"
                    )
        if isinstance(part, Service) and part.crash is not None:
            yield Problem(f"{here}.crash", "what exists in the model only", "nothing: the real one dies as it does")
        elif _is_ours(part):
            yield from _beyond(part, DONE[part.kind] | DESCRIBES | {"consumes", "standbys"}, here)


def _of_links(architecture: Architecture) -> Iterator[Problem]:
    for index, link in enumerate(architecture.links):
        if link.timeout_ms == "never":
            expected = "a time: a caller that waits for ever exists in the model only"
            yield Problem(f"links[{index}].timeout_ms", "never", expected)
        ours = link.caller == CLIENT or _is_ours(architecture.components[link.caller])
        yield from _beyond(link, LINK_DONE if ours else LINK_DONE | LINK_TOLD, f"links[{index}]")
        if ours and link.retries is not None:
            yield from _beyond(link.retries, RETRIES_DONE, f"links[{index}].retries")


def _of_flows(architecture: Architecture) -> Iterator[Problem]:
    for name, flow in architecture.flows.items():
        if flow.request is None:
            expected = f"the request to send: {name} exists in the model only"
            yield Problem(f"flows.{name}.request", "nothing", expected)


def _is_ours(part: Component) -> bool:
    return not isinstance(part, Service) or (part.module or "").startswith(REFERENCE_SERVICE)


def _beyond(part: BaseModel, done: frozenset[str], here: str) -> Iterator[Problem]:
    """Settings that are not done and not left as they are by default."""
    for key, field in type(part).model_fields.items():
        if key not in done and getattr(part, key) != field.get_default(call_default_factory=True):
            yield Problem(f"{here}.{key}", "what exists in the model only", "nothing: the real one does not do it")
