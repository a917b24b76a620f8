"""When a host may be asked again: one request at a time, the delay between, and the back-off that it asked for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime


class Host:
    """The turns of one host.

    The delay runs from the end of one request to the start of the next, so that the gap that the
    server sees between arrivals is never shorter, whatever the network does. `closed` is the
    reason why the host is asked nothing more in this crawl, "" while it is open.
    """

    def __init__(self, delay_s: float, rest_s: float = 0.0):
        self.delay_s = delay_s
        self.not_before = time.monotonic() + rest_s
        self.closed = ""
        self.failures = 0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait until the host may be asked, and for a free slot; the delay starts when the block ends."""
        async with self._lock:
            while (wait := self.not_before - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            async with slots:
                try:
                    yield
                finally:
                    self.rest(self.delay_s)

    def rest(self, pause_s: float) -> None:
        """Ask nothing for `pause_s` seconds from now; a longer rest that was given before stays."""
        self.not_before = max(self.not_before, time.monotonic() + pause_s)


def retry_after_s(value: str, now: float) -> float:
    """Seconds that a Retry-After header asks for: a number, or an HTTP date (RFC 9110, 10.2.3); 0 where unreadable."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
