"""What a collector refuses for good costs that one event alone, and is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.otlp_receiver import OtlpReceiver, Protocol
from support.otlp_servers import Answer
from support.pipelines import REFUSING, name, sending, settings
from support.waiting import eventually

from otel_oom.otlp import log_records

BOTH = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
UIDS = [f"kill {number}" for number in range(20)]


@pytest.mark.parametrize(("protocol", "answer"), REFUSING, ids=name)
def test_the_one_bad_event_alone_is_given_up(
    protocol: Protocol, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    def is_bad(request: object) -> bool:
        return "kill 13" in getattr(request, "uids", [])

    with OtlpReceiver(protocol) as receiver:
        for _ in range(20):
            receiver.script.logs.append(replace(answer, when=is_bad))
        with sending(settings(receiver), early=tuple(UIDS)) as rig:
            receiver.wait(lambda: "kill 19" in receiver.delivered)
            assert receiver.delivered == [uid for uid in UIDS if uid != "kill 13"]
            sizes = [len(request.uids) for request in receiver.of("logs")]
            assert sizes == [20, 10, 10, 5, 2, 4, 2, 1, 2, 1, 2, 4], "halved after a refusal, doubled after a success"
            assert rig.health.dropped == {"rejected": 1}
            assert eventually(lambda: not len(rig.spool))
    assert "gave up 1 undelivered event(s): the collector rejects kill 13 permanently: " in caplog.text


@BOTH
def test_what_a_partial_success_rejects_is_counted(protocol: Protocol, caplog: pytest.LogCaptureFixture) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.script.logs.append(Answer(rejected=2, details="no room\nfor two"))
        receiver.script.metrics.append(Answer(rejected=3, details="too old"))
        with sending(settings(receiver), early=("first", "second", "third")) as rig:
            assert eventually(lambda: not len(rig.spool))
            assert rig.health.dropped == {"rejected": 2}
            assert len(receiver.of("logs")) == 1, "it must not be sent again"
            assert eventually(lambda: "rejected 3 metric point(s): too old" in caplog.text)
            assert "gave up 2 undelivered event(s): partial success: no room for two" in caplog.text


@BOTH
def test_a_partial_success_that_rejects_nothing_is_a_warning(
    protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpReceiver(protocol) as receiver:
        receiver.script.otherwise = Answer(details="attribute names\nwere changed")
        with sending(settings(receiver)) as rig:
            rig.kill("first")
            assert eventually(lambda: rig.health.exports["logs", "ok"] == 1)
            rig.kill("second")
            assert eventually(lambda: rig.health.exports["logs", "ok"] == 2)
            assert eventually(lambda: rig.health.exports["metrics", "ok"] >= 2)
            assert receiver.delivered == ["first", "second"]
            assert not rig.health.dropped
    line = "the collector accepted %s with a warning: attribute names were changed"
    assert sorted(caplog.messages) == [line % "logs", line % "metrics"], "once a minute"


@BOTH
@pytest.mark.parametrize(
    ("error", "arrives"), [(ValueError("no such value"), False), (MemoryError(), True), (OSError("no thread"), True)]
)
def test_only_what_cannot_be_encoded_is_given_up(
    protocol: Protocol, error: Exception, *, arrives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without memory the kill is what must not be lost."""
    step = "send" if isinstance(error, OSError) else "_records"
    monkeypatch.setattr(log_records.LogSender, step, _once(getattr(log_records.LogSender, step), error))
    with OtlpReceiver(protocol) as receiver, sending(settings(receiver)) as rig:
        rig.kill("first")
        assert eventually(lambda: not len(rig.spool))
        assert receiver.delivered == (["first"] if arrives else [])
        assert rig.health.dropped["rejected"] == int(not arrives)


def _once(step: Callable[..., object], error: Exception) -> Callable[..., object]:
    """The same function, whose first call raises this error."""
    errors = [error]

    def failing(*arguments: object) -> object:
        if errors:
            raise errors.pop()
        return step(*arguments)

    return failing
