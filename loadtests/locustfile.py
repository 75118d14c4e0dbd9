"""The Locust user that carries the whole load: one user, whose task is the open-loop schedule.

Many users that wait for their answers would send less the slower the service gets; one scheduler does not wait.
Run by ``python -m windtunnel.loadtests``, which sets ``generator`` and waits for ``finished``.
"""

from __future__ import annotations

from typing import ClassVar

from gevent.event import AsyncResult
from locust import FastHttpUser, task
from locust.contrib.fasthttp import LocustUserAgent
from locust.exception import StopUser

from windtunnel.loadtests.generator import Generator

LocustUserAgent.valid_response_codes = frozenset(range(100, 600))
"""A refusal is an answer as well: its body says why, and ``outcome`` reads it."""


class OpenLoopUser(FastHttpUser):
    """One user for all requests of a plan."""

    generator: ClassVar[Generator]
    finished: ClassVar[AsyncResult[bool]]
    """Set when all is written, or holds what went wrong."""

    concurrency = 100_000  # more than ever are open: a request must not wait for another one in here
    network_timeout = connection_timeout = 24 * 3600.0  # one time-out covers the whole exchange, see exchange.py
    max_redirects = 0

    @task
    def open_loop(self) -> None:
        """Run the generator once."""
        agent = self.client.client
        agent.cookiejar = None  # requests come from many clients, who know nothing of each other
        # geventhttpclient sends a GET again when its connection closes without an answer, ``size + 1`` times.
        # Retries belong to the service under test; here they would hide failures and multiply the load.
        agent.clientpool.get_client(str(self.host))._connection_pool.size = -1
        try:
            self.generator.run(self.client)
            self.finished.set(True)
        except BaseException as error:
            self.finished.set_exception(error)
        raise StopUser
