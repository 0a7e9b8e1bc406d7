"""Log lines of `otel-oom run` in place of two warnings of the SDK, each of them once and with a remedy.

The SDK logs what it refuses in the environment while it is imported. `run` calls this module before that import.
"""

from __future__ import annotations

import logging
import os
from functools import cache

from otel_oom.config.standard_variables import HEADERS

log = logging.getLogger(__name__)


def replace_sdk_warnings() -> None:
    """Replace the SDK's lines about a malformed header, and about a resource detector that is not installed."""
    logging.getLogger("opentelemetry.util.re").addFilter(_replace_header_warning)
    logging.getLogger("opentelemetry.sdk.resources").addFilter(_replace_detector_error)


def _replace_header_warning(record: logging.LogRecord) -> bool:
    """Drop the SDK's warning, which quotes the header: the header may be a key.

    Source: opentelemetry-api 1.45, util/re: the header is the argument of the message.
    """
    for variable in HEADERS.all_variables:
        if str(record.args[0] if isinstance(record.args, tuple) else "") in os.environ.get(variable, ""):
            _warn_of_header(variable)
    return False


def _replace_detector_error(record: logging.LogRecord) -> bool:
    """Drop the SDK's tracebacks.

    Source: opentelemetry-sdk 1.45, resources/__init__.py, _build_resource_detectors().
    """
    _warn_of_detector(record.getMessage())
    return False


@cache
def _warn_of_header(variable: str) -> None:
    """Log the line once for each variable: the exporters of both signals read it."""
    log.warning("%s: a header is left out because it is malformed; write name=value,name=value", variable)


@cache
def _warn_of_detector(message: str) -> None:
    """Log the line once for each message: the SDK logs it for each resource."""
    log.warning("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS: %s; install the package that has it, or leave it out", message)
