"""What the SDK may still read, and what it must not."""

from __future__ import annotations

from otel_oom.config import python_sdk_variables as python
from otel_oom.config.environment import Environment, hide_from_sdk
from otel_oom.config.standard_variables import STANDARD
from otel_oom.config.variables_without_effect import REFUSED, WITHOUT_MEANING

OF_SDK = {name for item in STANDARD if item.is_of_sdk for name in item.all_variables} | set(python.WITH_EFFECT)


def test_the_sdk_sees_only_what_it_has_to_read() -> None:
    names = {name for item in STANDARD for name in item.all_variables}
    names |= {*python.WITH_EFFECT, *python.WITHOUT_MEANING, *REFUSED, *WITHOUT_MEANING}
    names |= {"OTEL_FUTURE", "OTEL_OOM_SPOOL", "PATH"}
    environ = dict.fromkeys(names, "x")
    hide_from_sdk(environ)
    assert set(environ) == OF_SDK | {"OTEL_OOM_SPOOL", "PATH"}
    assert "OTEL_EXPORTER_OTLP_LOGS_HEADERS" in environ


def test_the_sdk_sees_no_empty_variable() -> None:
    environ = dict.fromkeys(OF_SDK, " ") | {"PATH": ""}
    hide_from_sdk(environ)
    assert environ == {"PATH": ""}


def test_what_is_empty_is_unset() -> None:
    assert Environment({"A": " a ", "B": " "}, {"C": "c"}) == {"A": "a", "C": "c"}
