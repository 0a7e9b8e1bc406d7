"""A step that is repeated in a thread while a test does something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(step: Callable[[threading.Event], None]) -> Iterator[None]:
    """Call `step` again and again until the context ends. Raises what a step raised, when the context ends.

    step: its argument is an event that is set at the end; a step waits on it instead of sleeping
    """
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
