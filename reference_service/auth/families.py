"""Families: all tokens that grew out of one authorisation, and how they are revoked together.

Used by the grants (a code or refresh token presented twice), by revocation and by logout. Access tokens carry
their family's id, so its entry in the deny list reaches those that are still out.
"""

from __future__ import annotations

from uuid import UUID

from windtunnel.reference_service.connections import Connection

_REVOKE = """
WITH gone AS (
    UPDATE auth.families SET revoked = true WHERE {which} AND NOT revoked RETURNING family_id
)
INSERT INTO auth.denied (id, expires_at)
SELECT family_id::text, clock_timestamp() + make_interval(secs => %s) FROM gone
ON CONFLICT (id) DO NOTHING
"""
_REVOKE_ONE = _REVOKE.format(which="family_id = %s")
_REVOKE_OF_SESSION = _REVOKE.format(which="session_id = %s")


async def revoke_family(connection: Connection, family_id: UUID, access_ttl_s: float) -> None:
    """Revoke one; `access_ttl_s` is the longest that one of its access tokens can still live."""
    await connection.execute(_REVOKE_ONE, (family_id, access_ttl_s))


async def revoke_of_session(connection: Connection, session_id: UUID, access_ttl_s: float) -> None:
    """Revoke all that were granted in a session."""
    await connection.execute(_REVOKE_OF_SESSION, (session_id, access_ttl_s))
