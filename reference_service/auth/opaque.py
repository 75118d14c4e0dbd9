"""Opaque secrets: what a client is shown once, and the hash by which it is recognised. Used by all that issues them.

256 random bits need no slow hash: SHA-256 cannot be searched backwards for them. Passwords are another matter
(see passwords).
"""

from __future__ import annotations

import hashlib
import secrets

_BYTES = 32


def new_secret(prefix: str) -> str:
    """`prefix`, by which a scanner of leaked secrets knows it, and 256 random bits in base64url."""
    return f"{prefix}_{secrets.token_urlsafe(_BYTES)}"


def hash_of(secret: str) -> bytes:
    """SHA-256: 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()
