"""The admin API: the books, a fresh start, and what the mock does, changed while requests run.

    GET    /admin/ledger
    POST   /admin/reset
    GET    /admin/faults              the rules in force, and how many requests each has struck
    PUT    /admin/faults              other rules: a list
    POST   /admin/faults              one more rule; answers its name
    DELETE /admin/faults              no rules
    DELETE /admin/faults/NAME         without this one; whether it was there or not
    GET, PUT /admin/answers           scripted answers: a list
    GET, PUT /admin/obedience         the rates at which injected instructions are obeyed

What is malformed is answered with 400 and a sentence. Everything of it is as it was at the start after a reset.
"""

from __future__ import annotations

from typing import Any

from windtunnel.reference_service.environment import SettingError
from windtunnel.reference_service.mock_llm.faults import RULE, RULES
from windtunnel.reference_service.mock_llm.frozen import Frozen, understood
from windtunnel.reference_service.mock_llm.provider import Provider
from windtunnel.reference_service.mock_llm.scripts import SCRIPTS, Scripts
from windtunnel.reference_service.mock_llm.settings import OBEDIENCE

PREFIX = "/admin/"


def administer(provider: Provider, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]] | None:
    """Status and content of the answer; None: there is no such thing."""
    try:
        match method, path.removeprefix(PREFIX).split("/"):
            case "GET", ["ledger"]:
                return 200, provider.books()
            case "POST", ["reset"]:
                provider.reset()
                return 200, provider.books()
            case "GET", ["faults"]:
                return 200, _faults(provider)
            case "PUT", ["faults"]:
                rules = understood(RULES, body)
                provider.faults.replace(rules)
                return 200, _faults(provider)
            case "POST", ["faults"]:
                return 201, {"name": provider.faults.add(understood(RULE, body))}
            case "DELETE", ["faults"]:
                provider.faults.replace(())
                return 200, _faults(provider)
            case "DELETE", ["faults", *name]:
                return 200, {"removed": provider.faults.remove("/".join(name))}
            case "GET", ["answers"]:
                return 200, {"answers": [_told(script) for script in provider.scripts.scripts]}
            case "PUT", ["answers"]:
                scripts = understood(SCRIPTS, body)
                provider.scripts = Scripts(scripts)
                return 200, {"answers": [_told(script) for script in provider.scripts.scripts]}
            case "GET", ["obedience"]:
                return 200, _told(provider.obedience)
            case "PUT", ["obedience"]:
                provider.obedience = understood(OBEDIENCE, body)
                return 200, _told(provider.obedience)
            case _:
                return None
    except SettingError as error:
        return 400, {"error": str(error)}


def _faults(provider: Provider) -> dict[str, Any]:
    struck = provider.faults.struck
    return {"faults": [{**_told(rule), "struck": struck[rule.name]} for rule in provider.faults.rules]}


def _told(one: Frozen) -> dict[str, Any]:
    return one.model_dump(mode="json", exclude_none=True)
