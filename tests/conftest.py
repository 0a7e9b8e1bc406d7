"""For all levels."""

from hypothesis import settings

# The time of one example depends on the load of the machine. Where it matters, `test_linear_time` checks it.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
