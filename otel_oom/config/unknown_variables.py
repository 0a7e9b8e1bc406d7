"""Warnings about variables whose names are almost those of a setting. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from otel_oom.config import python_sdk_variables, variables_without_effect
from otel_oom.config.options import OWN
from otel_oom.config.standard_variables import STANDARD

#: Variables of the Collector configuration that the agent comes with (`collector-config.yaml`).
_OF_COLLECTOR: Final = (
    "OTEL_OOM_BACKENDS",
    "OTEL_OOM_BACKEND_ENDPOINT",
    "OTEL_OOM_BACKEND_HEADERS",
    "OTEL_OOM_COLLECTOR_METRICS",
    "OTEL_OOM_FILE",
    "OTEL_OOM_METRICS_BACKENDS",
    "OTEL_OOM_OTLP_GRPC",
    "OTEL_OOM_OTLP_HTTP",
    "OTEL_OOM_PROMETHEUS",
    "OTEL_OOM_PROMETHEUS_EXPIRATION",
)
# Similarity of two names, 0 to 1 (difflib). `OLTP` for `OTLP` and `METRICS` for `METRIC` leave an endpoint above
# 0.95. The nearest name of another signal, the endpoint of profiles, is at 0.88.
_TYPO: Final = 0.93
_NEAR: Final = 0.5  # for the part of a name that follows OTEL_OOM_
_OWN: Final = "OTEL_OOM_"


def warnings(names: Iterable[str]) -> Iterator[str]:
    """One line for each unknown OTEL_OOM_* variable, and for each other OTEL_* name that is a typing error.

    names: of all variables that are set
    """
    own = [item.variable.removeprefix(_OWN) for item in OWN]
    standard = [name for item in STANDARD for name in item.all_variables]
    known = {
        *(item.variable for item in OWN),
        *_OF_COLLECTOR,
        *standard,
        *variables_without_effect.REFUSED,
        *variables_without_effect.WITHOUT_MEANING,
        *python_sdk_variables.WITH_EFFECT,
        *python_sdk_variables.WITHOUT_MEANING,
    }
    for name in sorted(name for name in names if name.startswith("OTEL_") and name not in known):
        from difflib import get_close_matches  # imported only where a name is unknown

        if name.startswith(_OWN):
            near = get_close_matches(name.removeprefix(_OWN), own, 1, _NEAR)
            hint = f"did you mean {_OWN}{near[0]}?" if near else "`otel-oom run --help` lists all variables"
            yield f"{name} is unknown and has no effect; {hint}"
        elif near := get_close_matches(name, standard, 1, _TYPO):
            yield f"{name} is unknown and has no effect; did you mean {near[0]}?"
