"""The container images that a stack is made of: official names, pinned; the service's own is built here.

Used by the containers backend, and by continuous integration, which builds stand-ins under these names where none
can be pulled. Each name can be replaced by an environment variable: ``WINDTUNNEL_IMAGE_POSTGRES=...``.
"""

from __future__ import annotations

import os

PINNED = {
    "postgres": "pgvector/pgvector:0.8.6-pg18",
    "valkey": "valkey/valkey:9.1.2",
    "envoy": "envoyproxy/envoy:v1.40.0",
    "toxiproxy": "ghcr.io/shopify/toxiproxy:2.12.0",
    "python": "python:3.13-slim",
}
"""By what they are for. The first four have the versions of the embedded backend; python is what the service is
built on."""


def image(what: str) -> str:
    """The name to use for one of ``PINNED``. KeyError for another word."""
    return os.environ.get(f"WINDTUNNEL_IMAGE_{what.upper()}") or PINNED[what]
