"""For all levels."""

from hypothesis import settings

# How long one example takes is the machine's business: `plain/test_hostile_time` asks for linear time where it matters.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
