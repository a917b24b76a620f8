"""The server: an ASGI application, and the process that listens and finishes what runs before it ends."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_core.serve.answers import answer
from llm_core.serve.chat import ChatBody, ChatJob
from llm_core.serve.completions import CompletionBody, CompletionJob
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import answer_errors
from llm_core.serve.metrics import Metrics
from llm_core.serve.models import ModelSource
from llm_core.serve.record import RequestLog
from llm_core.serve.service import Service

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5
ENDPOINTS = (CompletionJob.path, ChatJob.path, "/v1/models", "/health", "/ready", "/metrics")


def create_app(source: ModelSource, *, limits: ServeConfig | None = None, log: RequestLog | None = None) -> FastAPI:
    """An OpenAI-compatible server of the model that ``source`` names, which it follows from version to version.

    The application answers at once and is ready when its first model is loaded. ``log`` gets a record of each prompt,
    on a thread of its own, before the answer ends; what is stored is its business. ``app.state.service`` is the
    running service.
    """
    config = limits or ServeConfig()
    service = Service(source, config, log)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.is_draining = True
        await asyncio.to_thread(service.close)

    # The interactive pages would load scripts from elsewhere; the schema itself is served.
    app = FastAPI(title="Tidemill", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    answer_errors(app)
    add_generation(app, service)
    add_status(app, service)
    app.add_middleware(CountAndLimit, metrics=service.metrics, max_bytes=config.max_body_bytes)
    return app


def add_generation(app: FastAPI, service: Service) -> None:
    """What the model writes."""

    @app.post(CompletionJob.path, response_model=None)
    async def complete(body: CompletionBody, http: Request) -> Response:
        """Continue one prompt or several."""
        return await answer(service, http, await asyncio.to_thread(service.job, CompletionJob, body))

    @app.post(ChatJob.path, response_model=None)
    async def chat(body: ChatBody, http: Request) -> Response:
        """Write the assistant's next turn."""
        return await answer(service, http, await asyncio.to_thread(service.job, ChatJob, body))


def add_status(app: FastAPI, service: Service) -> None:
    """What the server says of itself."""

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The model that is served, if any."""
        loaded = service.follower.loaded
        if loaded is None:
            return {"object": "list", "data": []}
        model = {"id": loaded.version.name, "object": "model", "created": 0, "owned_by": "tidemill"}
        about = {"version": loaded.version.version, "fingerprint": loaded.version.fingerprint}
        return {"object": "list", "data": [model | about | {"context_tokens": loaded.engine.context_tokens}]}

    @app.get("/health", response_model=None)
    async def health() -> Response:
        """Whether the process works, which version it serves, and what keeps it from serving the current one."""
        loaded, is_alive = service.follower.loaded, service.engines.is_alive
        body = {
            "status": "ok" if is_alive and not service.follower.error else "degraded" if is_alive else "dead",
            "model": None if loaded is None else {"name": loaded.version.name, "version": loaded.version.version},
            "load_error": service.follower.error,
            "is_draining": service.is_draining,
        }
        return JSONResponse(body, status_code=200 if is_alive else 503)

    @app.get("/ready", response_model=None)
    async def ready() -> Response:
        """Whether to send requests here."""
        return JSONResponse({"ready": service.is_ready}, status_code=200 if service.is_ready else 503)

    @app.get("/metrics", response_model=None)
    async def metrics() -> Response:
        """Counts and times in Prometheus' text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


class CountAndLimit:
    """ASGI middleware: one count per request, by endpoint and status (unknown paths share one label); bodies larger
    than ``max_bytes`` are answered 413 as soon as that much has come."""

    def __init__(self, app: ASGIApp, metrics: Metrics, max_bytes: int) -> None:
        self.app, self.metrics, self.max_bytes = app, metrics, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        endpoint = scope["path"] if scope["path"] in ENDPOINTS else "other"
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise HTTPException(413, f"the body is larger than {self.max_bytes} bytes; send less in one request")
            return message

        is_counted = False

        async def counted(message: Message) -> None:
            nonlocal is_counted
            if message["type"] == "http.response.start":
                self.metrics.requests.labels(endpoint, str(message["status"])).inc()
                is_counted = True
            await send(message)

        try:
            await self.app(scope, limited, counted)
        except Exception:  # answered further out, with 500
            if not is_counted:
                self.metrics.requests.labels(endpoint, "500").inc()
            raise


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
        self.service.is_draining = True
        self._deadline = time.monotonic() + self.service.config.drain_timeout_s

    async def on_tick(self, counter: int) -> bool:
        if self._deadline is not None and not self.should_exit:
            is_late = time.monotonic() > self._deadline
            if is_late:
                logger.warning("stopping with %d completions unfinished", self.service.unfinished)
            self.should_exit = is_late or self.service.unfinished == 0
        return await super().on_tick(counter)


def run_server(app: FastAPI, listener: socket.socket) -> None:
    """Serve on a socket that listens until SIGTERM or SIGINT, then drain and return."""
    logger.info("listening on http://%s:%s", *listener.getsockname()[:2])
    DrainingServer(app, *listener.getsockname()[:2]).run([listener])
