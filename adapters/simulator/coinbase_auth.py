"""Who may ask the Coinbase simulator for what: keys, their scopes and the short-lived tokens that prove them.

The venue knows the public half of a key only, and so does this module: `issue_key` hands the private half out once.
"""

import base64
from typing import Any, Literal
from uuid import uuid4

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.types import Options

type PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
type KeyKind = Literal["ec", "ed25519", "ed25519-raw"]

SKEW_SECS = 60
# The claims are checked below, against the venue's clock and not against this machine's.
_CHECKS: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
}


class TokenError(Exception):
    """A token proves nothing; the text is for the journal, the venue's own answer says no more than Unauthorized."""


class ApiKey(msgspec.Struct, frozen=True):
    """What the venue keeps of a key.

    Parameters
    ----------
    name
        The key's name: `kid` and `sub` of its tokens.
    public_key
        What its signatures are checked with; its kind decides the algorithm, never the token.
    can_view, can_trade, can_transfer
        Its scopes.

    """

    name: str
    public_key: PublicKey
    can_view: bool = True
    can_trade: bool = True
    can_transfer: bool = False

    @property
    def algorithm(self) -> str:
        """Return the one algorithm that this key signs with."""
        return "ES256" if isinstance(self.public_key, ec.EllipticCurvePublicKey) else "EdDSA"


class IssuedKey(msgspec.Struct, frozen=True):
    """A new key with its private half, which the venue does not keep.

    Parameters
    ----------
    name
        The key's name.
    secret
        PEM text, or base64 of the 64 bytes seed and public key for the kind `ed25519-raw`.
    key
        What the venue keeps.

    """

    name: str
    secret: str
    key: ApiKey

    def __repr__(self) -> str:
        # A secret that can be printed will be.
        return f"IssuedKey({self.name})"


def issue_key(
    kind: KeyKind = "ec",
    *,
    can_view: bool = True,
    can_trade: bool = True,
    can_transfer: bool = False,
) -> IssuedKey:
    """Make a key pair.

    Parameters
    ----------
    kind
        `ec` is P-256 as PEM, `ed25519` is Ed25519 as PEM, `ed25519-raw` is Ed25519 as base64.
    can_view, can_trade, can_transfer
        The scopes of the key.

    """
    private = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else ed25519.Ed25519PrivateKey.generate()
    name = f"organizations/{uuid4()}/apiKeys/{uuid4()}"
    key = ApiKey(name, private.public_key(), can_view, can_trade, can_transfer)
    return IssuedKey(name, _secret_text(private, raw=kind == "ed25519-raw"), key)


def _secret_text(private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, *, raw: bool) -> str:
    if raw and isinstance(private, ed25519.Ed25519PrivateKey):
        return base64.b64encode(private.private_bytes_raw() + private.public_key().public_bytes_raw()).decode()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


class Keyring:
    """The keys the venue knows, and the verification of their tokens.

    Parameters
    ----------
    keys
        The keys that are known at the start.
    skew_secs
        How far the caller's clock may be off.

    """

    def __init__(self, *keys: ApiKey, skew_secs: int = SKEW_SECS) -> None:
        self._keys = {key.name: key for key in keys}
        self._revoked: set[str] = set()
        self.skew_secs = skew_secs

    def add(self, key: ApiKey) -> None:
        """Know one more key."""
        self._keys[key.name] = key

    def revoke(self, name: str = "") -> None:
        """Forget a key in the midst of a session, or all of them: the next request is unauthorized."""
        self._revoked |= {name} if name else set(self._keys)

    def restore(self, name: str = "") -> None:
        """Know a revoked key again, or all of them."""
        self._revoked -= {name} if name else set(self._revoked)

    def verify_rest(self, token: str, *, uri: str, now_secs: int) -> ApiKey:
        """Return the key that signed a request.

        Parameters
        ----------
        token
            What followed `Bearer`.
        uri
            Method, host with port, path without query, as the venue received them: `GET 127.0.0.1:8080/api/v3/…`.
        now_secs
            The venue's time, UTC seconds.

        Raises
        ------
        TokenError
            The token does not prove who asks for this very resource now.

        """
        key, claims = self._verify(token, now_secs)
        if claims.get("uri") != uri:
            raise TokenError(f"uri must be {uri}, was {claims.get('uri')}")
        return key

    def verify_socket(self, token: str, *, now_secs: int) -> ApiKey:
        """Return the key that signed a subscription; such a token names no resource.

        Raises
        ------
        TokenError
            The token does not prove who asks.

        """
        key, claims = self._verify(token, now_secs)
        if "uri" in claims:
            raise TokenError("a token for a socket names no uri")
        return key

    def _verify(self, token: str, now_secs: int) -> tuple[ApiKey, dict[str, Any]]:
        key = self._key_of(token)
        try:
            claims = jwt.decode(token, key.public_key, algorithms=[key.algorithm], options=_CHECKS)
        except jwt.PyJWTError as error:
            raise TokenError(f"the signature does not hold: {error}") from error
        self._check_claims(claims, key.name, now_secs)
        return key, claims

    def _key_of(self, token: str) -> ApiKey:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise TokenError(f"not a token: {error}") from error
        key = self._keys.get(str(header.get("kid")))
        if key is None or key.name in self._revoked:
            raise TokenError(f"unknown or revoked kid {header.get('kid')}")
        if header.get("alg") != key.algorithm:
            raise TokenError(f"alg must be {key.algorithm}, was {header.get('alg')}")
        if not header.get("nonce"):
            raise TokenError("a nonce is missing")
        return key

    def _check_claims(self, claims: dict[str, Any], name: str, now_secs: int) -> None:
        if claims.get("sub") != name:
            raise TokenError(f"sub must be the key's name, was {claims.get('sub')}")
        if claims.get("iss") != "cdp":
            raise TokenError(f"iss must be cdp, was {claims.get('iss')}")
        not_before, expires = claims.get("nbf"), claims.get("exp")
        if not isinstance(not_before, int) or not isinstance(expires, int):
            raise TokenError("nbf and exp must be whole seconds")
        if now_secs < not_before - self.skew_secs:
            raise TokenError(f"not valid before {not_before}, and it is {now_secs}")
        if now_secs >= expires + self.skew_secs:
            raise TokenError(f"expired at {expires}, and it is {now_secs}")
