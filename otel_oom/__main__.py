"""`python -m otel_oom` is `otel-oom`."""

import sys

from otel_oom.cli import main

if __name__ == "__main__":
    sys.exit(main())
