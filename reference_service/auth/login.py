"""Login: users, their sessions, and how often somebody may try. Used by /login and /authorize.

Sessions are rows, so that a login made through one replica is good at every other. Attempts are counted before
the password is looked at, for the account and for the address, in fixed windows of time: guesses made at once
do not overrun the limit. A limit per account lets others lock a user out for a window; that is its price.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from windtunnel.reference_service.auth.database import Database
from windtunnel.reference_service.auth.errors import LoginFailed, TooManyAttempts
from windtunnel.reference_service.auth.families import revoke_of_session
from windtunnel.reference_service.auth.opaque import hash_of, new_secret
from windtunnel.reference_service.auth.passwords import Passwords
from windtunnel.reference_service.auth.settings import AuthSettings
from windtunnel.reference_service.connections import Connection

# Always the account's row first: two logins that meet cannot wait for each other.
_COUNT = """
INSERT INTO auth.login_attempts AS held (counted_for, attempts, window_ends_at)
SELECT counted_for, 1, clock_timestamp() + make_interval(secs => %(window_s)s)
FROM unnest(%(counted_for)s::text[]) AS counted_for
ON CONFLICT (counted_for) DO UPDATE SET
    attempts = CASE WHEN held.window_ends_at < clock_timestamp() THEN 1 ELSE held.attempts + 1 END,
    window_ends_at = CASE WHEN held.window_ends_at < clock_timestamp()
        THEN excluded.window_ends_at ELSE held.window_ends_at END
RETURNING attempts, ceil(extract(epoch FROM window_ends_at - clock_timestamp()))::integer
"""
_FORGET_ACCOUNT = "DELETE FROM auth.login_attempts WHERE counted_for = %s"
_FORGET_ONE = "UPDATE auth.login_attempts SET attempts = attempts - 1 WHERE counted_for = %s"
_USER = "SELECT user_id, password_hash FROM auth.users WHERE tenant = %s AND username = %s"
_REHASH = "UPDATE auth.users SET password_hash = %s WHERE user_id = %s AND password_hash = %s"
_BEGIN = """
INSERT INTO auth.sessions (session_id, session_hash, user_id, expires_at)
VALUES (%s, %s, %s, clock_timestamp() + make_interval(secs => %s))
"""
_SESSION = """
SELECT session_id, user_id, tenant FROM auth.sessions JOIN auth.users USING (user_id)
WHERE session_hash = %s AND expires_at > clock_timestamp()
"""
_END = "DELETE FROM auth.sessions WHERE session_hash = %s RETURNING session_id"


@dataclass(frozen=True)
class Session:
    """Who is logged in."""

    session_id: UUID
    user_id: UUID
    tenant: str


class Login:
    """Begins, finds and ends sessions."""

    def __init__(self, settings: AuthSettings, database: Database, passwords: Passwords) -> None:
        self._settings = settings.login
        self._access_ttl_s = settings.tokens.access_ttl_s + settings.tokens.clock_skew_s
        self._lockout = settings.defences.lockout
        self._database = database
        self._passwords = passwords

    async def begin(self, tenant: str, username: str, password: str, address: str) -> str:
        """The secret of a new session. Raises `LoginFailed` or `TooManyAttempts`."""
        account_key, address_key = f"account:{tenant}/{username}", f"address:{address}"
        if self._lockout:
            await self._count(account_key, address_key)
        users = await self._database.fetch("user", _USER, (tenant, username))
        user_id, stored = users[0] if users else (None, None)
        if not await self._passwords.matches(password, stored):
            raise LoginFailed("unknown user or wrong password")
        rehashed = await self._passwords.hash(password) if self._passwords.outdated(stored) else None
        secret = new_secret("wts")

        async def let_in(connection: Connection) -> None:
            if rehashed is not None:
                await connection.execute(_REHASH, (rehashed, user_id, stored))
            await connection.execute(_FORGET_ACCOUNT, (account_key,))
            await connection.execute(_FORGET_ONE, (address_key,))
            await connection.execute(_BEGIN, (uuid4(), hash_of(secret), user_id, self._settings.session_ttl_s))

        await self._database.transact("begin session", let_in)
        return secret

    async def session(self, secret: str | None, tenant: str) -> Session | None:
        """The session, if there is one and it is of this tenant."""
        if secret is None:
            return None
        rows = await self._database.fetch("session", _SESSION, (hash_of(secret),))
        session = Session(*rows[0]) if rows else None
        return session if session is not None and session.tenant == tenant else None

    async def end(self, secret: str) -> None:
        """End the session, and revoke what was granted in it."""

        async def end(connection: Connection) -> None:
            cursor = await connection.execute(_END, (hash_of(secret),))
            for (session_id,) in await cursor.fetchall():
                await revoke_of_session(connection, session_id, self._access_ttl_s)

        await self._database.transact("end session", end)

    async def _count(self, account_key: str, address_key: str) -> None:
        parameters = {"counted_for": [account_key, address_key], "window_s": self._settings.window_s}
        account, address = await self._database.fetch("count attempt", _COUNT, parameters)
        limits = (self._settings.attempts_per_account, self._settings.attempts_per_address)
        waits = [wait for (tries, wait), limit in zip((account, address), limits, strict=True) if tries > limit]
        if waits:
            raise TooManyAttempts(max(1, *waits))
