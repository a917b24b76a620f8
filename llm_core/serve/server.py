"""The process: listens, and on a signal to stop finishes what runs before it ends."""

import logging
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from llm_core.serve.service import Service

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5


class DrainingServer(uvicorn.Server):
    """Uvicorn, but a signal first makes it unready and lets running requests finish, still listening meanwhile.

    So a load balancer sees /ready turn to 503 and new requests are told to go elsewhere, instead of being refused a
    connection. A second signal ends it at once.
    """

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Of ``app``, not yet started; its logs go to the process's own logging."""
        config = uvicorn.Config(app, host, port, log_config=None, access_log=False)
        config.timeout_graceful_shutdown = CLOSE_TIMEOUT_S
        super().__init__(config)
        self.service: Service = app.state.service
        self._deadline: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._deadline is not None:
            self.should_exit = self.force_exit = True
            return
        self.service.drain()
        self._deadline = time.monotonic() + self.service.config.drain_timeout_s

    async def on_tick(self, counter: int) -> bool:
        if self._deadline is not None and not self.should_exit:
            is_late = time.monotonic() > self._deadline
            if is_late:
                logger.warning("stopping with %d requests unfinished", self.service.open_jobs)
            self.should_exit = is_late or self.service.open_jobs == 0
        return await super().on_tick(counter)


def run_server(app: FastAPI, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return."""
    DrainingServer(app, host, port).run()
