"""The table of all telemetry: every event, attribute, metric and resource attribute, with type, unit and meaning.

All code takes its names from here, and no other file spells one. `otel-oom schema` prints the table (`render`). Tests
compare it with the documents, with deploy/ and with the data that a real Collector received.

Rules:
- A log record's time is the wall clock at the read of the kill line. The kernel log's own time is only an attribute,
  never a stamp, a filter or an order: that clock stops while a machine is suspended.
- An attribute is absent if the kernel did not print its value: absent is not zero.
- Sizes are bytes (`By`). Every log record carries `event.name` beside its EventName, which some backends drop.
- A metric has no pid, name, cgroup or container: their cardinality is unbounded.
"""

from otel_oom.schema.attribute import *  # noqa: F403 one table in several files
from otel_oom.schema.attributes import *  # noqa: F403
from otel_oom.schema.cgroup_attributes import *  # noqa: F403
from otel_oom.schema.events import *  # noqa: F403
from otel_oom.schema.memory_attributes import *  # noqa: F403
from otel_oom.schema.metrics import *  # noqa: F403
from otel_oom.schema.resource import *  # noqa: F403
