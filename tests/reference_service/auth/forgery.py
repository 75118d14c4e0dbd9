"""Tokens forged by hand: base64, JSON and raw signatures, so that no library of ours corrects a mistake in them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True)
class Forger:
    """Knows the key of the service, or of somebody else, and signs whatever it is told to."""

    kid: str
    key: Ed25519PrivateKey | RSAPrivateKey
    issuer: str
    audience: str
    now_s: int = field(default_factory=lambda: int(time.time()))

    @property
    def algorithm(self) -> str:
        return "EdDSA" if isinstance(self.key, Ed25519PrivateKey) else "RS256"

    def claims(self, **changed: object) -> dict[str, object]:
        """Good ones, with some changed, or left out where they are ..."""
        good = {
            **{"iss": self.issuer, "aud": self.audience, "sub": "robot", "tenant": "acme", "client_id": "robot"},
            **{"scope": "chat", "jti": str(uuid4())},
            **{"iat": self.now_s, "nbf": self.now_s, "exp": self.now_s + 300},
        }
        return {name: value for name, value in (good | changed).items() if value is not ...}

    def header(self, **changed: object) -> dict[str, object]:
        good = {"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid}
        return {name: value for name, value in (good | changed).items() if value is not ...}

    def signature(self, signed: bytes) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(signed)
        return self.key.sign(signed, PKCS1v15(), SHA256())

    def raw(self, header: bytes, payload: bytes) -> str:
        """Any bytes, signed well."""
        signed = f"{b64(header)}.{b64(payload)}"
        return f"{signed}.{b64(self.signature(signed.encode()))}"

    def token(self, header: dict[str, object] | None = None, **claims: object) -> str:
        return self.raw(dumped(self.header(**(header or {}))), dumped(self.claims(**claims)))

    def unsigned(self, signature: bytes, **header: object) -> str:
        """A good token, with a header and a signature that are not."""
        return f"{b64(dumped(self.header(**header)))}.{b64(dumped(self.claims()))}.{b64(signature)}"

    def hmac(self, secret: bytes, algorithm: str = "HS256") -> str:
        """Signed symmetrically, with something that everybody knows."""
        signed = f"{b64(dumped(self.header(alg=algorithm)))}.{b64(dumped(self.claims()))}"
        return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"

    def attacks(self) -> dict[str, str]:
        """Every forgery that a verifier of this issuer and audience has to refuse, by name."""
        public = self.key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        stranger = Forger(self.kid, Ed25519PrivateKey.generate(), self.issuer, self.audience, self.now_s)
        point = b64(stranger.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        embedded = {"kty": "OKP", "crv": "Ed25519", "x": point, "kid": self.kid}
        good, header, payload = self.token(), dumped(self.header()), dumped(self.claims())
        head, body, signature = good.split(".")
        found = {
            **{f"alg {spelling}": self.unsigned(b"", alg=spelling) for spelling in ("none", "None", "NONE", "nOnE")},
            "alg none, signed": self.token({"alg": "none"}),
            "alg empty": self.token({"alg": ""}),
            "alg missing": self.token({"alg": ...}),
            "alg not a string": self.token({"alg": ["EdDSA", "none"]}),
            "alg with a space": self.token({"alg": f"{self.algorithm} "}),
            "RS to HS, key as PEM": self.hmac(pem),
            "RS to HS, key as PEM without its last line end": self.hmac(pem.strip()),
            "RS to HS, key as DER": self.hmac(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
            "HS with an empty secret": self.hmac(b""),
            "HS512": self.hmac(pem, "HS512"),
            "another algorithm of the family": self.token({"alg": "RS512" if self.algorithm == "RS256" else "Ed448"}),
            **{
                f"kid {kid!r:.30}": self.token({"kid": kid})
                for kid in (
                    *("../../../../dev/null", "/dev/null", "' OR '1'='1", "' UNION SELECT 'x' --", "x\x00", ""),
                    *("| sleep 5", "https://evil.test/jwks.json", 7, None, {"$ne": ""}, [self.kid]),
                )
            },
            "kid missing": self.token({"kid": ...}),
            "jku": stranger.token({"jku": "https://evil.test/jwks.json"}),
            "x5u": stranger.token({"x5u": "https://evil.test/x5u.pem"}),
            "x5c": stranger.token({"x5c": [b64(b"not a certificate")]}),
            "embedded jwk": stranger.token({"jwk": embedded}),
            "embedded jwk, our kid": self.token({"jwk": embedded}),
            "crit unknown": self.token({"crit": ["evil"], "evil": 1}),
            "crit b64": self.token({"crit": ["b64"], "b64": False}),
            "crit empty": self.token({"crit": []}),
            "ECDSA of zeros": self.unsigned(bytes(64), alg="ES256"),
            "signature of zeros": self.unsigned(bytes(64)),
            "signature stripped": f"{head}.{body}.",
            "signature and dot stripped": f"{head}.{body}",
            "signature of another": stranger.token(),
            "signature of another token": f"{head}.{b64(dumped(self.claims(tenant='evil')))}.{signature}",
            "signature padded": f"{good}==",
            "four parts": f"{good}.{signature}",
            "five parts, as if encrypted": f"{head}.{body}.{signature}.{body}.{signature}",
            "JSON serialization": json.dumps({"protected": head, "payload": body, "signature": signature}),
            "not canonical base64": f"{head}.{body}.{signature[:-1]}{_sibling(signature[-1])}",
            "plain base64": f"{head}.{body}.{'+/' + signature[2:]}",
            "aud of another": self.token(aud="other"),
            "aud longer": self.token(aud=f"{self.audience}2"),
            "aud empty list": self.token(aud=[]),
            "aud list with a number": self.token(aud=[self.audience, 7]),
            "iss of another": self.token(iss="https://evil.test"),
            "iss with a slash": self.token(iss=f"{self.issuer}/"),
            "expired": self.token(exp=self.now_s - 60),
            "expired just beyond the skew": self.token(exp=self.now_s - 6),
            "not yet": self.token(nbf=self.now_s + 60),
            "issued in the future": self.token(iat=self.now_s + 60),
            "exp as text": self.token(exp=str(self.now_s + 300)),
            "exp true": self.token(exp=True),
            "exp infinite": self.raw(header, payload.replace(b'"exp": ', b'"exp": Infinity, "was": ')),
            "exp not a number": self.raw(header, payload.replace(b'"exp": ', b'"exp": NaN, "was": ')),
            "exp beyond floats": self.token(exp=10**400),
            **{
                f"{name} missing": self.token(**{name: ...})
                for name in ("iss", "aud", "sub", "tenant", "client_id", "scope", "exp", "nbf", "iat", "jti")
            },
            "sub empty": self.token(sub=""),
            "tenant not a string": self.token(tenant=["acme"]),
            "scope as a list": self.token(scope=["chat"]),
            "claim twice": self.raw(header, payload[:-1] + b', "tenant": "evil"}'),
            "header member twice": self.raw(header[:-1] + b', "alg": "none"}', payload),
            "payload a list": self.raw(header, b"[]"),
            "payload not JSON": self.raw(header, b"tenant=acme"),
            "payload nested without end": self.raw(header, b"[" * 2000),
            "payload not UTF-8": self.raw(header, b'{"sub": "\xff"}'),
            "header not JSON": self.raw(b"alg=EdDSA", payload),
            "oversized": self.token(padding="x" * 8000),
            "ID token": self.token({"typ": "JWT"}, nonce="n", auth_time=self.now_s),
            "typ missing": self.token({"typ": ...}),
            "typ of a logout token": self.token({"typ": "logout+jwt"}),
            "empty": "",
            "dots": "..",
        }
        assert all(token != good for token in found.values())
        return found


def _sibling(last: str) -> str:
    """Another last character that decodes to the same bytes: the unused low bits are set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(last) | 1]
