"""OTEL_RESOURCE_ATTRIBUTES to the letter: percent-decoding, and the whole value is discarded after any error."""

from __future__ import annotations

import pytest

from otel_oom.config.resource_attributes import parse
from otel_oom.config.settings import load_config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        (" a = b , c=d ", {"a": "b", "c": "d"}),
        ("a=b%20c%2C%3D%25", {"a": "b c,=%"}),
        ("a%2Cb=%C3%BC", {"a,b": "ü"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=,b=c,", {"a": "", "b": "c"}),
        (",,a=b,,", {"a": "b"}),
        ("a=1,a=2", {"a": "2"}),
        ("a=b+c", {"a": "b+c"}),
        ("a=ü", {"a": "ü"}),
    ],
)
def test_a_list_of_attributes(text: str, expected: dict[str, str]) -> None:
    assert parse(text) == expected
    assert load_config({"OTEL_RESOURCE_ATTRIBUTES": text}).resource_attributes == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a=b,secret", "its part 2 has no equals sign"),
        ("=secret", "its part 1 has no name"),
        ("a=b, =secret,c=d", "its part 2 has no name"),
        ("a=secret%", "its part 1 has a percent sign that encodes nothing (write it as %25)"),
        ("a=secret%2", "its part 1 has a percent sign that encodes nothing (write it as %25)"),
        ("a=secret%zz,b=c", "its part 1 has a percent sign that encodes nothing (write it as %25)"),
        ("b=c,a=secret%FF", "its part 2 is not UTF-8"),
        ("b=c,a=secret\udcff", "its part 2 is not UTF-8"),
    ],
)
def test_a_malformed_list_is_discarded_as_a_whole(text: str, why: str) -> None:
    settings = load_config({"OTEL_RESOURCE_ATTRIBUTES": text, "OTEL_SERVICE_NAME": "mine"})
    assert settings.resource_attributes == {"service.name": "mine"}
    (warning,) = settings.warnings
    assert warning == f"OTEL_RESOURCE_ATTRIBUTES is discarded as a whole: {why}; write name=value,name=value"


def test_a_name_of_the_service_that_is_not_utf8_is_left_out() -> None:
    """It cannot be encoded: the SDK would write a traceback at each export."""
    settings = load_config({"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs", "OTEL_SERVICE_NAME": "\udcffmine"})
    assert settings.resource_attributes == {"service.name": "theirs"}
    (warning,) = settings.warnings
    assert warning.startswith("OTEL_SERVICE_NAME='\\udcffmine' cannot be printed, so it is left out; ")


def test_the_name_of_the_service_wins() -> None:
    variables = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs,a=b", "OTEL_SERVICE_NAME": "my=own,%20name"}
    assert load_config(variables).resource_attributes == {"service.name": "my=own,%20name", "a": "b"}
