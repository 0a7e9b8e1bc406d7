"""The tables of the documents: a row for each setting, each with the same number of cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest

from otel_oom.config import python_sdk_variables as python
from otel_oom.config import settings_tables
from otel_oom.config import variables_without_effect as others
from otel_oom.config.options import OWN
from otel_oom.config.standard_variables import STANDARD


@pytest.mark.parametrize(
    ("render", "names"),
    [
        (settings_tables.own_settings, [item.variable for item in OWN]),
        (settings_tables.standard_variables, [item.variable for item in STANDARD]),
        (settings_tables.python_variables, python.WITH_EFFECT),
        (settings_tables.refused_variables, others.REFUSED),
        (settings_tables.variables_without_meaning, [*others.WITHOUT_MEANING, *python.WITHOUT_MEANING]),
    ],
)
def test_the_tables_have_a_row_for_every_setting(render: Callable[[], str], names: Iterable[str]) -> None:
    head, rule, *rows = render().splitlines()
    assert {line.count("|") for line in (head, rule, *rows)} == {head.count("|")}
    assert [re.findall(r"`(OTEL_\w+)`", row)[0] for row in rows] == list(names)


def test_a_row_says_what_an_invalid_value_does() -> None:
    assert "| `OTEL_OOM_SPOOL` | `$STATE_DIRECTORY`, else" in settings_tables.own_settings()
    assert re.search(r"`OTEL_EXPORTER_OTLP_ENDPOINT` .* \| exit code 2 \|", settings_tables.standard_variables())
    assert re.search(
        r"`OTEL_EXPORTER_OTLP_TIMEOUT` \| `4000` \| yes \|.* \| warning, the default applies \| the spec",
        settings_tables.standard_variables(),
    )
