"""For all levels: the profiles of hypothesis, and the search for a secret in all output (support/canary.py)."""

import os

from hypothesis import Phase, settings

pytest_plugins = ["support.canary"]

# The time of one example depends on the load of the machine. Where it matters, `test_linear_time` checks it.
# OTEL_OOM_REPEATABLE: draw the same examples in each run, so that a check of a commit gives one answer.
settings.register_profile("no deadline", deadline=None, derandomize="OTEL_OOM_REPEATABLE" in os.environ)
# tests/mutants.py needs a failure, and not its smallest example.
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("no deadline")
