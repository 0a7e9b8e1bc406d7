"""Removes secrets from log lines: the last defence, behind code that does not log them. No I/O.

A library may quote a header in its exception. A collector may echo a request in its refusal. A user may put a key into
the wrong variable. So all lines of a command pass here, and the secret values in them are replaced.

These are secret: values of OTEL_EXPORTER_OTLP_…HEADERS; user names, passwords and queries of endpoints and proxies;
keys and certificates that are given in place of their file; a value too long for its variable, which may be a key.

Rules:
- A value of less than 6 characters is not replaced: it would also be found in other words.
- A secret may be cut off, as the text of an answer may be. Then its first 8 characters are enough, if the text ends
  there or goes on with a character that no key has. Otherwise a value `collector-a` would remove each `collector`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import unquote

from otel_oom.printable_text import printable_text

REPLACEMENT: Final = "[redacted]"

_MIN_CHARACTERS: Final = 6
_BEGIN_CHARACTERS: Final = 8
_AFTER_A_CUT: Final = re.compile(r"$|[;'\"\u2026)]| \(")
# Words, numbers and booleans that a variable may have are shorter (`http/protobuf`), except these; a key is longer.
_LONGEST_WORD: Final = 20
_LONG_WORDS: Final = frozenset({"base2_exponential_bucket_histogram", "explicit_bucket_histogram"})

_URL: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:(?P<user>.*)@)?(?P<place>[^?#]*)(?:[?#](?P<query>.*))?", re.IGNORECASE | re.DOTALL
)
_IS_HEADERS: Final = re.compile(r"OTEL_EXPORTER_OTLP_(\w+_)?HEADERS")
_IS_URL: Final = re.compile(r"OTEL_EXPORTER_OTLP_(\w+_)?ENDPOINT|\w+_PROXY|\w+_proxy")
_IS_FILE: Final = re.compile(
    r"OTEL_(EXPORTER_OTLP_(\w+_)?(CERTIFICATE|CLIENT_KEY)|CONFIG_FILE|OOM_(SPOOL|DEVICE|IDENTITY_FILE))"
)
_BASE64: Final = re.compile("[A-Za-z0-9+][A-Za-z0-9+/]{39,}=*")  # an absolute path begins with a slash
_IS_TEXT: Final = re.compile(r"OTEL_(RESOURCE_ATTRIBUTES|SERVICE_NAME|PYTHON_\w+)")


def is_file_content(value: str) -> bool:
    """Whether the value of a variable for a path is rather the content of the file: PEM, or base64 in one line."""
    return "\n" in value or "-----BEGIN" in value or _BASE64.fullmatch(value) is not None


def redactor(environment: Mapping[str, str]) -> Callable[[str], str]:
    """A function that replaces every secret of these variables in a text."""
    secrets = {form for secret in _secrets(environment) for form in _forms(secret) if len(form) >= _MIN_CHARACTERS}
    begins = {re.escape(secret[:_BEGIN_CHARACTERS]) for secret in secrets}
    any_begin = re.compile(f"(?={'|'.join(sorted(begins))})")  # of no length: secrets may overlap

    def redact(text: str) -> str:
        if not secrets:
            return text
        parts, done = [], 0
        for at in (match.start() for match in any_begin.finditer(text)):
            end = max(_end(secret, text, at) for secret in secrets)
            if end > max(at, done):
                parts += [text[done:at], REPLACEMENT] if at >= done else []
                done = end
        return "".join([*parts, text[done:]])

    return redact


def _end(secret: str, text: str, at: int) -> int:
    """Where the secret ends that begins at index `at` of the text, whole or cut off. `at`: the secret is not there."""
    pairs = zip(secret, text[at : at + len(secret)], strict=False)
    same = next((number for number, (one, other) in enumerate(pairs) if one != other), min(len(secret), len(text) - at))
    is_cut = same >= _BEGIN_CHARACTERS and _AFTER_A_CUT.match(text, at + same)
    return at + same if same == len(secret) or is_cut else at


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        if _IS_HEADERS.fullmatch(name):
            for item in value.split(","):
                yield from _of_header(item)
        elif _IS_URL.fullmatch(name):
            yield from _of_url(value)
        elif _IS_TEXT.fullmatch(name):  # sent to the collector in plain text; what is no attribute is not
            yield from (item for item in value.split(",") if name.endswith("ATTRIBUTES") and "=" not in item)
        elif name.startswith("OTEL_") and len(value) > _LONGEST_WORD and value not in _LONG_WORDS:
            is_file = _IS_FILE.fullmatch(name) and not is_file_content(value)
            if not is_file:
                yield value


def _of_header(item: str) -> Iterator[str]:
    """`name=value`, also with another separator. Of `Basic …` also the last word, and the user's name and password."""
    value = (re.split("[=:]", item, maxsplit=1)[1:] or [item])[0].strip()
    yield value
    for word in (*value.split()[-1:], *unquote(value).split()[-1:]):
        yield word
        with suppress(ValueError):  # no base64, no ASCII, or no UTF-8 in it
            pair = binascii.a2b_base64(word).decode()
            if ":" in pair:
                yield from (pair, pair.partition(":")[2])


def _of_url(url: str) -> Iterator[str]:
    match = _URL.fullmatch(url)
    if match is None:
        return
    user, place, query = match["user"], match["place"], match["query"]
    if user:
        yield from (user, *user.split(":", 1))
        pair = unquote(user).encode(errors="surrogateescape")
        yield binascii.b2a_base64(pair, newline=False).decode()  # Proxy-Authorization: Basic …
    if query:
        yield from (query, *(pair.partition("=")[2] for pair in query.split("&")))
    if len(place) > _LONGEST_WORD and (not re.search("[.:/]", place) or re.search(r"\s", place)):
        yield from (place, *place.split()[-1:])


def _forms(secret: str) -> Iterator[str]:
    """The secret as it may be written in a line: decoded, as a Python literal, in one line."""
    for text in (secret.strip(), unquote(secret).strip()):
        yield text
        yield printable_text(text)
        yield text.rstrip("=")  # base64 without its padding
        yield repr(text)[1:-1]
        yield " ".join(text.split())
        yield from (part.strip() for part in text.splitlines())
