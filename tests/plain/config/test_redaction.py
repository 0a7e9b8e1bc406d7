"""Which values of the configuration are secret, and how they are replaced in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_oom.config.redaction import redactor

H = "OTEL_EXPORTER_OTLP_HEADERS"
E = "OTEL_EXPORTER_OTLP_ENDPOINT"
GONE = "[redacted]"


@pytest.mark.parametrize(
    ("name", "value", "text", "expected"),
    [
        (H, "authorization=Bearer%20abcdef", "sent Bearer abcdef", f"sent {GONE}"),
        (H, "authorization=Bearer%20abcdef", "sent Bearer%20abcdef", f"sent {GONE}"),
        (H, "authorization=Bearer%20abcdef", "the key abcdef", f"the key {GONE}"),
        (H, "authorization=Bearer abcdef", "the key abcdef of the Bearer", f"the key {GONE} of the Bearer"),
        (H, "authorization: Basic YTpiYw==", "'authorization: Basic YTpiYw=='", f"'authorization: {GONE}'"),
        (H, "authorization: Basic YTpiYw==", "only YTpiYw==", f"only {GONE}"),
        (H, "x-key=\u00fcabcdef", "\u00fcabcdef", GONE),
        (H, "x-key=abcdef\udcff", "abcdef\udcff", GONE),
        (E, "http://user:abcdef\udcff@host", "the key abcdef\udcff", f"the key {GONE}"),
        (
            E,
            "http://user:abc\u202edef@host",
            r"the key abc\xe2\x80\xaedef in a printable line",
            f"the key {GONE} in a printable line",
        ),
        (H, "a=1,b=abcdef", "1 abcdef", f"1 {GONE}"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "c2VjcmV0" * 6, f"no file {'c2VjcmV0' * 6}", f"no file {GONE}"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/etc/otel/" + "a" * 40, "/etc/otel/" + "a" * 40, "/etc/otel/" + "a" * 40),
        (H, "abcdefghi", "abcdefghi", GONE),
        (H, "x-key=abcdefghijklmnop", "cut off: abcdefghij", f"cut off: {GONE}"),
        (H, "x-key=abcdefghijklmnop", "cut off: abcdefghij; a remedy", f"cut off: {GONE}; a remedy"),
        (H, "x-key=abcdefghijklmnop", "cut off: 'abcdefghij'", f"cut off: '{GONE}'"),
        (H, "x-key=abcdefghijklmnop", "cut off: abcdefghij (9 more like it", f"cut off: {GONE} (9 more like it"),
        (H, "x-tenant=collector-a", "does a collector at", "does a collector at"),
        (H, "x-key=abcdefghijklmnop", "abcdefghijklmnop, abcdefghijklmnop", f"{GONE}, {GONE}"),
        (H, "x-key=one\ttwo_words", r"'one\ttwo_words'", f"'{GONE}'"),
        (H, "x-key=abcdefgh\nijklmnop", "abcdefgh ijklmnop", GONE),
        (H, "a=abcdefgh-one,b=abcdefgh-two", "abcdefgh-two, abcdefgh-o", f"{GONE}, {GONE}"),
        (H, "a=Bearer abcd,b=abcdefghijk", "Bearer abcdefghijk", GONE),
        (H, "x-key=schlüssel", "schlüssel", GONE),
        (H, "x-key=schl%C3%BCssel", "schlüssel", GONE),
        (H, "x-key=\udcffabcdef", "\udcffabcdef", GONE),
        (E, "http://user:\udcffabcdef@host", "\udcffabcdef", GONE),
        ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-key=abcdef", "abcdef", GONE),
        (E, "http://user:pass%2fword@host:4318", "pass/word, pass%2fword", f"{GONE}, {GONE}"),
        (E, "http://user:pa@ss@host:4318", "http://user:pa@ss@host:4318", f"http://{GONE}@host:4318"),
        (E, "http://thetoken@host", "thetoken at host", f"{GONE} at host"),
        (E, "https://host/otlp?api-key=abcdef&x=1", "POST /otlp?api-key=abcdef&x=1", f"POST /otlp?{GONE}"),
        (E, "https://host/otlp?api-key=abcdef&x=1", "abcdef", GONE),
        (E, "https://collector.example:4318/a/long/path", "collector.example", "collector.example"),
        (E, "Bearer abcdefghijklmnop", "'Bearer abcdefghijklmnop' is no URL", f"'{GONE}' is no URL"),
        (E, "abcdefghijklmnopqrstuv", "'abcdefghijklmnopqrstuv' is no URL", f"'{GONE}' is no URL"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "host:4317", "host:4317", "host:4317"),
        ("https_proxy", "http://user:password@proxy:3128", "proxy:3128 password", f"proxy:3128 {GONE}"),
        ("ALL_PROXY", "socks5://user:password@proxy", "Basic dXNlcjpwYXNzd29yZA==", f"Basic {GONE}"),
        ("NO_PROXY", "host.example,localhost", "host.example", "host.example"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "'http/json' is not supported", "'http/json' is not supported"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "abcdefghijklmnopqrstuvwxyz", "='abcdefghijklmnopqrstuvwxyz'", f"='{GONE}'"),
        ("OTEL_SOMETHING_NEW", "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz", GONE),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
            "base2_exponential_bucket_histogram",
            "base2_exponential_bucket_histogram",
        ),
        (
            "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            "-----BEGIN PRIVATE KEY-----\nMIIabcdef\n-----END PRIVATE KEY-----",
            r"no file '-----BEGIN PRIVATE KEY-----\nMIIabcdef\n-----END PRIVATE KEY-----'",
            f"no file '{GONE}'",
        ),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/etc/keys/of/the/client.pem", "/etc/keys/of/the/client.pem", None),
        ("OTEL_OOM_SPOOL", "/var/lib/somewhere/else", "/var/lib/somewhere/else", None),
        ("OTEL_RESOURCE_ATTRIBUTES", "a.key=the-value,abcdefghi", "the-value abcdefghi", f"the-value {GONE}"),
        ("OTEL_SERVICE_NAME", "the-name-of-a-service-here", "the-name-of-a-service-here", None),
        ("HOME", "/home/of/somebody/else", "/home/of/somebody/else", None),
        (H, "", "nothing", None),
    ],
)
def test_a_secret_is_replaced(name: str, value: str, text: str, expected: str | None) -> None:
    """Expected None: nothing is replaced."""
    assert redactor({name: value})(text) == (text if expected is None else expected)


@given(name=st.sampled_from([H, E, "HTTPS_PROXY", "OTEL_RESOURCE_ATTRIBUTES"]), value=st.text(st.characters()))
def test_any_value_can_be_secret(name: str, value: str) -> None:
    assert redactor({name: value})("a line") is not None
