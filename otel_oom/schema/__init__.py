"""THE table of all telemetry: every event, attribute, metric and resource attribute, with its type, unit and meaning.

The code takes its names from here, `otel-oom schema` prints it (`render`), and tests hold the documents, deploy/ and
what a real Collector received against it. No other file spells a telemetry name.

Rules:
- A record's time is the wall clock at the read of the kill line. The kernel log's own time is an attribute beside it
  and never a stamp, a filter or an order: that clock stands still while a machine sleeps.
- Attribute values are absent where the kernel did not print them: absent is not zero.
- Sizes are bytes (`By`). Every record carries `event.name` beside its EventName, which some stores drop.
- No pid, name, cgroup or container on a metric: their number has no bound.
"""

from otel_oom.schema.attributes import *  # noqa: F403 one table in four files
from otel_oom.schema.events import *  # noqa: F403
from otel_oom.schema.metrics import *  # noqa: F403
from otel_oom.schema.resource import *  # noqa: F403
