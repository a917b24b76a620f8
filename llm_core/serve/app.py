"""The server as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llm_core.serve.chat_completions import CHAT, add_chat
from llm_core.serve.completions import COMPLETIONS, add_completions
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import answer_errors
from llm_core.serve.metrics import Metrics
from llm_core.serve.record import RequestLog
from llm_core.serve.service import Service
from llm_core.serve.source import ModelSource
from llm_core.serve.status import add_status

ENDPOINTS = (COMPLETIONS.path, CHAT.path, "/v1/models", "/health", "/ready", "/metrics")


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
        service.drain()
        await asyncio.to_thread(service.close)

    # The interactive pages would load scripts from elsewhere; the schema itself is served.
    app = FastAPI(title="Tidemill", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    answer_errors(app)
    for add_routes in (add_completions, add_chat, add_status):
        add_routes(app, service)
    app.add_middleware(CountAndLimit, metrics=service.metrics, max_bytes=config.max_body_bytes)
    return app


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

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.metrics.requests.labels(endpoint, str(message["status"])).inc()
            await send(message)

        await self.app(scope, limited, counted)
