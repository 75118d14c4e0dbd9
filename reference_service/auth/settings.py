"""What the auth service is told by its environment. Used by its `__main__` and by everything it is built from.

Beside the variables of every process (see process.ProcessSettings):

    ISSUER, AUDIENCE                      the `iss` (an origin, no path) and `aud` of every access token
    DB_URL, DB_TIMEOUT_MS, DB_POOL, DB_POOL_TIMEOUT_MS
    KEY_ENCRYPTION_SECRET                 32 bytes in base64url; the private signing keys are stored encrypted with it
    ADMIN_TOKEN                           opens /admin to its bearer; without it there is no /admin
    SIGNING_ALGORITHM                     EdDSA (default) or RS256
    KEY_LIFETIME_S                        how long one key signs before the next one takes over
    ACCESS_TOKEN_TTL_S, REFRESH_TTL_S, CODE_TTL_S, SESSION_TTL_S, CLOCK_SKEW_S
    ARGON2_TIME_COST, ARGON2_MEMORY_KIB, ARGON2_PARALLELISM
    LOGIN_ATTEMPTS_PER_ACCOUNT, LOGIN_ATTEMPTS_PER_ADDRESS, LOGIN_WINDOW_S
    FORWARDED_HOPS                        proxies in front that append to X-Forwarded-For; 0: the peer is the client
    AUTHZ_SCOPES                          JSON: path prefix -> scope, see authz; none: any valid credential passes
    DEFENCES_OFF                          names of `Defences`, separated by commas: for experiments only
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from urllib.parse import urlsplit

from windtunnel.reference_service.environment import Environment
from windtunnel.reference_service.process import ProcessSettings

ALGORITHMS = ("EdDSA", "RS256")


@dataclass(frozen=True)
class DatabaseSettings:
    """`timeout_s` bounds one operation, waiting included; `pool_timeout_s` the wait for one of `pool` connections."""

    url: str = field(repr=False)
    timeout_s: float
    pool: int
    pool_timeout_s: float


@dataclass(frozen=True)
class TokenSettings:
    """Who issues tokens for whom, how they are signed, and how long everything that is issued lives."""

    issuer: str
    audience: str
    algorithm: str
    key_secret: bytes = field(repr=False)
    key_lifetime_s: int
    access_ttl_s: int
    refresh_ttl_s: int
    code_ttl_s: int
    clock_skew_s: int


@dataclass(frozen=True)
class LoginSettings:
    """Sessions, the cost of a password (argon2id), and how many attempts one window of time allows."""

    session_ttl_s: int
    time_cost: int
    memory_kib: int
    parallelism: int
    attempts_per_account: int
    attempts_per_address: int
    window_s: int
    forwarded_hops: int


@dataclass(frozen=True)
class Defences:
    """Each can be switched off by its name, so that a test can show that it would notice."""

    reuse_detection: bool = True
    pkce: bool = True
    deny_list: bool = True
    lockout: bool = True
    audience: bool = True


@dataclass(frozen=True)
class AuthSettings:
    """`admin_token` is None where nobody administers over HTTP."""

    process: ProcessSettings
    database: DatabaseSettings
    tokens: TokenSettings
    login: LoginSettings
    authz_scopes: Mapping[str, str]
    defences: Defences
    admin_token: str | None = field(repr=False)

    @classmethod
    def read(cls, values: Mapping[str, str]) -> AuthSettings:
        """Raises `SettingError` for the first variable that is missing or malformed, and repeats no secret."""
        environment = Environment(values)
        return cls(
            process=ProcessSettings.read(environment),
            database=DatabaseSettings(
                url=environment.url("DB_URL", "postgresql", "postgres", secret=True),
                timeout_s=environment.milliseconds_as_s("DB_TIMEOUT_MS"),
                pool=environment.whole("DB_POOL", at_least=1),
                pool_timeout_s=environment.milliseconds_as_s("DB_POOL_TIMEOUT_MS"),
            ),
            tokens=TokenSettings(
                issuer=environment.parse("ISSUER", _origin, "an origin such as https://host:port", None),
                audience=environment.text("AUDIENCE"),
                algorithm=environment.parse("SIGNING_ALGORITHM", _algorithm, "EdDSA or RS256", "EdDSA"),
                key_secret=environment.parse(
                    "KEY_ENCRYPTION_SECRET", _key_of_32_bytes, "32 bytes in base64url", None, secret=True
                ),
                key_lifetime_s=environment.whole("KEY_LIFETIME_S", 30 * 86_400, at_least=1),
                access_ttl_s=environment.whole("ACCESS_TOKEN_TTL_S", 300, at_least=1),
                refresh_ttl_s=environment.whole("REFRESH_TTL_S", 14 * 86_400, at_least=1),
                code_ttl_s=environment.whole("CODE_TTL_S", 60, at_least=1),
                clock_skew_s=environment.whole("CLOCK_SKEW_S", 5),
            ),
            login=LoginSettings(
                session_ttl_s=environment.whole("SESSION_TTL_S", 8 * 3600, at_least=1),
                time_cost=environment.whole("ARGON2_TIME_COST", 2, at_least=1),
                memory_kib=environment.whole("ARGON2_MEMORY_KIB", 19_456, at_least=8),
                parallelism=environment.whole("ARGON2_PARALLELISM", 1, at_least=1),
                attempts_per_account=environment.whole("LOGIN_ATTEMPTS_PER_ACCOUNT", 5, at_least=1),
                attempts_per_address=environment.whole("LOGIN_ATTEMPTS_PER_ADDRESS", 50, at_least=1),
                window_s=environment.whole("LOGIN_WINDOW_S", 300, at_least=1),
                forwarded_hops=environment.whole("FORWARDED_HOPS", 0),
            ),
            authz_scopes=environment.parse("AUTHZ_SCOPES", _scopes, 'JSON such as {"/v1/chat": "chat"}', {}),
            defences=environment.parse("DEFENCES_OFF", _defences, f"some of {_names()}, with commas", Defences()),
            admin_token=_admin_token(environment),
        )


def _origin(found: str) -> str:
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise ValueError
    return found


def _algorithm(found: str) -> str:
    if found not in ALGORITHMS:
        raise ValueError
    return found


def _key_of_32_bytes(found: str) -> bytes:
    key = base64.b64decode(found + "=" * (-len(found) % 4), altchars="-_", validate=True)
    if len(key) != 32:
        raise ValueError
    return key


def _scopes(found: str) -> Mapping[str, str]:
    table = json.loads(found)
    if not isinstance(table, dict) or not all(
        path.startswith("/") and isinstance(scope, str) for path, scope in table.items()
    ):
        raise ValueError
    return table


def _defences(found: str) -> Defences:
    off = {name.strip() for name in found.split(",")}
    if unknown := off - {each.name for each in fields(Defences)}:
        raise ValueError(unknown)
    return Defences(**dict.fromkeys(off, False))


def _names() -> str:
    return ", ".join(each.name for each in fields(Defences))


def _admin_token(environment: Environment) -> str | None:
    def read(found: str) -> str:
        if len(found) < 32:
            raise ValueError
        return found

    if not environment.has("ADMIN_TOKEN"):
        return None
    return environment.parse("ADMIN_TOKEN", read, "at least 32 characters", None, secret=True)
