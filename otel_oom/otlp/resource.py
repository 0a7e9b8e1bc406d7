"""The resource and the instrumentation scope of all telemetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.sdk.resources import Resource

from otel_oom import schema
from otel_oom.totals import ResourceIdentity

SCOPE_NAME: Final = "otel-oom"
"""Without a version: a collector keeps series per version of the scope, so for some minutes after an upgrade it would
show the old totals beside the new ones. The version is `service.version` of the resource."""


def resource_builder(defaults: Mapping[str, str], chosen: Mapping[str, str]) -> Callable[[ResourceIdentity], Resource]:
    """Return a function that makes the resource of an identity: its attributes, and our defaults.

    chosen: by the user (OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME); they replace both, unless they are empty
    """

    def without_chosen(values: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in values.items() if value and not chosen.get(name)}

    # With the attributes of OTEL_EXPERIMENTAL_RESOURCE_DETECTORS, which the SDK reads.
    common = Resource.create({**chosen, **without_chosen(defaults)})

    def resource_of(identity: ResourceIdentity) -> Resource:
        own = {
            schema.SERVICE_INSTANCE_ID: identity.service_instance_id,
            schema.HOST_NAME: identity.host_name,
            schema.HOST_ID: identity.host_id,
        }
        resource = common.merge(Resource(without_chosen(own)))
        # Not in the merge: it keeps nothing of a resource whose schema differs, and a detector may have set one.
        return Resource(resource.attributes, resource.schema_url or schema.SCHEMA_URL)

    return resource_of
