"""Renders the tables of settings as Markdown, for docs/configuration.md. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from otel_oom.config import python_sdk_variables, variables_without_effect
from otel_oom.config.options import OWN
from otel_oom.config.setting import Setting
from otel_oom.config.standard_variables import STANDARD


def own_settings() -> str:
    """The settings of otel-oom alone."""
    return _table(
        ("flag of `run`", "variable", "default", "meaning", "an invalid value"),
        (
            (
                f"`{item.flag} {item.metavar}`".replace(" `", "`"),
                f"`{item.variable}`",
                _default(item),
                item.meaning,
                item.invalid,
            )
            for item in OWN
        ),
    )


def standard_variables() -> str:
    """The variables of the OpenTelemetry specification that have an effect."""
    return _table(
        ("variable", "default", "per signal", "meaning", "an invalid value", "difference from the specification"),
        (
            (
                f"`{item.variable}`",
                _default(item),
                "yes" if item.is_per_signal else "",
                item.meaning,
                item.invalid,
                item.difference,
            )
            for item in STANDARD
        ),
    )


def python_variables() -> str:
    """The variables of the Python SDK that have an effect."""
    return _pairs(("variable", "meaning"), python_sdk_variables.WITH_EFFECT)


def refused_variables() -> str:
    """The variables of the specification that end the start or cause a warning."""
    return _pairs(("variable", "what happens"), variables_without_effect.REFUSED)


def variables_without_meaning() -> str:
    """The variables of the specification and of the Python SDK that have no meaning here."""
    return _pairs(
        ("variable", "why"),
        {**variables_without_effect.WITHOUT_MEANING, **python_sdk_variables.WITHOUT_MEANING},
    )


def _default(item: Setting) -> str:
    return item.default_note or (f"`{item.default}`" if item.default else "")


def _pairs(head: tuple[str, str], rows: Mapping[str, str]) -> str:
    return _table(head, ((f"`{name}`", text) for name, text in rows.items()))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows))
