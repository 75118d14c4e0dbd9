"""Signing keys in the database: next, current, retired. Used to sign tokens and to publish the JWKS.

Next is published while current signs, so that verifiers know it before the first token is signed with it. At a
rotation next becomes current, and current retires: it stays published until the last token that it can have
signed has expired. Replicas read the state at each use, so that a rotation reaches all of them at once.

Private keys are encrypted with AES-256-GCM under the service's secret and bound to their id: who reads the table
cannot sign, and who writes to it cannot pass one key off as another.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from psycopg.types.json import Jsonb

from windtunnel.reference_service.auth.database import Database, rows_of
from windtunnel.reference_service.auth.settings import TokenSettings
from windtunnel.reference_service.connections import Connection

PrivateKey = Ed25519PrivateKey | RSAPrivateKey

_NONCE_BYTES = 12
_ROTATION_LOCK = 0x6B_65_79_73  # any number that all replicas share
# Between reading the current key and signing with it lie at most two operations of the database.
_SIGNING_TAKES_S = 60

_CURRENT = "SELECT kid, private_wrapped FROM auth.signing_keys WHERE algorithm = %s AND state = 'current'"
_PUBLISHED = """
SELECT public_jwk FROM auth.signing_keys WHERE state <> 'retired' OR published_until > clock_timestamp() ORDER BY kid
"""
_RETIRE = """
UPDATE auth.signing_keys
SET state = 'retired', published_until = clock_timestamp() + make_interval(secs => %(published_s)s)
WHERE state = 'current' AND algorithm = %(algorithm)s
"""
_PROMOTE = """
UPDATE auth.signing_keys SET state = 'current', current_since = clock_timestamp()
WHERE state = 'next' AND algorithm = %(algorithm)s
"""
# Keys of the algorithm that was set before end like all others: when they are old.
_RETIRE_OTHERS = """
UPDATE auth.signing_keys
SET state = 'retired', published_until = clock_timestamp() + make_interval(secs => %(published_s)s)
WHERE state <> 'retired' AND algorithm <> %(algorithm)s
    AND coalesce(current_since, '-infinity') < clock_timestamp() - make_interval(secs => %(lifetime_s)s)
"""
_INSERT = """
INSERT INTO auth.signing_keys (kid, algorithm, state, public_jwk, private_wrapped) VALUES (%s, %s, 'next', %s, %s)
"""
_STATES = """
SELECT state, state = 'current' AND current_since < clock_timestamp() - make_interval(secs => %(lifetime_s)s)
FROM auth.signing_keys WHERE algorithm = %(algorithm)s AND state <> 'retired'
"""


@dataclass(frozen=True)
class SigningKey:
    """The key that tokens are signed with now."""

    kid: str
    key: PrivateKey


class SigningKeys:
    """The keys of all replicas; each method is one look at, or one change of, the database."""

    def __init__(self, settings: TokenSettings, database: Database) -> None:
        self._settings = settings
        self._database = database

    async def current(self) -> SigningKey:
        [(kid, wrapped)] = await self._database.fetch("signing key", _CURRENT, (self._settings.algorithm,))
        return SigningKey(kid, unwrap(self._settings.key_secret, kid, wrapped))

    async def jwks(self) -> dict[str, Any]:
        """The public keys that a good token can have been signed with, and the next one (RFC 7517)."""
        return {"keys": [jwk for (jwk,) in await self._database.fetch("jwks", _PUBLISHED, ())]}

    async def rotate(self) -> None:
        """Let the next key take over now."""
        await self._database.transact("rotate", lambda connection: keep_rotating(connection, self._settings, now=True))

    async def rotate_when_due(self) -> None:
        """Let the next key take over when the current one has signed for its lifetime."""
        await self._database.transact("rotate", lambda connection: keep_rotating(connection, self._settings))


async def keep_rotating(connection: Connection, settings: TokenSettings, *, now: bool = False) -> None:
    """See that there are a current and a next key, and rotate when that is due, or `now`; one replica at a time."""
    parameters = {
        "algorithm": settings.algorithm,
        "lifetime_s": settings.key_lifetime_s,
        "published_s": settings.access_ttl_s + settings.clock_skew_s + _SIGNING_TAKES_S,
    }
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_ROTATION_LOCK,))
    states: dict[str, bool] = dict(await rows_of(connection, _STATES, parameters))
    if "next" not in states:
        await _insert_next(connection, settings)
    if now or states.get("current", True):
        await connection.execute(_RETIRE, parameters)
        await connection.execute(_PROMOTE, parameters)
        await _insert_next(connection, settings)
    await connection.execute(_RETIRE_OTHERS, parameters)


async def _insert_next(connection: Connection, settings: TokenSettings) -> None:
    kid = secrets.token_urlsafe(12)
    key: PrivateKey
    if settings.algorithm == "EdDSA":
        key = Ed25519PrivateKey.generate()
        jwk = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        key = generate_private_key(public_exponent=65_537, key_size=2048)
        jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        jwk.pop("key_ops")
    public = jwk | {"kid": kid, "alg": settings.algorithm, "use": "sig"}
    wrapped = _wrap(settings.key_secret, kid, key)
    await connection.execute(_INSERT, (kid, settings.algorithm, Jsonb(public), wrapped))


def _wrap(secret: bytes, kid: str, key: PrivateKey) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return nonce + AESGCM(secret).encrypt(nonce, plain, kid.encode())


def unwrap(secret: bytes, kid: str, wrapped: bytes) -> PrivateKey:
    """The private key; raises `cryptography.exceptions.InvalidTag` for another secret or another key's id."""
    plain = AESGCM(secret).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], kid.encode())
    key = load_der_private_key(plain, password=None)
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        raise TypeError(f"expected an Ed25519 or RSA key, found {type(key).__name__}")
    return key
