"""Addresses of remote files, and how they are shown: without passwords and signatures."""

import hashlib
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("s3", "gs", "https", "http", "hf", "memory")
"""What a remote file may start with, before ``://``."""
FOLDERLESS = frozenset({"https", "http"})
"""Schemes whose servers list no folders."""
_QUERIED = FOLDERLESS
"""Schemes in which ``?`` starts a query; elsewhere it is part of a name."""

_START = re.compile(rf"({'|'.join(SCHEMES)})://", re.I)
_COLLAPSED = re.compile(rf"({'|'.join(SCHEMES)}):/(?=[^/])", re.I)
_ANY = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.I)
_FIELD = re.compile(r"(?<=[?&])([\w.~-]+)=[^&\s'\"]+")
_SIGNATURE_PREFIXES = ("x-amz-", "x-goog-")
"""Query fields that begin so sign a request, and do not name what is asked for."""
_SIGNED_FIELDS = {
    # Amazon S3 and Google Cloud Storage, version 2; CloudFront
    "signature": {"awsaccesskeyid", "googleaccessid", "expires", "policy", "key-pair-id"},
    # Azure
    "sig": {"se", "st", "sp", "sv", "sr", "spr", "sip", "ss", "srt"}
    | {"skoid", "sktid", "skt", "ske", "sks", "skv"},
}
"""Those that do so beside a signature of this name."""
_QUERY_HASH_BYTES = 6


class Address(NamedTuple):
    """The parts of a URL.

    Args:
        scheme: In small letters.
        user: User and password, as in the URL; empty if there are none.
        host: Host and port, or bucket; empty for ``memory``.
        key: What follows the host, without the slash between.
        query: With its question mark; empty if there is none.
    """

    scheme: str
    user: str
    host: str
    key: str
    query: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """The parts of a URL of one of the `SCHEMES`.

        Example:
            >>> Address.parse("https://me:secret@host/a.wav?id=3").host
            'host'
        """
        scheme, _, rest = url.partition("://")
        scheme, query = scheme.lower(), ""
        if scheme in _QUERIED:
            rest = rest.partition("#")[0]
            rest, mark, query = rest.partition("?")
            query = mark + query
        if scheme == "memory":
            return cls(scheme, "", "", rest.lstrip("/"), "")
        place, _, key = rest.partition("/")
        user, mark, host = place.rpartition("@")
        return cls(scheme, user if mark else "", host, key, query)

    def url(self, *, with_secrets: bool = True) -> str:
        """The address in one text.

        Args:
            with_secrets: Whether user, password and query are in it. Without them, a hash stands
                for a query, as far as that names what is asked for.
        """
        place = f"{self.user}@{self.host}" if self.user and with_secrets else self.host
        slash = "/" if place and (self.key or self.query) else ""
        query = self.query if with_secrets else _shown_query(self.query)
        return f"{self.scheme}://{place}{slash}{self.key}{query}"

    @property
    def credentials(self) -> tuple[str, str]:
        """User and password, without the quoting of URLs."""
        user, _, password = self.user.partition(":")
        return unquote(user), unquote(password)


def is_url(text: str) -> bool:
    """Whether a text is the URL of a file that earmark can read.

    Example:
        >>> is_url("s3://bucket/a.wav"), is_url("C:/a.wav"), is_url("ftp://host/a.wav")
        (True, False, False)
    """
    return _START.match(text) is not None


def repaired(text: str) -> str:
    """A text, where it is a URL that was once a `Path`, with the slash that it lost there.

    Example:
        >>> repaired("s3:/bucket/a.wav"), repaired("sounds/a.wav")
        ('s3://bucket/a.wav', 'sounds/a.wav')
    """
    return _COLLAPSED.sub(r"\1://", text, count=1) if _COLLAPSED.match(text) else text


def shown(text: str) -> str:
    """A URL without its secrets; any other text as it is.

    Example:
        >>> shown("https://me:secret@host/a.wav?X-Amz-Signature=abc")
        'https://host/a.wav'
        >>> shown("sounds/a.wav")
        'sounds/a.wav'
    """
    return Address.parse(text).url(with_secrets=False) if is_url(text) else text


def redacted(text: str) -> str:
    """A message in which no URL holds secrets.

    Example:
        >>> redacted("GET https://me:secret@host/a.wav?sig=abc failed: 403")
        'GET https://host/a.wav failed: 403'
    """
    text = _ANY.sub(lambda found: _without_secrets(found[0]), text)
    # Of an address with a space in it, the rest.
    return _FIELD.sub(r"\1=...", text)


def _without_secrets(url: str) -> str:
    if is_url(url):
        return shown(url)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _shown_query(query: str) -> str:
    fields = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    names = {name.lower() for name, _ in fields}
    signing = {
        one for mark, others in _SIGNED_FIELDS.items() if mark in names for one in (mark, *others)
    }
    named = [
        f"{name}={value}"
        for name, value in fields
        if name.lower() not in signing and not name.lower().startswith(_SIGNATURE_PREFIXES)
    ]
    if not named:
        return ""
    text = "\0".join(sorted(named))
    return f"?{hashlib.blake2b(text.encode(), digest_size=_QUERY_HASH_BYTES).hexdigest()}"
