"""Combines a kill line and its report to the facts of one kill. No I/O.

Rules:
- Only the kill line holds the victim's name without other names: it decides how lines with several names are cut.
- A report of another scope belongs to another kill, and is ignored.
- None: the kernel did not print it.
"""

from __future__ import annotations

from dataclasses import replace

from otel_oom.kernel import cgroup_lines, oom_lines
from otel_oom.kernel.cgroup_lines import Summary
from otel_oom.kernel.kill_context import Context
from otel_oom.kernel.kill_line import KillLine
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.oom_report import Report
from otel_oom.kernel.text_escapes import printable
from otel_oom.schema import Scope


def interpret(
    line: KillLine,
    report: Report | None,
    default_scope: Scope = "system",
    *,
    record: Record,
    observed_ns: int,
    boot_id: str,
) -> OomKill:
    """Combine a kill line and the report before it.

    default_scope: of a line that does not name its scope and has no report
    record, observed_ns, boot_id: see `OomKill`
    """
    if report is not None and line.cause is not None:
        report.heads.pop(cgroup_lines.TASK_IN, None)  # no kernel prints both, so this line is another subsystem's
    scope = _scope(line, report, default_scope)
    summary = report.summary(line.comm) if report else None
    if report is not None and _contradicts(report, summary, scope, line):
        report = summary = None
    constraint = _constraint(line, report, summary, scope)
    if report is None or not (report.opener or report.heads or report.has_gap):
        context = Context("suppressed", constraint)
        return OomKill(record, observed_ns, boot_id, line, scope, context, real_user_id=line.user_id)
    if summary is not None:
        cgroup, memcg_path = summary.task_memcg, summary.oom_memcg
    else:
        cgroup, memcg_path = report.task_in() or (None, report.stats())
    context = _context(report, summary, constraint, memcg_path)
    # In a memcg's report, lines with the machine's memory come from another show_mem().
    context = _with_machine(context, report) if scope == "system" else replace(context, memcg=report.memcg_usage())
    tgid, user_id = None, line.user_id
    # Until 5.0 the kernel announces a process and may then kill a child of it: a different pid is no thread of it then.
    if summary is not None and (report.announced is None or summary.pid == line.pid):
        tgid = None if summary.pid == line.pid else summary.pid
        user_id = summary.user_id if user_id is None else user_id
    return OomKill(record, observed_ns, boot_id, line, scope, context, tgid, user_id, _printable(cgroup))


def _context(report: Report, summary: Summary | None, constraint: str | None, memcg_path: str | None) -> Context:
    """Return what a report says, without what filled the memory."""
    opener = report.opener
    has_end = report.announced is not None if summary is None else summary.pid is not None
    is_whole = opener is not None and opener.order is not None and has_end
    return Context(
        completeness="full" if is_whole else "partial",
        constraint=constraint,
        memcg_path=_printable(memcg_path),
        memcg_usage=report.memcg.usage,
        memcg_limit=report.memcg.limit,
        trigger_comm=_printable(opener.comm) if opener else None,
        trigger_pid=report.trigger_pid,
        trigger_gfp_mask=opener.gfp_mask if opener else None,
        trigger_order=opener.order if opener else None,
        top_tasks=report.table.top_tasks(),
        tasks=report.table.totals(),
    )


def _with_machine(context: Context, report: Report) -> Context:
    sizes, (nodemask, mems_allowed) = report.machine_sizes, report.nodes()
    return replace(
        context,
        memory_total=sizes.get("memory_total"),
        memory_free=sizes.get("memory_free"),
        swap_total=sizes.get("swap_total"),
        swap_free=sizes.get("swap_free"),
        machine=report.machine_usage(),
        nodemask=nodemask,
        mems_allowed=mems_allowed,
        page_size=report.machine.printed_page_size,
    )


def _printable(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _scope(line: KillLine, report: Report | None, default_scope: Scope) -> Scope:
    """Return the scope: from the kill line, before 5.1 from the announcement, else from other lines of the report."""
    cause = _cause(line, report)
    if cause is not None and line.has_known_cause:
        return "cgroup" if cause.startswith(oom_lines.MEMCG_CAUSE) else "system"
    return "cgroup" if report is not None and report.is_memcg else default_scope


def _contradicts(report: Report, summary: Summary | None, scope: Scope, line: KillLine) -> bool:
    """Return whether the report is that of another kill, which had no kill line, or of another process."""
    if summary is not None and None not in (summary.user_id, line.user_id) and summary.user_id != line.user_id:
        return True
    if scope == "system":
        return report.is_memcg
    return (summary is not None and summary.is_global) or bool(report.machine_sizes and not report.is_memcg)


def _constraint(line: KillLine, report: Report | None, summary: Summary | None, scope: Scope) -> str | None:
    if not line.has_known_cause:
        return line.cause
    # 5.0 to 5.2 print CONSTRAINT_NONE for memcg kills too: the kill line is right.
    if scope == "cgroup" and (summary is None or summary.constraint == "CONSTRAINT_NONE"):
        return "memcg"
    if summary is None:
        return oom_lines.POLICY_CAUSES.get(_cause(line, report) or "")
    return summary.constraint.removeprefix("CONSTRAINT_").lower()


def _cause(line: KillLine, report: Report | None) -> str | None:
    return line.cause or (report.announced if report else None)
