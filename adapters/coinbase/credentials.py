"""The key, which shows itself nowhere."""

import os
from collections.abc import Mapping

from coinbase import jwt_generator


class Credentials:
    """A key's name and secret; whatever prints it prints neither.

    Parameters
    ----------
    key
        Name of the key.
    secret
        PEM of an EC P-256 or Ed25519 key (line breaks may be written as backslash n), or Ed25519 bytes as base64.
    """

    __slots__ = ("key", "secret")

    def __init__(self, key: str, secret: str) -> None:
        self.key = key
        # The SDK's client undoes written line breaks, its JWT does not.
        self.secret = secret.replace("\\n", "\n")

    def __repr__(self) -> str:
        """Say that there is one."""
        return "Credentials(***)"

    def scrub(self, text: str) -> str:
        """Return the text without the key, where a venue has echoed it."""
        for part in (self.key, self.secret):
            text = text.replace(part, "***")
        return text

    def socket_jwt(self) -> str:
        """Return a fresh token to subscribe with.

        Raises
        ------
        ValueError
            The secret is no key; the message does not tell it.
        """
        try:
            return str(jwt_generator.build_ws_jwt(self.key, self.secret))
        except Exception:  # noqa: BLE001  the SDK raises bare exceptions, whose cause may quote the secret
            raise ValueError("the secret is neither a PEM nor base64 of an Ed25519 key") from None


def credentials_from(key_env: str, secret_env: str, environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """Return the key that two environment variables hold, None when neither is set.

    Raises
    ------
    ValueError
        Only one of the two is set.
    """
    key, secret = environment.get(key_env, ""), environment.get(secret_env, "")
    if bool(key) != bool(secret):
        raise ValueError(f"set both {key_env} and {secret_env}, or neither")
    return Credentials(key, secret) if key else None
