"""GET /v1/models, /health, /ready and /metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from llm_core.serve.service import Service


def status_routes(service: Service) -> APIRouter:
    """What the server says of itself."""
    router = APIRouter()

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The model that is served, if any."""
        loaded = service.follower.loaded
        if loaded is None:
            return {"object": "list", "data": []}
        version = loaded.version
        model = {
            "id": version.name,
            "object": "model",
            "created": 0,
            "owned_by": "tidemill",
            "version": version.version,
            "fingerprint": version.fingerprint,
            "context_tokens": service.context_tokens(loaded),
        }
        return {"object": "list", "data": [model]}

    @router.get("/health", response_model=None)
    async def health() -> Response:
        """Whether the process works, which version it serves, and what keeps it from serving the current one."""
        loaded = service.follower.loaded
        is_alive = service.engine.is_alive
        body = {
            "status": "ok" if is_alive and not service.follower.error else "degraded" if is_alive else "dead",
            "model": None if loaded is None else {"name": loaded.version.name, "version": loaded.version.version},
            "load_error": service.follower.error,
            "is_draining": service.is_draining,
        }
        return JSONResponse(body, status_code=200 if is_alive else 503)

    @router.get("/ready", response_model=None)
    async def ready() -> Response:
        """Whether to send requests here."""
        return JSONResponse({"ready": service.is_ready}, status_code=200 if service.is_ready else 503)

    @router.get("/metrics", response_model=None)
    async def metrics() -> Response:
        """Counts and times in Prometheus' text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
