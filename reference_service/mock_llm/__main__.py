"""`python -m windtunnel.reference_service.mock_llm`: the mock LLM as a process, set up by its environment."""

from __future__ import annotations

import gc
import os

from windtunnel.reference_service.environment import SettingError, exit_on
from windtunnel.reference_service.mock_llm.service import MockLlm
from windtunnel.reference_service.mock_llm.settings import MockSettings
from windtunnel.reference_service.serving import Drain, Server

_COLLECT_AFTER = 1_000
"""Objects that are made between two collections of the young: few, so that each of them is short."""


def main() -> None:
    """Serve until a signal; exits with 2 when the environment is not what was expected."""
    try:
        settings = MockSettings.read(os.environ)
    except SettingError as error:
        exit_on(error)
    process = settings.process
    # Answers take seconds; a caller that waits longer than this has given up.
    drain = Drain(notice_s=process.drain_notice_s, limit_s=30)
    app = MockLlm(settings, drain)
    # Collections make tokens late: what is there now stays and is looked at no more, and the old ones seldom.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 50)
    Server(app, name=process.replica, host=process.host, port=process.port, drain=drain).run()


if __name__ == "__main__":
    main()
