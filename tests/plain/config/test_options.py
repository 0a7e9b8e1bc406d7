"""The table of settings: complete, without repeats, and the source of the defaults."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from otel_oom.config import options, standard_variables
from otel_oom.config.options import OWN
from otel_oom.config.setting import Setting
from otel_oom.config.settings import Config, load_config
from otel_oom.config.standard_variables import STANDARD


def test_every_setting_occurs_once() -> None:
    variables = [item.variable for item in (*OWN, *STANDARD)]
    assert len(variables) == len(set(variables))
    flags = [item.flag for item in options.WITH_FLAG]
    assert len(flags) == len(set(flags))


def test_own_settings_have_flags_and_of_the_standard_ones_the_log_level_alone() -> None:
    assert [item for item in OWN if not item.flag or not item.variable.startswith("OTEL_OOM_")] == []
    assert [item for item in STANDARD if item.variable.startswith("OTEL_OOM_")] == []
    assert [item.flag for item in STANDARD if item.flag] == ["--log-level"]
    assert [item for item in (*OWN, *STANDARD) if item.flag] == list(options.WITH_FLAG)


def test_every_named_setting_is_in_one_of_the_lists() -> None:
    modules = (options, standard_variables)
    named = [value for module in modules for value in vars(module).values() if isinstance(value, Setting)]
    assert len(named) > 10
    assert [item for item in named if item not in (*OWN, *STANDARD)] == []


@pytest.mark.parametrize("item", [item for item in (*OWN, *STANDARD) if item.default], ids=lambda item: item.variable)
def test_a_default_that_is_written_out_changes_nothing(item: Setting) -> None:
    chosen = {"service.name": item.default} if item is standard_variables.SERVICE_NAME else {}
    assert load_config({item.variable: item.default}) == replace(load_config({}), resource_attributes=chosen)


@pytest.mark.parametrize("item", options.WITH_FLAG, ids=lambda item: item.variable)
def test_a_flag_and_its_variable_mean_the_same(item: Setting) -> None:
    usual = "/a" if item.metavar else str(item.default != "true").lower()
    others = {"--oom-score-adj": "-5", "--fork-identity": "always", "--log-format": "json", "--log-level": "error"}
    value = others.get(item.flag, usual)
    by_variable = load_config({item.variable: value})
    flags: dict[str, Any] = {item.name: {"true": True, "false": False}.get(value, value)}
    assert load_config({}, **flags) == by_variable
    assert by_variable != load_config({})


def test_every_field_of_the_configuration_is_set_by_a_setting() -> None:
    """A field that no setting reaches would be a constant."""
    changed = {
        "OTEL_OOM_DEVICE": "/a",
        "OTEL_OOM_FROM_RING": "true",
        "OTEL_OOM_SPOOL": "/a",
        "OTEL_OOM_SPOOL_REQUIRED": "true",
        "OTEL_OOM_SCORE_ADJ": "1",
        "OTEL_OOM_IDENTITY_FILE": "/a",
        "OTEL_OOM_FORK_IDENTITY": "always",
        "OTEL_OOM_COMMAND_LINE": "true",
        "OTEL_OOM_CGROUPFS": "/a",
        "OTEL_METRIC_EXPORT_INTERVAL": "1",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_RESOURCE_ATTRIBUTES": "a=b",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "9",
        "OTEL_LOG_LEVEL": "error",
        "OTEL_OOM_SPOL": "a typing error",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    before, after = load_config({}), load_config(changed)
    assert [name for name in Config.__slots__ if getattr(before, name) == getattr(after, name)] == []
