"""`python -m windtunnel.reference_service.auth`: the auth service as a process, set up by its environment."""

from __future__ import annotations

import math
import os

from windtunnel.reference_service.auth.service import build_app
from windtunnel.reference_service.auth.settings import AuthSettings
from windtunnel.reference_service.environment import SettingError, exit_on
from windtunnel.reference_service.serving import Drain, Server

# The longest request: a login, with its passwords in a queue.
_OPERATIONS = 4
_HASHING_S = 5


def main() -> None:
    """Serve until a signal; exits with 2 when the environment is not what was expected."""
    try:
        settings = AuthSettings.read(os.environ)
    except SettingError as error:
        exit_on(error)
    process = settings.process
    limit_s = math.ceil(_OPERATIONS * settings.database.timeout_s + _HASHING_S)
    drain = Drain(notice_s=process.drain_notice_s, limit_s=limit_s)
    app = build_app(settings, drain)
    Server(app, name=process.replica, host=process.host, port=process.port, drain=drain).run()


if __name__ == "__main__":
    main()
