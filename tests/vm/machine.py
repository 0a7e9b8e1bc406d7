"""One guest: a QEMU that emulates a machine, its monitor, and a shell inside.

Rules:
- The guest has QEMU's user network, where 10.0.2.2 is this machine's loopback. No other host is used.
- Its console goes into a file, and every failure shows the end of that file.
- When the context ends, the process is killed by its pid.
- It has one processor. With two emulated ones, boot and start of the agent took 10.6 s instead of 8.0 s, and in one of
  some 170 boots a processor stopped for ever ("soft lockup").

Source: QEMU's documentation, "QMP reference", "User networking", "VM Generation ID device".
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from support.free_ports import free_ports
from vm.image import disk
from vm.kernels import Kernel, tool

BOOT_S: Final = 120.0
_TRY_S: Final = 0.1


class GuestError(Exception):
    """A command in a guest failed. The text has the end of its console."""


class Guest:
    """A machine that boots, or that continues from a snapshot.

    spool: an ext4 image that is mounted where the agent keeps its spool; generation: id of a VM generation, for 6.12
    snapshot: a file that `save` wrote, by a guest of the same kernel and memory
    boot_options: more of the kernel's command line; more_options: more of QEMU's
    """

    def __init__(
        self,
        kernel: Kernel,
        directory: Path,
        *,
        memory_mib: int = 512,
        spool: Path | None = None,
        generation: str | None = None,
        snapshot: Path | None = None,
        boot_options: str = "",
        more_options: tuple[str, ...] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._monitor_path = directory / "monitor"
        self._console = directory / "console"
        (self._port,) = free_ports(1)
        drive = "if=virtio,format=raw"
        self._command: list[str | Path] = [
            tool("qemu-system-x86_64"),
            *("-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", str(memory_mib)),
            *("-kernel", kernel.image, "-initrd", kernel.initramfs),
            *("-append", f"console=ttyS0 panic=-1 quiet loglevel=4 random.trust_cpu=on {boot_options}"),
            *("-rtc", "base=utc,clock=host", "-display", "none", "-no-user-config", "-nodefaults"),
            *("-serial", f"file:{self._console}", "-qmp", f"unix:{self._monitor_path},server=on,wait=off"),
            *("-drive", f"file={disk()},readonly=on,{drive}"),
            *(("-drive", f"file={spool},{drive}") if spool else ()),
            *("-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self._port}-:7"),
            *(("-device", f"vmgenid,guid={generation}") if generation else ()),
            *(("-incoming", f"exec:cat {snapshot}") if snapshot else ()),
            *more_options,
        ]
        self._is_resumed = snapshot is not None
        self._open = ExitStack()

    def __enter__(self) -> Guest:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            self._monitor = self._connect_monitor()
            if not self._is_resumed:
                self.await_shell()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._open.close()
        if kind is not None:
            print(self.console()[-4000:])  # noqa: T201 pytest shows it with the failure

    def console(self) -> str:
        """What the guest's kernel printed."""
        return self._console.read_text("utf-8", "replace") if self._console.exists() else ""

    def shell(self, script: str, *, within_s: float = 60.0) -> str:
        """Run a script as root; returns its output. Raises: GuestError if it fails or does not end in time."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), within_s) as connection:
                connection.sendall(base64.b64encode(script.encode()) + b"\n")
                said = b""
                while piece := connection.recv(65536):
                    said += piece
        except OSError as error:
            raise GuestError(f"{script!r}: {error}\n{self.console()[-2000:]}") from error
        output, marker, code = said.decode("utf-8", "replace").rpartition("exit ")
        if not marker or code.strip() != "0":
            raise GuestError(f"{script!r} said {said.decode('utf-8', 'replace')!r}\n{self.console()[-2000:]}")
        return output

    def await_shell(self) -> None:
        """Wait until the guest has booted. Raises: GuestError."""
        deadline_s = time.monotonic() + BOOT_S
        while True:
            try:
                self.shell("true", within_s=5.0)
            except GuestError:  # noqa: PERF203 it still boots
                if time.monotonic() > deadline_s or self._process.poll() is not None:
                    raise
                time.sleep(_TRY_S)
            else:
                return

    def monitor(self, command: str, **arguments: Any) -> Any:
        """One command of QEMU's monitor; returns its answer. Raises: GuestError."""
        request = {"execute": command, "arguments": {name.replace("_", "-"): one for name, one in arguments.items()}}
        self._monitor.write(json.dumps(request).encode() + b"\n")
        self._monitor.flush()
        while line := self._monitor.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise GuestError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]
        raise GuestError(f"{command}: the machine is gone\n{self.console()[-2000:]}")

    def stop(self) -> None:
        """Stop the machine, as in a standby."""
        self.monitor("stop")

    def go_on(self) -> None:
        """After `stop`."""
        self.monitor("cont")

    def sleep(self, seconds: float) -> None:
        """A standby. The guest's clocks stop meanwhile, so its wall clock must be set afterwards (`hwclock -s -u`)."""
        self.stop()
        time.sleep(seconds)
        self.go_on()

    def save(self, snapshot: Path) -> None:
        """Write the whole state of the running machine into a file, and leave it stopped. Raises: GuestError."""
        self.stop()
        self.monitor("migrate", uri=f"exec:cat > {snapshot}")
        deadline_s = time.monotonic() + BOOT_S
        while (status := self.monitor("query-migrate")["status"]) != "completed":
            if status == "failed" or time.monotonic() > deadline_s:
                raise GuestError(f"the snapshot is {status}")
            time.sleep(_TRY_S)

    def await_snapshot(self) -> None:
        """Wait until the snapshot is loaded. The machine is stopped until `go_on`. Raises: GuestError."""
        deadline_s = time.monotonic() + BOOT_S
        while self.monitor("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline_s:
                raise GuestError("the snapshot is not loaded")
            time.sleep(_TRY_S)

    def _connect_monitor(self) -> Any:
        deadline_s = time.monotonic() + BOOT_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            with suppress(OSError):
                connection = self._open.enter_context(socket.socket(socket.AF_UNIX))
                connection.connect(str(self._monitor_path))
                stream = self._open.enter_context(connection.makefile("rwb"))
                stream.readline()  # its greeting
                self._monitor = stream
                self.monitor("qmp_capabilities")
                return stream
            time.sleep(_TRY_S)
        raise GuestError(f"QEMU ended with {self._process.poll()}")
