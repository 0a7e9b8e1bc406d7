"""Who sends: the resource of all telemetry."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.sdk.resources import OTELResourceDetector, Resource


def resource(defaults: Mapping[str, str]) -> Resource:
    """Our defaults where the user set nothing: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    chosen = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in defaults.items() if value and not chosen.get(name)})
