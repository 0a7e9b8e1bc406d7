"""The settings of the agent's own lines: variable and flag, and what an invalid value does."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from otel_oom.config.log_settings import LogSettings
from otel_oom.config.settings import load_config
from otel_oom.errors import UsageError


def test_the_defaults() -> None:
    assert load_config({}).log == LogSettings(level=logging.INFO, format="auto", shows_kills=True)


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("", logging.INFO),
        ("TRACE", 5),
        ("debug", logging.DEBUG),
        ("Info", logging.INFO),
        ("warn", logging.WARNING),
        ("error", logging.ERROR),
        ("fatal", logging.CRITICAL),
        ("none", 60),
    ],
)
def test_the_level(word: str, level: int) -> None:
    assert load_config({"OTEL_LOG_LEVEL": word}).log.level == level
    assert load_config({"OTEL_LOG_LEVEL": "loud"}, log_level=word).log.level == level


def test_the_flag_wins_over_the_variable() -> None:
    settings = load_config(
        {"OTEL_LOG_LEVEL": "loud", "OTEL_OOM_LOG_FORMAT": "text"}, log_level="warn", log_format="json"
    )
    assert (settings.log.level, settings.log.format, settings.warnings) == (logging.WARNING, "json", ())


def test_an_unknown_level_of_the_variable_is_one_warning_with_its_remedy() -> None:
    (warning,) = load_config({"OTEL_LOG_LEVEL": "loud"}).warnings
    assert warning == (
        "OTEL_LOG_LEVEL='loud' is not supported, so info applies; use one of: none, fatal, error, warn, warning, info, "
        "debug, trace"
    )


@pytest.mark.parametrize(
    ("environment", "flags", "line"),
    [
        ({}, {"log_level": "loud"}, "--log-level 'loud' is not supported; use one of: none, fatal, error"),
        ({}, {"log_format": "xml"}, "--log-format 'xml' is not supported; use one of: auto, text, json"),
        (
            {"OTEL_OOM_LOG_FORMAT": "xml"},
            {},
            "OTEL_OOM_LOG_FORMAT='xml' is not supported; use one of: auto, text, json",
        ),
        (
            {"OTEL_OOM_LOG_KILLS": "some"},
            {},
            "OTEL_OOM_LOG_KILLS='some' is neither true nor false; write true or false",
        ),
    ],
)
def test_other_invalid_values_stop_the_start(environment: dict[str, str], flags: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError) as error:
        load_config(environment, **flags)
    assert str(error.value).startswith(line)
