"""`otel-oom run`: starts the agent, and stops it on SIGTERM, SIGINT or SIGHUP."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from otel_oom.cli.log_output import LogOutput, trace_crashes
from otel_oom.cli.run_lines import SpoolState, spool_line, stop_lines, version_line
from otel_oom.cli.sdk_warnings import replace_sdk_warnings
from otel_oom.config import options
from otel_oom.config.flags import with_flags
from otel_oom.config.log_settings import read_log_settings
from otel_oom.printable_text import printable_line

if TYPE_CHECKING:
    from otel_oom.agent.start import ReadyAgent
    from otel_oom.config.settings import Config

log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace, output: LogOutput) -> int:
    """Run the agent until a signal stops it; returns the exit code."""
    # nohup(1) ignores SIGHUP for its command. Else it says that the terminal is gone: then the agent stops as well.
    stops = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        stops.append(signal.SIGHUP)
    stops_during_start: list[int] = []

    def stop_starting(number: int, _: object) -> NoReturn:
        stops_during_start.append(number)  # Python drops the exception inside a finalizer, so the stop is noted as well
        sys.exit(0)

    for number in stops:
        signal.signal(number, stop_starting)
    flags = {setting.name: getattr(arguments, setting.name) for setting in options.WITH_FLAG}
    # Before all other lines, also those of a failure.
    output.use_format(read_log_settings(with_flags(os.environ, flags)).format, os.environ)
    from otel_oom.machine import memory_protection, process_limits, service_manager

    os.umask(0o077)  # the spool is for this user alone; under an inherited 0777 this user could not open it
    memory_protection.bound_threads()  # before the first of them
    problems = [process_limits.check_process_limits()]
    output.write_in_background()  # before the import of the SDK, which logs what it refuses
    trace_crashes()
    service = service_manager.find_service_manager(os.environ, os.getpid())
    from otel_oom.config.environment import hide_from_sdk
    from otel_oom.config.settings import load_config

    replace_sdk_warnings()
    settings = load_config(os.environ, is_root=os.geteuid() == 0, **flags)
    logging.getLogger("otel_oom").setLevel(settings.log.level)
    logging.getLogger("opentelemetry").setLevel(max(settings.log.level, logging.INFO))
    process_limits.check_threads(uses_grpc="grpc" in {settings.logs.protocol, settings.metrics.protocol})
    for warning in settings.warnings:
        log.warning("%s", warning)
    hide_from_sdk(os.environ)  # before the import of the SDK, which reads some of them
    from otel_oom.agent import start
    from otel_oom.liveness.answering_socket import open_answering_socket

    problems.append(memory_protection.lower_oom_score(settings.oom_score_adj))
    agent = start.prepare(settings, reads_trace=True, open_asked=lambda: open_answering_socket(settings.spool))
    problems += [agent.warm_up(), memory_protection.lock_memory()]
    for problem in filter(None, problems):
        log.warning("%s", problem)

    def stop(number: int, _: object) -> None:
        signal.set_wakeup_fd(-1)  # once is enough, and the number may soon belong to another file
        for later in stops:
            signal.signal(later, signal.SIG_DFL if later == signal.SIGINT else signal.SIG_IGN)
        agent.stop()
        name = signal.Signals(number).name
        service.stopping(f"{name}: delivers what is left")
        log.info("%s: delivers what is left, for 3 s at most; another SIGINT (Ctrl-C) ends at once", name)

    for number in stops:
        signal.signal(number, stop)
    if stops_during_start:
        return 0
    # Another thread may receive the signal, or it may come just before the wait for the log: it must end that wait.
    signal.set_wakeup_fd(agent.wake_fd, warn_on_full_buffer=False)
    _log_start(settings, agent)
    service.ready(printable_line(f"watching {settings.device}"))
    agent.run(service)
    _log_stop(settings, agent)
    if agent.sender.is_alive():
        _exit_without_cleanup(output)
    return 0


def _log_start(settings: Config, agent: ReadyAgent) -> None:
    log.info("%s", version_line(os.getpid()))
    log.info("%s", spool_line(_spool_state(settings, agent)))
    log.info("watching %s; logs go to %s, metrics to %s", settings.device, settings.logs.where, settings.metrics.where)


def _log_stop(settings: Config, agent: ReadyAgent) -> None:
    has_delivered_totals = agent.sender.has_delivered_totals
    for line in stop_lines(
        _spool_state(settings, agent), agent.sender.delivered, has_delivered_totals=has_delivered_totals
    ):
        log.log(logging.ERROR if line.is_loss else logging.INFO, "%s", line.text)
    log.info("stopped")


def _spool_state(settings: Config, agent: ReadyAgent) -> SpoolState:
    checkpoint = agent.spool.checkpoint
    counted = [checkpoint.totals] + ([checkpoint.carried_over] if checkpoint.carried_over else [])
    kills = sum(sum(totals.kills.values()) for totals in counted)
    directory = str(settings.spool) if settings.spool else None
    return SpoolState(directory, agent.health.is_durable is True, len(agent.spool), kills)


def _exit_without_cleanup(output: LogOutput) -> NoReturn:
    """End with exit code 0 while the sender is still in a library: nothing waits for it any longer.

    OpenSSL frees its tables when a process exits in the usual way. A thread that was reading certificates then ended
    the process with SIGSEGV (6 of 160 stops in an outage; OpenSSL 3.0, gRPC with TLS).
    """
    output.close()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(0)
