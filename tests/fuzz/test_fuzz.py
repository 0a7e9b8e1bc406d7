"""The targets: on inputs that broke a rule in the past, on their seeds, and for a minute under the fuzzer.

OTEL_OOM_FUZZ_S: seconds for all targets together; `make fuzz` is the long form. Without it the random numbers have a
fixed seed: a change must not fail because of an input that has nothing to do with it.
"""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz import limits, seeds, stream, targets, texts
from support import levels

from otel_oom.kernel import kmsg_record, text_escapes
from otel_oom.kernel.kill_assembler import Assembler
from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import OomKill
from otel_oom.kernel.text_escapes import escape

HERE = Path(__file__).resolve().parent
SECONDS = int(os.environ.get("OTEL_OOM_FUZZ_S", "60"))
NAMED = [(target, path) for target in targets.TARGETS for path in seeds.named(target)]
MIB = 1 << 20


@pytest.mark.parametrize(("target", "path"), NAMED, ids=lambda one: one.name if isinstance(one, Path) else one)
def test_an_input_that_broke_a_rule_does_so_no_longer(target: str, path: Path) -> None:
    limits.Limited(targets.TARGETS[target])(path.read_bytes())


@pytest.mark.parametrize("target", targets.TARGETS)
def test_every_seed_keeps_the_rules(target: str) -> None:
    for seed in seeds.seeds(target):
        limits.Limited(targets.TARGETS[target])(seed)


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("target", targets.TARGETS)
def test_fuzzed(target: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        levels.missing("fuzz", "no atheris: it has wheels for CPython 3.11 only")
    command = [sys.executable, str(HERE / "fuzz.py"), target, f"-max_total_time={SECONDS // len(targets.TARGETS)}"]
    if "OTEL_OOM_FUZZ_S" not in os.environ:
        command.append("-seed=1")
    path = str(Path(kmsg_record.__file__).parents[1])  # the fuzzer must import the package of this checkout
    done = subprocess.run(
        command, check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, text=True, capture_output=True
    )
    assert done.returncode == 0, (
        f"{done.stderr[-4000:]}\n{[(one.name, one.read_bytes()) for one in tmp_path.iterdir()]}"
    )
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs
    assert int(runs[1]) > 1000


def records(*steps: int) -> list[Record]:
    return list(stream.records(stream.steps(bytes([0, *steps]))))


def test_a_stream_has_the_records_of_its_bytes() -> None:
    assert [one.text for one in records(0, 0, 0xFE)] == [LINE0, LINE0, LINE0]
    assert [one.text for one in records(0, 0, 0xFF, 2)] == [LINE0] * 9
    assert [one.text for one in records(0xE0, 2, *b"ab", 0)] == ["ab"]
    assert [LINE0[1:]] == [one.text for one in records(0, 1, 0, 0xA0, 0)]
    assert [one.text for one in records(0, 1, 0, 0, 0)] == [")" + LINE0]
    steps = stream.steps(bytes([0, 0xF0, 0xF8]))
    assert steps == [stream.LOST, stream.SETTLE]
    assert [(one.priority, one.flags) for one in records(0, 6 << 2, 0, 3 << 2)] == [(12, "-"), (4, "c")]
    assert [one.monotonic_us for one in records(0, 0, 0, 5 << 5)] == [1_000, 7_000_000 - 999_000]
    assert len(records(0xFC)) == 16
    assert len(records(*[0, 0] * 100)) == 32
    assert records() == []


LINE0 = stream.LINES[0]


def test_streams_have_kills() -> None:
    for what in (0xFC, 0xFD):
        found, _ = targets._run(stream.steps(bytes([0, what])), bursts=False)
        assert [OomKill] == [type(one) for one in found]


def test_each_form_of_text_is_parsed() -> None:
    for form in range(7):
        assert len(targets._parsed(texts.log(bytes([form << 5, 0xFC])))) == 1, form
    assert texts.log(b"\xe0raw \xff") == b"raw \xff"


def test_a_broken_rule_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bytes([1, 0xFC, 0xF8, 0xFD])
    monkeypatch.setattr(targets, "Assembler", Twice)
    with pytest.raises(AssertionError):
        targets.assembler(whole)
    monkeypatch.undo()
    monkeypatch.setattr(targets, "_parsed", lambda _, every_line=False, **__: [every_line])
    monkeypatch.setattr(targets, "_check", lambda *_: None)
    with pytest.raises(AssertionError):
        targets.text(whole)
    monkeypatch.setattr(text_escapes, "printable", lambda _: "\n")
    with pytest.raises(AssertionError):
        targets.record(b"6,1,1,-;x\n")


class Twice(Assembler):
    """Returns each kill twice."""

    def release_held(self) -> tuple[OomKill, ...]:
        return super().release_held() * 2


def test_a_slow_input_is_noticed() -> None:
    def took(ns: int) -> Iterator[int]:
        yield 0
        yield ns

    def run(ns: int) -> None:
        clock = took(ns)
        limits.Limited(lambda _: 2048, cpu_ns=lambda: next(clock))(b"")

    run(102_000_000)
    with pytest.raises(limits.SlowError, match="102 ms for a log of 2048 bytes"):
        run(102_000_001)


def test_growth_is_noticed() -> None:
    looks = iter([10 * MIB, 100 * MIB, 164 * MIB, 164 * MIB + 1])
    limited = limits.Limited(lambda _: 0, resident=lambda: next(looks), every=2)
    for _ in range(7):
        limited(b"")
    with pytest.raises(limits.GrowthError, match="64 MiB more after 8 inputs"):
        limited(b"")


def test_resident_memory_is_measured() -> None:
    assert 5 * MIB < limits.resident_bytes() < 4096 * MIB


def test_any_text_can_be_a_line() -> None:
    assert escape(b"\n\\") == records(0xE0, 2, *b"\n\\", 0)[0].text
