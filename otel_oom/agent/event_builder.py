"""Builds events from findings, with what /proc knows of a victim.

Rules:
- If something fails, the kill is delivered without what is known beside its lines. The record counts as malformed,
  once.
- The kernel prints "no killable processes" at each try. That is one event a minute, with the number of tries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from otel_oom.agent.victim_cgroups import UNKNOWN, VictimCgroup
from otel_oom.health import Health
from otel_oom.kernel.oom_kill import NoVictim, OomKill
from otel_oom.telemetry import kill_event, other_events
from otel_oom.telemetry.event import Event, Value
from otel_oom.telemetry.kill_event import LiveFacts

_NO_VICTIM_S: Final = 60.0


class EventBuilder:
    """Builds the events of findings.

    look_at_victim: what /proc knows of a victim, by attribute name
    log_epoch_ns: wall clock at the kernel log's time 0, as first seen in this boot, ns
    previous_pid: of an agent that did not end as it should, 0 for none
    """

    def __init__(
        self,
        health: Health,
        boot_id: str,
        look_at_victim: Callable[[OomKill], Mapping[str, Value]],
        *,
        log_epoch_ns: int,
        previous_pid: int,
    ) -> None:
        self._health = health
        self._boot_id = boot_id
        self._look_at_victim = look_at_victim
        self._log_epoch_ns = log_epoch_ns
        self._previous_pid = previous_pid
        self._tries = 0
        self._tries_muted_until_s = 0.0

    def events_of(
        self,
        finding: OomKill | NoVictim,
        cgroup: VictimCgroup = UNKNOWN,
        *,
        is_backlog: bool,
        is_unconfirmed: bool = False,
    ) -> list[Event]:
        """The events of one finding, none where they cannot be built.

        cgroup: of the victim, as far as it is known beside the report
        is_backlog: it is older than this agent; is_unconfirmed: see `LiveFacts`
        """
        bare = LiveFacts(is_backlog=is_backlog, is_unconfirmed=is_unconfirmed)
        try:
            if isinstance(finding, NoVictim):
                return self._no_victim(finding)
            facts = replace(bare, cgroup=cgroup.path, cgroup_source=cgroup.source, cgroup_tail=cgroup.tail)
            kill = kill_event.kill_event(finding, facts if is_backlog else self._live_facts(finding, facts))
            return [kill, *(self._own_death(finding) if is_backlog else [])]
        except Exception as error:  # noqa: BLE001 the kill is delivered all the same
            self._health.record_failed(finding.record.text.encode(), error)
        try:
            return [kill_event.kill_event(finding, bare)] if isinstance(finding, OomKill) else []
        except Exception as error:  # noqa: BLE001 the record is counted already
            self._health.bug("the event builder", error)
            return []

    def _no_victim(self, finding: NoVictim) -> list[Event]:
        self._tries += 1
        now_s = time.monotonic()
        if now_s < self._tries_muted_until_s:
            return []
        count, self._tries = self._tries, 0
        self._tries_muted_until_s = now_s + _NO_VICTIM_S
        return [other_events.no_victim_event(finding, self._boot_id, count)]

    def _own_death(self, kill: OomKill) -> list[Event]:
        """The event of the previous agent's death, if this kill is it."""
        if not self._previous_pid or self._previous_pid not in {kill.pid, kill.tgid}:
            return []
        self._previous_pid = 0  # the kernel uses a pid again
        return [other_events.agent_killed_event(kill)]

    def _live_facts(self, kill: OomKill, facts: LiveFacts) -> LiveFacts:
        skew_ns = kill.observed_ns - (kill.record.monotonic_us * 1000 + self._log_epoch_ns)
        return replace(facts, skew_s=skew_ns / 1e9, process=self._look_at_victim(kill))
