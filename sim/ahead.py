"""Compiles the fast engine before its first use: ``python -m windtunnel.sim.ahead``. Nothing where it is compiled.

Used before tests run in parallel, where each process would compile for itself.
"""

from __future__ import annotations

import time

from windtunnel.sim.compiled import Compiled
from windtunnel.sim.compiled.jit import COMPILED
from windtunnel.sim.compiler import compile_model
from windtunnel.spec.architecture import Architecture
from windtunnel.spec.deployment import Deployment
from windtunnel.spec.scenario import Scenario

ARCHITECTURE = {
    "name": "smallest",
    "components": {"app": {"kind": "service"}},
    "links": [{"from": "client", "to": "app", "timeout_ms": 1000}],
    "flows": {"ask": {"steps": [{"call": "app", "service_ms": 1}]}},
}
SCENARIO = {
    "name": "smallest",
    "question": "Does it run?",
    "architecture": "smallest",
    "load": {"arrivals": "constant", "rate_per_s": 1, "flows": {"ask": 1}},
    "windows": {"warm_up_s": 0, "during_s": 1},
    "objectives": {"during": {"error_ratio": {"max": 0}}},
}


def main() -> None:
    """Run the smallest service there is, which compiles everything; say how long it took."""
    model = compile_model(
        Scenario.model_validate(SCENARIO),
        Architecture.model_validate(ARCHITECTURE),
        Deployment.model_validate({"name": "one", "hosts": {"one": {"cores": 1}}}),
        None,
    )
    began = time.perf_counter()
    Compiled(model, windows=((0.0, 1.0),)).run()
    seconds = time.perf_counter() - began
    print(f"the compiled engine is ready: {seconds:.1f} s" if COMPILED else "plain Python: nothing to compile")


if __name__ == "__main__":
    main()
