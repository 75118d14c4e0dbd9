"""Carry a fault out on real wires, prove it, undo it and prove that too. Used by every measured run.

    with inject(fault, stack, clock=clock) as injected:
        ...                    # the load goes on
        injected.check()       # as often as wanted: is it still there, is it still felt?
        injected.heal()        # on time, where the end of the ``with`` comes later
    injected.injection         # for the record

FaultError          a fault did not go the way it should; ``still_there`` says whether it may still be in force
    NotInjected     it could not be put in; what had been changed by then was undone
    NotHealed       it could not be taken away; its lease runs on, so that the supervisor will try again
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from windtunnel.chaos import canary
from windtunnel.chaos.canary import CannotShow, Probe, Sight
from windtunnel.chaos.capabilities import Lease, Proxied, Proxy, on_link
from windtunnel.chaos.faults.registry import REAL
from windtunnel.chaos.toxiproxy import NotFound, Toxiproxy, ToxiproxyError
from windtunnel.spec.fault import LINK_KINDS, AnyFault
from windtunnel.spec.problem import Problem
from windtunnel.spec.run import Evidence, Injection

_log = logging.getLogger(__name__)

POLL_S = 0.05


DOABLE = f"a fault on a link, which can be done on real wires: {', '.join(LINK_KINDS)}"


class FaultError(Exception):
    """A fault did not go the way it should."""

    still_there: bool


class NotInjected(FaultError):
    """It could not be put in; the link is as it was."""

    still_there = False


class NotHealed(FaultError):
    """It could not be taken away; its lease runs on."""

    still_there = True


@dataclass(frozen=True)
class _Baseline:
    """What is needed to judge the canaries of one proxy."""

    probe: Probe
    before: Sight


def inject(
    fault: AnyFault,
    proxied: Proxied,
    *,
    clock: Callable[[], float],
    ttl_s: float = 60,
    patience_ms: float = 3000,
    heal_within_s: float = 5,
) -> Injected:
    """A fault on every proxy of its link, in force inside the ``with``.

    ``clock`` gives seconds after the run's zero. After ``ttl_s`` the supervisor ends the fault, unless
    ``renew`` puts that off. No look takes longer than about ``patience_ms``. Undoing is tried for
    ``heal_within_s``, and the link may then take as long to look as it did before. Nothing is touched yet.
    ValueError where only the model knows the fault, the link does not exist, or Toxiproxy cannot carry the settings
    out.
    """
    return Injected(fault, proxied, clock, ttl_s, patience_ms, heal_within_s)


def undoable(faults: Sequence[AnyFault]) -> list[Problem]:
    """A sentence for each of a scenario's faults that only the model knows; empty: all can be carried out."""
    return [
        Problem(f"faults[{index}].{fault.kind}", _only_imagined(fault), DOABLE)
        for index, fault in enumerate(faults)
        if fault.kind not in REAL
    ]


def _only_imagined(fault: AnyFault) -> str:
    return f"{fault.kind} {fault.target}, which only the model knows"


class Injected:
    """A fault that is in force, from entering the ``with`` until ``heal``."""

    def __init__(
        self,
        fault: AnyFault,
        proxied: Proxied,
        clock: Callable[[], float],
        ttl_s: float,
        patience_ms: float,
        heal_within_s: float,
    ) -> None:
        """See ``inject``."""
        self.fault = fault
        self.name = f"{fault.kind} {fault.target}"
        if fault.kind not in REAL:
            raise ValueError(f"found {_only_imagined(fault)}, expected {DOABLE}")
        self._side = REAL[fault.kind](fault)
        self._change = self._side.change()
        self._proxied = proxied
        self._proxies = on_link(proxied, fault.target)
        self._clock = clock
        self._ttl_s = ttl_s
        self._patience_ms = patience_ms
        self._heal_within_s = heal_within_s
        self._toxic = f"{fault.kind}-{secrets.token_hex(4)}"  # known before it is made: the lease must name it
        self._api = Toxiproxy(proxied.toxiproxy_url, timeout_s=heal_within_s + self._change.lingers_ms / 1000)
        self._baselines: dict[str, _Baseline | CannotShow] = {}
        self._lease: Lease | None = None
        self._injected_at_s = 0.0
        self._healed_at_s: float | None = None
        self._confirmed = False
        self._evidence: list[Evidence] = []

    def __enter__(self) -> Self:
        """Look, sign the lease, put the fault in, look again. NotInjected, NotHealed."""
        self._baselines = self._look_before()
        _log.info("injecting %s on %s", self.name, ", ".join(proxy.name for proxy in self._proxies))
        url = self._api.url
        self._lease = self._proxied.lease(
            [self._change.heal(url, proxy.name, self._toxic) for proxy in self._proxies], self._ttl_s
        )
        try:
            for proxy in self._proxies:
                self._change.apply(self._api, proxy.name, self._toxic)
            self._injected_at_s = self._clock()
            self.check()
        except ToxiproxyError as error:
            self._take_back()
            raise NotInjected(f"{self.name}: {error}") from error
        except BaseException:
            self._take_back()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Heal, whatever happened inside, and look whether that is felt, if anybody still asks. NotHealed."""
        try:
            self.heal()
            if kind is None:
                self.confirm()
        finally:
            self._api.close()

    def renew(self, ttl_s: float | None = None) -> None:
        """Put the end of the lease off to ``ttl_s`` (default: as at the start) from now."""
        if self._lease is not None and self._healed_at_s is None:
            self._lease.renew(self._ttl_s if ttl_s is None else ttl_s)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All looks so far."""
        return tuple(self._evidence)

    @property
    def proven(self) -> bool:
        """Every look so far confirmed it."""
        return bool(self._evidence) and all(evidence.proven for evidence in self._evidence)

    @property
    def injection(self) -> Injection:
        """For the record; whole once the healing is confirmed. RuntimeError before the fault has been healed."""
        if self._healed_at_s is None:
            raise RuntimeError(f"{self.name} has not been healed yet")
        return Injection(
            fault=self.name,
            injected_at_s=self._injected_at_s,
            healed_at_s=self._healed_at_s,
            evidence=self.evidence,
        )

    def check(self) -> Evidence:
        """Look whether it is there as asked, and felt on every proxy. RuntimeError after it has been healed."""
        if self._healed_at_s is not None:
            raise RuntimeError(f"{self.name} has been healed")
        sights = self._look()
        return self._note([self._judge(proxy, sights) for proxy in self._proxies])

    def heal(self) -> None:
        """Undo it, now; twice is once. The last look before that is at the server only, not to delay the end.

        NotHealed when the server does not confirm within ``heal_within_s``.
        """
        if self._healed_at_s is not None:
            return
        differences = [(proxy, self._difference(proxy)) for proxy in self._proxies]
        gone = [Evidence(proven=False, what=f"{proxy.name}: {wrong}") for proxy, wrong in differences if wrong]
        self._note(gone or [Evidence(proven=True, what="still as asked when it was healed")])
        self._undo()
        _log.info("healed %s", self.name)

    def confirm(self) -> None:
        """Look whether each link that answered before does so again, without the effect; once.

        It waits up to ``heal_within_s`` for that. Where several faults end together, heal all before the first is
        confirmed: a link may look ill for another's sake. RuntimeError before it has been healed.
        """
        if self._healed_at_s is None:
            raise RuntimeError(f"{self.name} has not been healed yet")
        if not self._confirmed and (after := self._look_after()):
            self._note(after)
        self._confirmed = True

    def _take_back(self) -> None:
        """After a failure: no evidence is wanted any more."""
        try:
            self._undo()
        finally:
            self._api.close()

    def _undo(self) -> None:
        """Send the heal calls and read back, until the server has it no more on any proxy; release the lease."""
        deadline = time.monotonic() + self._heal_within_s + self._change.lingers_ms / 1000
        left = {proxy.name for proxy in self._proxies}
        while True:
            wrong: ToxiproxyError | None = None
            for name in sorted(left):
                try:
                    if self._undone(name):
                        left.discard(name)
                except ToxiproxyError as error:
                    wrong = error
            if not left:
                break
            if time.monotonic() >= deadline:
                last = wrong or "the server still has it"
                raise NotHealed(f"{self.name} is still in force on {', '.join(sorted(left))}: {last}")
            time.sleep(POLL_S)
        self._healed_at_s = self._clock()
        if self._lease is not None:
            self._lease.release()

    def _undone(self, proxy: str) -> bool:
        """One try on one proxy. A proxy or toxic that is not there any more is undone."""
        try:
            self._change.undo(self._api, proxy, self._toxic)
            return self._change.undone(self._api.proxy(proxy), self._toxic)
        except NotFound:
            try:
                return self._change.undone(self._api.proxy(proxy), self._toxic)
            except NotFound:
                return True

    def _look_before(self) -> dict[str, _Baseline | CannotShow]:
        probes = {proxy.name: self._side.probe(proxy.protocol, self._patience_ms) for proxy in self._proxies}
        shown = {name: probe for name, probe in probes.items() if isinstance(probe, Probe)}
        # Twice: nobody can look again once the fault is there, and a busy moment would then pass for the baseline.
        first, second = self._canaries(shown), self._canaries(shown)
        sights = {
            name: Sight(sight.exchanges + second[name].exchanges, sight.patience_ms) for name, sight in first.items()
        }
        reasons = {name: probe for name, probe in probes.items() if isinstance(probe, CannotShow)}
        return {name: _Baseline(shown[name], sight) for name, sight in sights.items()} | reasons

    def _look(self) -> dict[str, Sight]:
        """The sights of all proxies that a canary shows the fault on."""
        probes = {name: known.probe for name, known in self._baselines.items() if isinstance(known, _Baseline)}
        return self._canaries(probes)

    def _canaries(self, probes: dict[str, Probe]) -> dict[str, Sight]:
        """All proxies of a link have one protocol, and so one probe."""
        asked = [proxy for proxy in self._proxies if proxy.name in probes]
        if not asked:
            return {}
        sights = canary.look([(proxy.listen, proxy.protocol) for proxy in asked], probes[asked[0].name])
        return {proxy.name: sight for proxy, sight in zip(asked, sights, strict=True)}

    def _difference(self, proxy: Proxy) -> str | None:
        try:
            return self._change.difference(self._api.proxy(proxy.name), self._toxic)
        except ToxiproxyError as error:
            return str(error)

    def _judge(self, proxy: Proxy, sights: dict[str, Sight]) -> Evidence:
        """One proxy's part of a look."""
        known = self._baselines[proxy.name]
        difference = self._difference(proxy)
        if difference is not None:
            seen = Evidence(proven=False, what=difference)
        elif isinstance(known, CannotShow):
            seen = Evidence(proven=False, what=known.reason)
        elif not known.before.answered:
            seen = Evidence(proven=False, what=f"already before the fault a canary was {known.before}")
        else:
            seen = self._side.effect(known.before, sights[proxy.name])
        return Evidence(proven=seen.proven, what=f"{proxy.name}: {seen.what}")

    def _look_after(self) -> list[Evidence]:
        deadline = time.monotonic() + self._heal_within_s
        while True:
            sights = self._look()
            ill = [words for name, sight in sights.items() if (words := self._still_ill(name, sight))]
            if not ill:
                healthy = "; ".join(f"{name}: {sight}" for name, sight in sights.items())
                return [Evidence(proven=True, what=f"healed: {healthy}")] if healthy else []
            if time.monotonic() >= deadline:
                # Read back as gone by ``heal``: what is ill now is the service, which the objectives judge. Calling the
                # fault unproven for it would let a service that never recovers pass for an inconclusive run.
                return [Evidence(proven=True, what=f"healed, but {words}") for words in ill]
            time.sleep(POLL_S)

    def _still_ill(self, name: str, sight: Sight) -> str | None:
        known = self._baselines[name]
        assert isinstance(known, _Baseline), "only such a proxy is looked at"
        if not known.before.answered:  # it has never been well: nothing can be said
            return None
        if sight.answered and not self._side.effect(known.before, sight).proven:
            return None
        return f"{name}: a canary was {sight}"

    def _note(self, parts: list[Evidence]) -> Evidence:
        """Several parts are one look: proven if all are."""
        evidence = Evidence(proven=all(part.proven for part in parts), what="; ".join(part.what for part in parts))
        self._evidence.append(evidence)
        _log.info("%s: %s%s", self.name, "" if evidence.proven else "not proven: ", evidence.what)
        return evidence
