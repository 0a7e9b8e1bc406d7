"""The unique id of a kill."""

import hashlib
from uuid import UUID

from support import klog

from otel_oom.kernel.kmsg_record import Record
from otel_oom.kernel.oom_kill import event_uid


def test_the_uid_can_be_computed_from_the_documented_formula() -> None:
    record = Record(3, 427, 2674805, "-", r"Out of memory: Killed process 1 (a\x0ab) total-vm:1kB")
    namespace = UUID("52f665a9-96ae-56ec-afec-967961ace6df")
    content = b"\0".join([b"system_oom_kill", b"some-boot", b"427", b"2674805", record.text.encode()])
    digest = bytearray(hashlib.sha1(namespace.bytes + content).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50  # version 5
    digest[8] = digest[8] & 0x3F | 0x80  # variant of RFC 9562
    assert str(UUID(bytes=bytes(digest))) == event_uid("system_oom_kill", "some-boot", record)


def test_the_uid_of_a_kill_is_that_of_its_kill_line() -> None:
    (kill,) = klog.kills(klog.memcg_report())
    assert event_uid("system_oom_kill", "boot", kill.record) == kill.uid
