"""The server as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from llm_core.serve import chat_completions, completions
from llm_core.serve.body_limit import BodyLimit
from llm_core.serve.chat_completions import chat_routes
from llm_core.serve.completions import completion_routes
from llm_core.serve.config import ServeConfig
from llm_core.serve.errors import answer_errors
from llm_core.serve.record import RequestLog
from llm_core.serve.request_count import RequestCount
from llm_core.serve.service import Service
from llm_core.serve.source import ModelSource
from llm_core.serve.status import status_routes

ENDPOINTS = (completions.ENDPOINT, chat_completions.ENDPOINT, "/v1/models", "/health", "/ready", "/metrics")


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
    for routes in (completion_routes, chat_routes, status_routes):
        app.include_router(routes(service))
    app.add_middleware(BodyLimit, max_bytes=config.max_body_bytes)
    app.add_middleware(RequestCount, metrics=service.metrics, endpoints=ENDPOINTS)
    return app
