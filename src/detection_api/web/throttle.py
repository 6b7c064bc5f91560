"""Limits how often clients may fail, over all workers, in constant time and memory."""

import mmap
import os
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from zlib import crc32

import structlog

log = structlog.get_logger(__name__)

BURST = 10
"""Failures that a client may make at once."""
SECONDS_EACH = 6.0
"""Seconds after which it may make one more."""
SLOTS = 16_384
_SLOT_BYTES = 8
_IPV6_HOST_BITS = 64
"""Of an IPv6 address: one client has as many of them as it likes."""


class Throttle:
    """Holds one number per slot: the time at which a client's failures are worked off.

    This is the generic cell rate algorithm (ITU-T I.371). Processes that map the same file at
    `path` share it; clients whose addresses fall into the same slot do, too. `clock` is monotonic,
    in seconds, and the same for all processes.
    """

    def __init__(
        self, path: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._until = memoryview(_mapped(path)).cast("d")

    def failed(self, client: str) -> float:
        """Note a failure of the client at this address.

        Returns 0.0 if the failure is within the limit, else the seconds until the next is allowed.
        A failure over the limit is not counted, so trying again does not lengthen the wait.
        """
        slot, now = crc32(_network(client).encode()) % SLOTS, self._clock()
        until = max(self._until[slot], now)
        wait = until - now - (BURST - 1) * SECONDS_EACH
        if wait > 0:
            return wait
        self._until[slot] = until + SECONDS_EACH
        return 0.0


def _network(client: str) -> str:
    """Return the part of an address that a client cannot change."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        return str(int(address) >> _IPV6_HOST_BITS)
    return client


def _mapped(path: Path | None) -> mmap.mmap:
    """Return memory shared through the file at `path`, or private memory without one."""
    size = SLOTS * _SLOT_BYTES
    if path is not None:
        try:
            with path.open("a+b") as file:
                # Writing to an unallocated page would end the process if the disk is full.
                os.posix_fallocate(file.fileno(), 0, size)
                return mmap.mmap(file.fileno(), size)
        except OSError as error:
            log.warning("throttle_not_shared", error=str(error))
    return mmap.mmap(-1, size)
