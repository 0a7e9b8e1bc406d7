"""The program `otel-oom`, also as `python -m otel_oom`."""

import signal
import sys


def main() -> int:
    """Load the command line and run it; returns the exit code.

    While modules load (0.1 s), Ctrl-C ends the process as it ends any other one. Python would print a traceback.
    """
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from otel_oom.cli import main as command  # noqa: PLC0415 see above

    if is_default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return command.main()


if __name__ == "__main__":
    sys.exit(main())
