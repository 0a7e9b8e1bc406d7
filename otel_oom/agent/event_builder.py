"""Builds events from findings, with what /proc and the cgroup filesystem know of a victim.

Rules:
- If something fails, the kill is delivered without what is known beside its lines. The record counts as malformed,
  once.
- The victim is looked at first, its cgroup last: a cgroup stays longer than a process.
- A kill whose line the log lost is found late: /proc does not know its victim any more, and its pid may be another's.
- The kernel prints "no killable processes" at each try. That is one event a minute, with the number of tries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from otel_oom.agent.read_batch import ReadBatch
from otel_oom.agent.victim_cgroups import VictimCgroup, VictimCgroups
from otel_oom.cgroupfs.memory_state import MemoryStates, State
from otel_oom.health import Health
from otel_oom.kernel.oom_kill import NoVictim, OomKill
from otel_oom.telemetry import kill_event, other_events
from otel_oom.telemetry.event import Event, Value
from otel_oom.telemetry.kill_event import LiveFacts
from otel_oom.victim_trace.traced_line import TracedRecord

_NO_VICTIM_S: Final = 60.0


class EventBuilder:
    """Builds the events of findings.

    look_at_victim: what /proc knows of a victim, by attribute name
    victim_cgroups: what is known of the cgroups of victims beside the report
    memory_states: of cgroups and of the machine, None for the log of another machine
    log_epoch_ns: wall clock at the kernel log's time 0, as first seen in this boot, ns
    previous_pid: of an agent that did not end as it should, 0 for none
    """

    def __init__(
        self,
        health: Health,
        boot_id: str,
        look_at_victim: Callable[[OomKill], Mapping[str, Value]],
        victim_cgroups: VictimCgroups,
        memory_states: MemoryStates | None = None,
        *,
        log_epoch_ns: int,
        previous_pid: int,
    ) -> None:
        self._health = health
        self._boot_id = boot_id
        self._look_at_victim = look_at_victim
        self._victim_cgroups = victim_cgroups
        self._memory_states = memory_states
        self._log_epoch_ns = log_epoch_ns
        self._previous_pid = previous_pid
        self._tries = 0
        self._tries_muted_until_s = 0.0

    def look_at_counters(self, lines: int, counted: int | None) -> None:
        """The log was read to its end, then the kernel's counter (None: it has none). See `VictimCgroups.look`."""
        if counted is not None:
            self._victim_cgroups.look(lines, counted)

    def events_of(self, batch: ReadBatch, lines: int, *, is_backlog: bool, is_unconfirmed: bool = False) -> list[Event]:
        """The events of all findings in a batch, in order; none of those for which none can be built.

        lines: kill lines that the agent has read so far
        is_backlog: it is older than this agent; is_unconfirmed: see `LiveFacts`
        """
        cgroups = self._victim_cgroups.find(batch, lines, is_backlog=is_backlog)
        if self._memory_states is not None:
            self._memory_states.begin_batch()  # one look at a cgroup serves all kills in it
        events = []
        for finding, cgroup in zip(batch.findings, cgroups, strict=True):
            events += self._events_of(finding, cgroup, is_backlog=is_backlog, is_unconfirmed=is_unconfirmed)
        return events

    def _events_of(
        self, finding: OomKill | NoVictim, cgroup: VictimCgroup, *, is_backlog: bool, is_unconfirmed: bool
    ) -> list[Event]:
        is_live = not is_backlog
        bare = LiveFacts(is_backlog=is_backlog, is_unconfirmed=is_unconfirmed)
        if isinstance(finding.record, TracedRecord):
            is_live, is_backlog = False, finding.record.is_backlog
            bare = LiveFacts(is_backlog=is_backlog, is_from_trace=True)
        try:
            if isinstance(finding, NoVictim):
                return self._no_victim(finding)
            facts = replace(bare, cgroup=cgroup.path, cgroup_source=cgroup.source, cgroup_tail=cgroup.tail)
            kill = kill_event.kill_event(finding, self._live_facts(finding, facts) if is_live else facts)
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
        facts = replace(facts, skew_s=skew_ns / 1e9, process=self._look_at_victim(kill))
        return replace(facts, memory=self._memory_state(kill, facts))

    def _memory_state(self, kill: OomKill, facts: LiveFacts) -> State | None:
        if self._memory_states is None:
            return None
        try:
            return self._memory_states.of(kill.context.memcg_path, kill.cgroup or facts.cgroup)
        except Exception as error:  # noqa: BLE001 the kill is delivered without it
            self._health.bug("the look at a cgroup", error)
            return None
