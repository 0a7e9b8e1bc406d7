"""The commands. Data on stdout, messages on stderr; each failure is one line that says how to mend it.

Exit codes: 0 stopped on request, 2 usage, 66 no input, 69 no device, 70 a bug, 73 no spool, 75 another agent holds it,
77 no permission (see `errors`).
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from otel_oom import __version__
from otel_oom.errors import OtelOomError, UsageError

log = logging.getLogger(__name__)

_BUG = 70


class _Parser(argparse.ArgumentParser):
    """Says a usage error in one line, as every other error is said."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="otel-oom: %(levelname)s: %(message)s")
    for level, word in ((logging.WARNING, "warning"), (logging.ERROR, "error"), (logging.INFO, "info")):
        logging.addLevelName(level, word)
    try:
        options = _parser().parse_args(arguments)
        command: Callable[[argparse.Namespace], int] = {
            "run": _run,
            "demo": _demo,
            "parse": _parse,
            "schema": _schema,
        }[options.command]
        return command(options)
    except OtelOomError as error:
        log.error("%s", error)  # noqa: TRY400 one line, without a trace: it is the user's to mend
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # `otel-oom schema | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        log.exception("a bug in otel-oom %s; please report it with the lines below", __version__)
        return _BUG


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="otel-oom",
        description="Every kill by the kernel's OOM killer as one OTLP log record and one count.",
        epilog="Where to send it, and how, is set with the standard OTEL_* variables.",
    )
    parser.add_argument("--version", action="version", version=f"otel-oom {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser("run", help="watch this machine and deliver every kill until stopped")
    run.add_argument("--device", metavar="PATH", help="the kernel log device (OTEL_OOM_DEVICE; /dev/kmsg)")
    run.add_argument(
        "--from-ring",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="at a first start deliver what the kernel log still holds of this boot (OTEL_OOM_FROM_RING)",
    )
    run.add_argument(
        "--spool",
        metavar="DIRECTORY",
        help="where undelivered events and the counters survive a restart, or `none`: memory alone"
        " (OTEL_OOM_SPOOL; $STATE_DIRECTORY, else /var/lib/otel-oom, else the user's state directory)",
    )
    run.add_argument(
        "--spool-required",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="do not start without the spool (OTEL_OOM_SPOOL_REQUIRED)",
    )
    run.add_argument(
        "--oom-score-adj",
        metavar="N",
        help="how willingly the OOM killer takes the agent itself, -1000 (never) to 1000 (OTEL_OOM_SCORE_ADJ; -999)",
    )
    run.add_argument(
        "--identity-file",
        metavar="PATH",
        help="its text tells copies of this machine apart, beside host name and machine id (OTEL_OOM_IDENTITY_FILE)",
    )
    run.add_argument(
        "--fork-identity",
        metavar="WHEN",
        help="when the kernel says that its virtual machine was forked, count as another machine if the identity has"
        " `changed`, or `always` (OTEL_OOM_FORK_IDENTITY; changed)",
    )
    run.add_argument(
        "--command-line",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="ship the victim's command line where /proc still knows it; it may hold secrets (OTEL_OOM_COMMAND_LINE)",
    )

    commands.add_parser("demo", help="see a first OOM kill arrive, with nothing set up")

    parse = commands.add_parser(
        "parse",
        help="explain the kills in a kernel log: dmesg, journal, syslog, serial console, kmsg",
        description="Finds every kill in kernel log text, of any kernel from 2.6.32 on, and explains it.",
    )
    parse.add_argument("files", nargs="*", metavar="FILE", help="plain, gzip, bzip2 or xz; `-` or none: stdin")
    parse.add_argument("--output", choices=("text", "json"), default="text", help="json: one line for each kill")
    parse.add_argument(
        "--page-size", type=int, default=4096, metavar="BYTES", help="of the machine that wrote the text (4096)"
    )

    schema = commands.add_parser("schema", help="print the telemetry contract")
    schema.add_argument("--output", choices=("markdown", "json"), default="markdown")
    return parser


def _run(options: argparse.Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):  # a stop during the start ends it too
        signal.signal(number, lambda *_: sys.exit(0))
    from otel_oom.agent import start
    from otel_oom.config.settings import load_config
    from otel_oom.machine import memory_protection

    settings = load_config(
        os.environ,
        device=options.device,
        from_ring=options.from_ring,
        with_command_line=options.command_line,
        spool=options.spool,
        is_spool_required=options.spool_required,
        is_root=os.geteuid() == 0,
        oom_score_adj=options.oom_score_adj,
        identity_file=options.identity_file,
        fork_identity=options.fork_identity,
    )
    memory_protection.bound_threads()  # before the first of them
    problems = [memory_protection.lower_oom_score(settings.oom_score_adj)]
    agent = start.start(settings)
    problems += [agent.warm_up(), memory_protection.lock_memory()]
    for problem in filter(None, problems):
        log.warning("%s", problem)

    def stop(*_: object) -> None:
        signal.set_wakeup_fd(-1)  # once is enough, and the number may soon be another's
        agent.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # A signal may come to another thread, or just before the wait for the log: it must end that wait all the same.
    signal.set_wakeup_fd(agent.wake_fd, warn_on_full_buffer=False)
    log.info("watching %s; logs go to %s, metrics to %s", settings.device, settings.logs.where, settings.metrics.where)
    agent.run()
    log.info("stopped")
    return 0


def _demo(_: argparse.Namespace) -> int:
    from otel_oom.demo import command

    return command.run()


def _parse(options: argparse.Namespace) -> int:
    from otel_oom.parse import command

    return command.run(options.files, options.output, options.page_size)


def _schema(options: argparse.Namespace) -> int:
    from otel_oom.schema import render

    print(render.as_json() if options.output == "json" else render.markdown())
    return 0
