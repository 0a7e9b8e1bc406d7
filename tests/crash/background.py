"""What goes on beside a test: one step again and again in a thread, whose failure is the test's failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(step: Callable[[threading.Event], None]) -> Iterator[None]:
    """Call `step` until the context ends; it is given the event that says so, to wait on instead of sleeping."""
    ended = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while not ended.is_set():
                step(ended)
        except BaseException as error:  # noqa: BLE001 raised again below, where the test sees it
            failures.append(error)

    thread = threading.Thread(target=run, name=getattr(step, "__qualname__", "step"))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failures:
        raise failures[0]
