"""GET /v1/models, /health, /ready and /metrics."""

from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from llm_core.serve.service import Service


def add_status(app: FastAPI, service: Service) -> None:
    """What the server says of itself."""

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The model that is served, if any."""
        loaded = service.follower.loaded
        if loaded is None:
            return {"object": "list", "data": []}
        version = loaded.version
        model = {"id": version.name, "object": "model", "created": 0, "owned_by": "tidemill"}
        about = {
            "version": version.version,
            "fingerprint": version.fingerprint,
            "context_tokens": loaded.context_tokens,
        }
        return {"object": "list", "data": [model | about]}

    @app.get("/health", response_model=None)
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

    @app.get("/ready", response_model=None)
    async def ready() -> Response:
        """Whether to send requests here."""
        return JSONResponse({"ready": service.is_ready}, status_code=200 if service.is_ready else 503)

    @app.get("/metrics", response_model=None)
    async def metrics() -> Response:
        """Counts and times in Prometheus' text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
