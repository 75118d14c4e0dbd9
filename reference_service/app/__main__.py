"""`python -m windtunnel.reference_service.app`: the app as a process, set up by its environment."""

from __future__ import annotations

import math
import os

from windtunnel.reference_service.app.service import build_app
from windtunnel.reference_service.app.settings import AppSettings
from windtunnel.reference_service.environment import SettingError, exit_on
from windtunnel.reference_service.serving import Drain, Server


def main() -> None:
    """Serve until a signal; exits with 2 when the environment is not what was expected."""
    try:
        settings = AppSettings.read(os.environ)
    except SettingError as error:
        exit_on(error)
    # A request may use the LLM's whole deadline and two database operations; no time-out of its own is needed.
    process = settings.process
    limit_s = math.ceil(settings.llm.deadline_s + 2 * settings.database.timeout_s)
    drain = Drain(notice_s=process.drain_notice_s, limit_s=limit_s)
    app = build_app(settings, drain)
    Server(app, name=process.replica, host=process.host, port=process.port, drain=drain).run()


if __name__ == "__main__":
    main()
