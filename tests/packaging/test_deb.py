"""The deb in a clean Debian 12 with a real systemd: started, a kill, restarted, watched, upgraded, removed, purged.

Kills of other programs of this machine are in the same log: so totals are compared, and no number is expected.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support import real_kills
from support.built_packages import packages
from support.debian_container import Debian
from support.otlp_receiver import OtlpReceiver
from support.received_telemetry import newest_value, points, records
from support.waiting import eventually

from otel_oom import schema

_PATIENCE_S = 90.0
_DROP_IN = "/run/systemd/system/otel-oom.service.d"
_INSTALL = "dpkg --install /mnt/otel-oom.deb"
#: what a process of the service may not do, as the kernel shows it
_CONFINED = {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0, "NoNewPrivs": 1, "Seccomp": 2}


@dataclass
class Machine:
    """A Debian with the service, which exports to a receiver of this machine."""

    debian: Debian
    receiver: OtlpReceiver

    def total(self) -> int:
        """The newest exported total of kills in cgroups."""
        return int(newest_value(self.receiver, schema.KILLS, "cgroup") or 0)

    def kill(self) -> None:
        """One real kill. It arrives, with its name and its cgroup."""
        name = f"unit-{len(records(self.receiver))}"
        with real_kills.sandbox() as made:
            real_kills.kill(made, comm=name.encode())
        assert eventually(lambda: name in self.names(), within_s=_PATIENCE_S), self.debian.said()

    def names(self) -> list[str]:
        """The names of the victims that arrived."""
        return [record.attributes[schema.COMM.name] for record in records(self.receiver)]

    def start(self, *drop_in: str) -> int:
        """Start the service anew; returns its pid. drop_in: lines of its section [Service]."""
        lines = "\n".join(("[Service]", *drop_in))
        self.debian.shell(
            f"mkdir -p {_DROP_IN}; printf '%s\\n' '{lines}' > {_DROP_IN}/test.conf; systemctl daemon-reload\n"
            "systemctl restart otel-oom"
        )
        return int(self.debian.property("MainPID"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    directory = tmp_path_factory.mktemp("debian")
    (deb,) = packages().glob("*.deb")
    shutil.copy(deb, directory / "otel-oom.deb")
    with OtlpReceiver("http/protobuf") as receiver, Debian(directory) as debian:
        debian.shell(_INSTALL)
        endpoint = f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{receiver.port}"
        debian.shell(f"echo {endpoint} >> /etc/otel-oom/otel-oom.env")
        yield Machine(debian, receiver)


def test_an_installation_starts_nothing_and_the_unit_is_valid(machine: Machine) -> None:
    debian = machine.debian
    assert debian.shell("otel-oom --version").startswith("otel-oom ")
    debian.shell("systemd-analyze verify --man=no /lib/systemd/system/otel-oom.service")
    assert debian.shell("systemctl is-enabled otel-oom", is_checked=False).strip() == "disabled"


def test_the_exposure_of_the_unit_is_as_documented(machine: Machine) -> None:
    found = machine.debian.shell("systemd-analyze security --no-pager otel-oom.service | tail -n 1")
    assert re.search(r"exposure level for otel-oom.service: (\S+)", found)[1] == "1.2", found  # type: ignore[index]


def test_a_start_is_complete_when_the_agent_watches_and_its_process_is_confined(machine: Machine) -> None:
    pid = machine.start()
    assert machine.debian.property("StatusText") == "watching /dev/stdin"
    assert machine.debian.property("NotifyAccess") == "main"
    status = machine.debian.shell(f"cat /proc/{pid}/status")
    found = {name: int(value, 16) for name, value in re.findall(r"^(\w+):\t([0-9a-f]+)$", status, re.MULTILINE)}
    assert {name: found[name] for name in _CONFINED} == _CONFINED
    assert int(status.partition("Uid:\t")[2].split()[0]) > 0
    assert machine.debian.shell("stat -L -c %a /var/lib/otel-oom").strip() == "700"


def test_a_kill_arrives_and_the_counter_goes_on_after_a_restart_and_an_upgrade(machine: Machine) -> None:
    machine.start()
    machine.kill()
    assert eventually(lambda: machine.total() > 0, within_s=_PATIENCE_S)
    machine.start()
    machine.kill()
    machine.debian.shell(_INSTALL)
    assert machine.debian.property("ActiveState") == "active"
    assert "counting goes on from" in machine.debian.said().rpartition("otel-oom 0")[2]
    machine.kill()
    series = points(machine.receiver, schema.KILLS, "cgroup")
    assert [point.value for point in series] == sorted(point.value for point in series)
    assert len({(point.instance, point.start_time_unix_nano) for point in series}) == 1


def test_a_process_that_hangs_is_restarted_by_the_watchdog(machine: Machine) -> None:
    pid = machine.start("WatchdogSec=6", "TimeoutAbortSec=1")
    machine.debian.shell(f"kill -STOP {pid}")
    assert eventually(lambda: machine.debian.property("MainPID") not in {str(pid), "0"}, within_s=_PATIENCE_S)
    assert "Watchdog timeout" in machine.debian.shell("journalctl --unit otel-oom --no-pager")


def test_a_process_that_works_is_left_alone_by_the_watchdog(machine: Machine) -> None:
    pid = machine.start("WatchdogSec=3")
    restarts = machine.debian.property("NRestarts")
    seen: set[str] = set()

    def has_three() -> bool:
        seen.add(machine.debian.property("WatchdogTimestampMonotonic"))
        return len(seen) > 3

    assert eventually(has_three, within_s=_PATIENCE_S)
    assert (machine.debian.property("MainPID"), machine.debian.property("NRestarts")) == (str(pid), restarts)


def test_a_stop_is_clean(machine: Machine) -> None:
    machine.start()
    machine.debian.shell("systemctl stop otel-oom")
    assert (machine.debian.property("Result"), machine.debian.property("ExecMainStatus")) == ("success", "0")
    assert "\nstopped\n" in machine.debian.said().rpartition("SIGTERM: ")[2]


def test_the_drop_in_for_more_facts_gives_two_capabilities(machine: Machine) -> None:
    drop_in = machine.debian.shell("cat /usr/share/doc/otel-oom/examples/victim-facts.conf")
    pid = machine.start(*(line for line in drop_in.splitlines() if re.match(r"[A-Z]\w+=", line)))
    status = machine.debian.shell(f"cat /proc/{pid}/status")
    assert int(status.partition("CapEff:\t")[2].split()[0], 16) == 1 << 19 | 1 << 2


def test_a_removal_keeps_the_spool_and_a_purge_removes_all(machine: Machine) -> None:
    debian = machine.debian
    debian.shell(_INSTALL)
    machine.start()
    debian.shell("systemctl enable otel-oom; dpkg --remove otel-oom")
    assert debian.property("ActiveState") == "inactive"
    assert debian.shell("ls /var/lib/private/otel-oom /etc/otel-oom").split().count("spool.db") == 1
    debian.shell("dpkg --purge otel-oom")
    left = debian.shell("find /etc /usr /var -path '*otel-oom*'")
    assert [path for path in left.split() if "/var/log/" not in path] == []
