"""The set-up of the trace instance, on a directory that stands for tracefs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.trace_pages import CONSOLE, MARK_VICTIM, VICTIM_CGROUP

from otel_oom.victim_trace import tracefs_setup
from otel_oom.victim_trace.tracefs_setup import Instance, Unavailable, is_memory_v1, set_up

V2 = "0::/user.slice\n"
V1 = "9:name=systemd:/\n4:cpu,memory:/a:b\n0::/\n"
CLOCKS = "[local] global counter uptime perf mono\n"


class Tracefs:
    """A directory with the files that the kernel makes."""

    def __init__(self, root: Path, *, is_set_up: bool = False) -> None:
        self.root = root
        self.instance = root / "instances" / "otel-oom"
        self.written: list[tuple[str, str, int]] = []
        (root / "instances").mkdir(parents=True)
        (root / "dynamic_events").write_text("")
        self.instance.mkdir()
        self.put("trace_clock", CLOCKS.replace("[local]", "local").replace("perf", "[perf]") if is_set_up else CLOCKS)
        self.put("buffer_size_kb", "515\n" if is_set_up else "1410\n")
        self.put("buffer_percent", "0\n" if is_set_up else "50\n")
        self.put("tracing_on", "1\n")
        self.put("events/oom/mark_victim/format", MARK_VICTIM)
        self.put("events/oom/mark_victim/enable", "1\n" if is_set_up else "0\n")
        self.put("events/printk/console/format", CONSOLE)
        self.put("events/printk/console/enable", "1\n" if is_set_up else "0\n")
        self.put("events/printk/console/filter", 'msg ~ "*Killed process*"\n' if is_set_up else "none\n")
        if is_set_up:
            self.add_probe("1\n")

    def put(self, name: str, text: str) -> None:
        file = self.instance / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def add_probe(self, enable: str = "0\n") -> None:
        (self.root / "events/otel_oom/victim_cgroup").mkdir(parents=True, exist_ok=True)
        self.put("events/otel_oom/victim_cgroup/format", VICTIM_CGROUP)
        self.put("events/otel_oom/victim_cgroup/enable", enable)


def recorded(tracefs: Tracefs, monkeypatch: pytest.MonkeyPatch, refused: int = 0) -> None:
    """Record what is written, in place of a write. refused: so many probes are refused before one is taken."""
    left = [refused]

    def write(file: Path, value: str, flags: int) -> None:
        tracefs.written.append((str(file.relative_to(tracefs.root)), value, flags))
        if file.name == "dynamic_events":
            if left[0]:
                left[0] -= 1
                raise OSError(22, "Invalid argument", str(file))
            tracefs.add_probe()

    monkeypatch.setattr(tracefs_setup, "_write", write)


def test_a_new_instance_is_set_up_before_its_events_are_enabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracefs = Tracefs(tmp_path)
    recorded(tracefs, monkeypatch)
    made = set_up(tmp_path, own_cgroups=V2, processors=2)
    assert isinstance(made, Instance)
    assert (made.directory, [one.id for one in made.formats], made.without_cgroups) == (
        tracefs.instance,
        [609, 349, 1701],
        None,
    )
    here = "instances/otel-oom"
    assert [row for row in tracefs.written if row[0] != "dynamic_events"] == [
        (f"{here}/buffer_size_kb", "512", os.O_TRUNC),
        (f"{here}/trace_clock", "perf", os.O_TRUNC),
        (f"{here}/buffer_percent", "0", os.O_TRUNC),
        (f"{here}/events/printk/console/filter", 'msg ~ "*Killed process*"', os.O_TRUNC),
        (f"{here}/events/oom/mark_victim/enable", "1", os.O_TRUNC),
        (f"{here}/events/printk/console/enable", "1", os.O_TRUNC),
        (f"{here}/events/otel_oom/victim_cgroup/enable", "1", os.O_TRUNC),
    ]
    (probe,) = [row for row in tracefs.written if row[0] == "dynamic_events"]
    assert probe[2] == os.O_APPEND, "O_TRUNC removes the probes of all users"
    assert "kn->parent->name:string" in probe[1]


def test_nothing_is_written_to_an_instance_that_records_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracefs = Tracefs(tmp_path, is_set_up=True)
    tracefs.put("buffer_size_kb", "4096\n")  # the user enlarged it
    recorded(tracefs, monkeypatch)
    made = set_up(tmp_path, own_cgroups=V2, processors=2)
    assert isinstance(made, Instance)
    assert (len(made.formats), tracefs.written) == (3, [])


@pytest.mark.parametrize(("processors", "kib"), [(1, "512"), (4, "512"), (16, "128"), (256, "64")])
def test_the_ring_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int, kib: str) -> None:
    tracefs = Tracefs(tmp_path)
    recorded(tracefs, monkeypatch)
    set_up(tmp_path, own_cgroups=V2, processors=processors)
    assert ("instances/otel-oom/buffer_size_kb", kib, os.O_TRUNC) in tracefs.written


@pytest.mark.parametrize("refused", [1, 2])
def test_a_probe_that_the_kernel_refuses_is_tried_in_another_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    tracefs = Tracefs(tmp_path)
    recorded(tracefs, monkeypatch, refused)
    made = set_up(tmp_path, own_cgroups=V2, processors=2)
    assert isinstance(made, Instance)
    assert made.without_cgroups is None
    probes = [value for name, value, _ in tracefs.written if name == "dynamic_events"]
    assert len(set(probes)) == refused + 1
    assert ("__parent" in probes[-1], "above=" in probes[-1]) == (refused == 1, refused == 1)


def test_without_probes_the_kernels_event_is_recorded_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracefs = Tracefs(tmp_path)
    recorded(tracefs, monkeypatch, refused=3)
    made = set_up(tmp_path, own_cgroups=V2, processors=2)
    assert isinstance(made, Instance)
    assert [one.id for one in made.formats] == [609, 349]
    assert made.without_cgroups == "no typed probe (FPROBE_EVENTS and BTF, Linux 6.8 or later): Invalid argument"


@pytest.mark.parametrize("is_set_up", [True, False])
def test_a_memory_controller_of_v1_has_another_cgroup_than_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_set_up: bool
) -> None:
    tracefs = Tracefs(tmp_path, is_set_up=is_set_up)
    recorded(tracefs, monkeypatch)
    made = set_up(tmp_path, own_cgroups=V1, processors=2)
    assert isinstance(made, Instance)
    assert ([one.id for one in made.formats], made.without_cgroups) == (
        [609, 349],
        "the memory controller is in a cgroup v1 hierarchy",
    )


def test_a_system_without_tracefs_is_a_value_with_its_reason(tmp_path: Path) -> None:
    assert set_up(tmp_path, own_cgroups=V2, processors=2) == Unavailable(f"tracefs is not mounted at {tmp_path}")


def test_a_refusal_is_a_value_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path, _value: str, _flags: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(file))

    Tracefs(tmp_path)
    monkeypatch.setattr(tracefs_setup, "_write", refuse)
    size = tmp_path / "instances/otel-oom/buffer_size_kb"
    assert set_up(tmp_path, own_cgroups=V2, processors=2) == Unavailable(f"{size}: Operation not permitted")


@pytest.mark.parametrize(
    ("file", "text"),
    [("trace_clock", "\xff"), ("events/oom/mark_victim/format", "name: x\n")],
)
def test_a_file_in_an_unknown_form_is_a_value_with_its_reason(tmp_path: Path, file: str, text: str) -> None:
    Tracefs(tmp_path, is_set_up=True).put(file, text)
    made = set_up(tmp_path, own_cgroups=V2, processors=2)
    assert isinstance(made, Unavailable)
    assert str(tmp_path) in made.reason


def test_a_real_write_appends_and_names_the_file_that_refuses(tmp_path: Path) -> None:
    Tracefs(tmp_path)
    (tmp_path / "dynamic_events").write_text("p:other/probe x\n")
    tracefs_setup._write(tmp_path / "dynamic_events", "t:a/b c", os.O_APPEND)
    assert (tmp_path / "dynamic_events").read_text() == "p:other/probe x\nt:a/b c"
    with pytest.raises(OSError, match="No space left") as full:
        tracefs_setup._write(Path("/dev/full"), "x", os.O_TRUNC)
    assert full.value.filename == "/dev/full"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (V2, False),
        (V1, True),
        ("4:memory:/\n", True),
        ("4:memory2:/memory\n", False),
        ("", False),
        ("memory\n:\n", False),
    ],
)
def test_which_hierarchy_the_memory_controller_is_in(text: str, *, expected: bool) -> None:
    assert is_memory_v1(text) == expected
