"""Architectures for the tests of the stack: the reference ones, and small ones around a service of a test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.reading import read

REFERENCE = Path(__file__).parents[3] / "reference_service" / "architectures"
LAPTOP = Deployment.model_validate({"name": "laptop", "hosts": {"laptop": {"cores": 2}}})


def reference(name: str) -> tuple[Architecture, Deployment]:
    """``mvp`` or ``scale``, on a laptop."""
    return read(REFERENCE / f"{name}.yaml", Architecture), read(REFERENCE / f"{name}.laptop.yaml", Deployment)


def own_service(module: str, **more: Any) -> Architecture:
    """A client and one service, with whatever else is drawn."""
    components = {"app": {"kind": "service", "module": module}, **more.pop("components", {})}
    links = [{"from": "client", "to": "app", "timeout_ms": 2000}, *more.pop("links", [])]
    flows = {"look": {"request": {"path": "/"}, "steps": [{"call": "app"}]}}
    return Architecture.model_validate({"name": "own", "components": components, "links": links, "flows": flows})
