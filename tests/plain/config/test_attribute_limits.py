"""The four variables of the limits: which one wins, and the warnings."""

from __future__ import annotations

import pytest

from otel_oom.config.settings import load_config

ALL = "OTEL_ATTRIBUTE"
LOG = "OTEL_LOGRECORD_ATTRIBUTE"


@pytest.mark.parametrize(
    ("variables", "count", "characters", "warnings"),
    [
        ({}, 128, None, []),
        ({f"{ALL}_COUNT_LIMIT": "9", f"{ALL}_VALUE_LENGTH_LIMIT": "99"}, 9, 99, []),
        ({f"{LOG}_COUNT_LIMIT": "9", f"{LOG}_VALUE_LENGTH_LIMIT": "99"}, 9, 99, []),
        ({f"{LOG}_COUNT_LIMIT": "200", f"{ALL}_COUNT_LIMIT": "2"}, 200, None, []),
        ({f"{LOG}_VALUE_LENGTH_LIMIT": "200", f"{ALL}_VALUE_LENGTH_LIMIT": "2"}, 128, 200, []),
        (
            {f"{ALL}_COUNT_LIMIT": "many"},
            128,
            None,
            ["OTEL_ATTRIBUTE_COUNT_LIMIT='many' is not valid, so 128 applies; give a whole number from 0 to 999999999"],
        ),
        (
            {f"{LOG}_COUNT_LIMIT": "-1", f"{ALL}_COUNT_LIMIT": "50"},
            50,
            None,
            ["OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT='-1' is not valid, so OTEL_ATTRIBUTE_COUNT_LIMIT applies; give"],
        ),
        (
            {f"{ALL}_VALUE_LENGTH_LIMIT": "1e3"},
            128,
            None,
            ["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT='1e3' is not valid, so no limit applies; give a whole number from"],
        ),
        (
            {f"{ALL}_COUNT_LIMIT": "3"},
            3,
            None,
            ["OTEL_ATTRIBUTE_COUNT_LIMIT='3': event.name, log.record.uid, oom.scope, process.pid are sent"],
        ),
        ({f"{ALL}_COUNT_LIMIT": "4"}, 4, None, []),
        (
            {f"{LOG}_VALUE_LENGTH_LIMIT": "35"},
            128,
            35,
            ["OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT='35': names and identifiers are not cut; set OTEL_LOGRECORD"],
        ),
        ({f"{LOG}_VALUE_LENGTH_LIMIT": "36"}, 128, 36, []),
    ],
)
def test_limits(variables: dict[str, str], count: int, characters: int | None, warnings: list[str]) -> None:
    settings = load_config(variables)
    assert (settings.limits.count, settings.limits.characters) == (count, characters)
    assert len(settings.warnings) == len(warnings), settings.warnings
    assert [said for said, line in zip(settings.warnings, warnings, strict=True) if not said.startswith(line)] == []
