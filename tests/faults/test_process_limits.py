"""Too few threads, by the limit of a real cgroup: gRPC's own threads count, which no test in Python can refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from support.levels import missing
from support.otlp_receiver import Protocol
from support.played_agent import run_until_arrived

from otel_oom import surroundings

_HIERARCHIES = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))


@contextmanager
def at_most(tasks: int) -> Iterator[str]:
    """Shell commands that move the shell into a cgroup for so many threads. It is removed afterwards."""
    name = f"otel-oom-test-{uuid4().hex[:8]}"
    for parent in _HIERARCHIES:
        cgroup = parent / name
        try:
            cgroup.mkdir()
        except OSError:
            continue
        try:
            (cgroup / "pids.max").write_text(str(tasks))
        except OSError:
            cgroup.rmdir()
            continue
        try:
            yield f"echo $$ > {cgroup}/cgroup.procs;"
        finally:
            cgroup.rmdir()
        return
    missing("faults", "no cgroup with pids.max can be made")


@pytest.mark.parametrize(
    ("protocol", "tasks"),
    [*(("http/protobuf", tasks) for tasks in range(1, 9)), *(("grpc", tasks) for tasks in (1, 2, 4, 6, 8, 10, 12, 32))],
)
def test_the_agent_works_or_says_how_many_threads_it_needs(protocol: Protocol, tasks: int, tmp_path: Path) -> None:
    with at_most(tasks) as before:
        ended = run_until_arrived(tmp_path, before, protocol=protocol)
    assert (ended.code, ended.has_arrived) in {(0, True), (71, False)}, ended.lines
    if ended.code:
        (line,) = ended.lines
        none = f"no thread can be started; {surroundings.NO_THREAD.here()}"
        assert "more thread(s) can be started, and otel-oom needs" in line or none in line
    else:
        assert not any("error" in line for line in ended.lines), ended.lines
    assert ended.has_arrived or tasks < (32 if protocol == "grpc" else 6)
