"""What a kill line and its report say together. No I/O.

Rules:
- The kill line holds the victim's name alone: it decides how the lines with several names in them are cut.
- A report of another scope is another kill's: it is left out.
- None is what the kernel did not say.
"""

from __future__ import annotations

from dataclasses import dataclass

from otel_oom.kernel import oom_lines
from otel_oom.kernel.cgroup_lines import Summary
from otel_oom.kernel.kmsg_record import printable
from otel_oom.kernel.oom_report import Context, Report
from otel_oom.schema import Scope


@dataclass(frozen=True, slots=True)
class KillFacts:
    """What a kill line and its report say together.

    cgroup: where the victim lived; selected_pid, selected_uid: of the process that the `oom-kill:` line names
    """

    scope: Scope
    context: Context
    cgroup: str | None = None
    selected_pid: int | None = None
    selected_uid: int | None = None


def interpret(line: oom_lines.Killed, report: Report | None, otherwise: Scope = "system") -> KillFacts:
    """Read a report in the light of its kill line. A report of another scope is another kill's: it is left out.

    otherwise: the scope of a line that does not say it and has no report.
    """
    scope = _scope(line, report, otherwise)
    summary = report.summary(line.comm) if report else None
    if report is not None and _contradicts(report, summary, scope):
        report = summary = None
    constraint = _constraint(line, report, summary, scope)
    if report is None or not (report.opener or report.heads or report.lost):
        return KillFacts(scope, Context("suppressed", constraint))
    if summary is not None:
        cgroup, memcg_path = summary.task_memcg, summary.oom_memcg
    else:
        cgroup, memcg_path = report.task_in() or (None, report.stats())
    opener = report.opener
    has_end = report.announced is not None if summary is None else summary.pid is not None
    is_whole = opener and opener["order"] is not None and has_end
    usage, limit = report.usage or (None, None)
    sizes = report.sizes if scope == "system" else {}  # in a memcg's report they are a foreign show_mem's
    context = Context(
        completeness="full" if is_whole else "partial",
        constraint=constraint,
        memcg_path=name(memcg_path),
        memcg_usage=usage,
        memcg_limit=limit,
        trigger_comm=name(opener.get("comm")),
        trigger_pid=report.trigger_pid,
        trigger_gfp_mask=opener.get("gfp_mask"),
        trigger_order=int(order) if (order := opener.get("order")) else None,
        memory_total=sizes.get("memory_total"),
        memory_free=sizes.get("memory_free"),
        swap_total=sizes.get("swap_total"),
        swap_free=sizes.get("swap_free"),
        top_tasks=tuple(task for _, _, task in sorted(report.tasks, reverse=True)),
    )
    selected: tuple[int | None, int | None] = (None, None)
    # Until 5.0 the kernel announces a process and may then kill a child of it: another pid is not its thread's.
    if summary is not None and (report.announced is None or summary.pid == line.pid):
        selected = (summary.pid, summary.uid)
    return KillFacts(scope, context, name(cgroup), *selected)


def name(text: str | None) -> str | None:
    """A name as telemetry shows it, or None where there is none."""
    return None if text is None else printable(text)


def _scope(line: oom_lines.Killed, report: Report | None, otherwise: Scope) -> Scope:
    """Whose memory ran out. The line says it; before 5.1 the announcement does, or else the report's own lines."""
    cause = _cause(line, report)
    if cause is not None:
        return "cgroup" if cause.startswith(oom_lines.MEMCG_CAUSE) else "system"
    return "cgroup" if report is not None and report.is_memcg else otherwise


def _contradicts(report: Report, summary: Summary | None, scope: Scope) -> bool:
    if scope == "system":
        return report.is_memcg
    return (summary is not None and summary.is_global) or bool(report.sizes and not report.is_memcg)


def _constraint(line: oom_lines.Killed, report: Report | None, summary: Summary | None, scope: Scope) -> str | None:
    # 5.0 to 5.2 print CONSTRAINT_NONE for memcg kills too: the message is right.
    if scope == "cgroup" and (summary is None or summary.constraint == "CONSTRAINT_NONE"):
        return "memcg"
    if summary is None:
        return oom_lines.POLICY_CAUSES.get(_cause(line, report) or "")
    return summary.constraint.removeprefix("CONSTRAINT_").lower()


def _cause(line: oom_lines.Killed, report: Report | None) -> str | None:
    return line.cause or (report.announced if report else None)
