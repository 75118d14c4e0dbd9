"""API keys: made once, shown once, kept as a hash. Used by administration and by the authorisation call."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from windtunnel.reference_service.auth.database import Database
from windtunnel.reference_service.auth.opaque import hash_of, new_secret

KEY_PREFIX = "wtk"
_SHOWN = len(KEY_PREFIX) + 7  # enough to tell keys apart, and nothing of what makes them hard to guess
_INSERT = "INSERT INTO auth.api_keys (key_id, secret_hash, prefix, tenant, scopes) VALUES (%s, %s, %s, %s, %s)"
_FIND = "SELECT key_id, tenant, scopes FROM auth.api_keys WHERE secret_hash = %s AND NOT revoked"
_REVOKE = "UPDATE auth.api_keys SET revoked = true WHERE key_id = %s RETURNING key_id"


@dataclass(frozen=True)
class ApiKey:
    """A key that is good; its secret is known to its owner alone."""

    key_id: UUID
    tenant: str
    scopes: frozenset[str]


class ApiKeys:
    """The keys of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, tenant: str, scopes: tuple[str, ...]) -> tuple[UUID, str]:
        """The id of a new key, and the key, which is not seen again."""
        key_id, secret = uuid4(), new_secret(KEY_PREFIX)
        row = (key_id, hash_of(secret), secret[:_SHOWN], tenant, list(scopes))
        await self._database.fetch("new api key", _INSERT, row)
        return key_id, secret

    async def find(self, secret: str) -> ApiKey | None:
        rows = await self._database.fetch("api key", _FIND, (hash_of(secret),))
        return ApiKey(rows[0][0], rows[0][1], frozenset(rows[0][2])) if rows else None

    async def revoke(self, key_id: UUID) -> bool:
        """Whether there was such a key; from now on it is refused."""
        return bool(await self._database.fetch("revoke api key", _REVOKE, (key_id,)))
