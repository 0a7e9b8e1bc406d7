"""The kernel's log as one line of JSON: priority, sequence, µs and text of each record. An independent reader."""

import json
import os
import sys

log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
records = []
while True:
    try:
        raw = os.read(log, 8192).decode("ascii")
    except BlockingIOError:
        break
    head, _, body = raw.partition(";")
    priority, sequence, us = head.split(",")[:3]
    records.append((int(priority), int(sequence), int(us), body.partition("\n")[0]))
json.dump(records, sys.stdout)
