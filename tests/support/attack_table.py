"""THE table of attackers: what each can reach, what it cannot, and the tests that show it. The documents show it.

A test is named by its file below tests/ and its function. What has no test is said to have none, in `can`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Attacker:
    """A row. name: who; can, cannot: ends of sentences that begin "can …" and "cannot …"."""

    name: str
    can: str
    cannot: str
    tests: tuple[str, ...]


ATTACKERS: Final = (
    Attacker(
        "any user: names of processes, also of those that crash; a user namespace of their own",
        "choose the text of a name, and the end of a cgroup path below an own cgroup",
        "shift a field, add, hide or group a kill, give another kill a cgroup, sizes or a trigger, or write an "
        "unprintable character",
        (
            "plain/kernel/test_kill_assembler_names_first.py::test_a_line_that_begins_with_a_name_changes_no_kill",
            "plain/kernel/test_kill_assembler_hostile.py",
            "plain/kernel/test_path_line.py",
            "kernel/test_forged.py::test_in_a_user_namespace_a_mount_chooses_no_beginning_of_a_line",
            "kernel/test_forged.py::test_a_process_that_is_named_like_a_group_line_groups_nothing",
            "plain/machine/test_victim_cgroup.py::test_the_process_must_be_dying_and_have_the_name",
        ),
    ),
    Attacker(
        "any user: a terminal or a log line that shows what they chose",
        "choose printable text that is shown",
        "send a control, bidirectional or invisible character, or begin a second log line",
        (
            "plain/test_terminal.py",
            "plain/test_printable_text.py::test_every_character_is_shown_or_escaped",
            "plain/cli/test_log_output.py::test_no_text_can_begin_a_second_line",
        ),
    ),
    Attacker(
        "any user: the port of `otel-oom demo`",
        "see that the port is open, and end the demo with exit code 1 by a flood of connections (no test)",
        "post a record, have text printed, or have a body read",
        (
            "plain/demo/test_command.py::test_what_others_post_to_the_port_is_not_shown",
            "plain/demo/test_otlp_receiver.py::test_nobody_else_can_post",
            "plain/demo/test_otlp_receiver.py::test_silent_connections_do_not_add_up",
        ),
    ),
    Attacker(
        "a writer of `/dev/kmsg`",
        "raise `otel_oom.records` with outcome `refused`",
        "write as the kernel: facility 0 is the kernel's alone",
        ("kernel/test_run.py::test_what_user_space_writes_is_refused_and_counted",),
    ),
    Attacker(
        "CAP_SYS_ADMIN in the initial user namespace, also in a container: the source of a mount",
        "forge a kill line, where the kernel cuts its own words off: its record is marked `oom.unconfirmed`, and "
        "counted in `oom.unconfirmed_kills` (from Linux 4.13 on). The mark is missing while a kill that was "
        "counted has no line yet, in the first 5 s of an agent, and for lines from before its first start (no test). "
        "Within a report it takes the facts of the report away from the true kill (no test)",
        "give a true kill any fact, forge an OOM without a victim, or group kills",
        (
            "kernel/test_forged.py::test_the_source_of_a_mount_is_no_kill",
            "kernel/test_forged.py::test_a_whole_kill_line_without_a_word_of_the_kernel_behind_it_is_marked",
            "kernel/test_forged.py::test_a_whole_line_without_a_word_of_the_kernel_behind_it_gives_no_fact",
            "plain/kernel/test_kill_assembler_chosen_text.py::test_a_mount_changes_no_kill",
        ),
    ),
    Attacker(
        "CAP_NET_ADMIN (any user where `nf_log_all_netns` is 1): the prefix of a firewall's log rule",
        "raise `otel_oom.records` with outcome `refused`",
        "forge a kill, or give a kill any fact",
        (
            "kernel/test_forged.py::test_the_prefix_of_a_firewall_rule_is_no_kill_and_no_fact",
            "plain/kernel/test_kill_assembler_chosen_text.py::test_a_rule_of_netfilter_changes_no_kill",
        ),
    ),
    Attacker(
        "code in the kernel: a module, a policy in BPF",
        "forge all that it likes. A module's kill line that the counter does not have is marked",
        "have a line with an unknown cause taken for a kill that the counter does not have",
        (
            "kernel/test_forged.py::test_a_kill_line_that_the_counter_does_not_have_is_marked_counted_and_published",
            "plain/agent/test_loop_confirmation.py",
        ),
    ),
    Attacker(
        "who can write the spool's directory",
        "remove the spool (noticed, events stay in memory), keep it unused (one line, `otel_oom.spool.durable` is 0), "
        "or put an older file of the agent back (no test)",
        "write into another file through a link, forge events or totals, run a trigger in the agent, read events, "
        "share an instance id with a second agent, or end the agent",
        (
            "plain/spool/test_file_trust.py",
            "plain/spool/test_directory_lock.py",
            "plain/spool/test_directory_lock_agents.py",
            "plain/spool/test_sqlite_store.py::test_a_removed_file_is_noticed",
        ),
    ),
    Attacker(
        "who can write the directory above it",
        "remove or rename the spool, or keep it unused, as above",
        "have the agent use a directory or a link of theirs",
        (
            "plain/spool/test_file_trust.py::test_a_directory_of_another_user_is_not_used",
            "plain/spool/test_file_trust.py::test_a_link_of_another_user_is_not_followed",
        ),
    ),
    Attacker(
        "the collector",
        "reject an event (logged, counted, kept in the table `refused`), accept and discard, read what it gets. Over "
        "gRPC a flood of frames takes hundreds of MiB until the timeout ends the call (measured, no test)",
        "have an event dropped by a page, a proxy's answer, an early or a false acceptance, or a size limit; hold the "
        "agent longer than the timeout; over HTTP take more than 20 MiB; send the key elsewhere by a redirect; put a "
        "secret into the log",
        (
            "plain/otlp/test_http_acceptance.py",
            "plain/otlp/test_grpc_answer.py::test_what_is_no_acceptance_keeps_the_data",
            "plain/otlp/test_grpc_answer_sizes.py::test_an_answer_that_is_too_large_is_no_rejection",
            "plain/otlp/test_http_connection.py::test_an_acceptance_before_the_end_of_the_request_is_none",
            "plain/otlp/test_http_exchange_lies.py::test_a_lying_server",
            "plain/otlp/test_grpc_exporter_lies.py::test_a_lying_server",
            "plain/otlp/test_http_provider_session.py::test_a_redirect_is_not_followed",
            "plain/cli/test_log_output_secrets.py",
        ),
    ),
    Attacker(
        "the network, and a proxy",
        "without TLS all that a collector can. With TLS stop the traffic",
        "with TLS get the key or pass for the collector with a certificate of another issuer or name (over gRPC a "
        "common name alone is accepted: a limit of its library); have data lost by a proxy's refusal",
        (
            "plain/otlp/test_http_provider_session.py::test_a_server_of_another_authority_gets_no_key",
            "plain/otlp/test_tls_failure.py",
            "plain/otlp/test_http_proxy.py::test_no_refusal_by_a_forwarding_proxy_loses_data",
            "plain/otlp/test_http_exchange_lies.py::test_a_lying_proxy",
        ),
    ),
)


def table() -> str:
    """The table as Markdown."""
    rows = [
        f"| {one.name} | {one.can} | {one.cannot} | {', '.join(dict.fromkeys(map(_shown, one.tests)))} |"
        for one in ATTACKERS
    ]
    return "\n".join(["| attacker | can | cannot | tests |", "| --- | --- | --- | --- |", *rows])


def _shown(test: str) -> str:
    """The name of a test in the document: its file alone."""
    return f"`{test.partition('::')[0]}`"
