"""`python -m otel_oom` is the same program as `otel-oom`."""

import sys

from otel_oom.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
