"""Refusals and failures as OpenAI's clients expect them."""

import json
import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from llm_core.errors import LLMCoreError

logger = logging.getLogger(__name__)

KINDS = {404: "not_found_error", 429: "rate_limit_error"}
"""OpenAI's error type of some statuses; the others are "server_error" from 500 on, else invalid requests."""
RETRY_AFTER_S = 1
"""What a 429 or 503 tells the client to wait."""


class APIError(LLMCoreError):
    """An answer other than 200: says what is wrong, with which parameter, and the mend."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    @property
    def body(self) -> dict[str, Any]:
        """The error object of the response."""
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        headers = {"retry-after": str(RETRY_AFTER_S)} if self.status in (429, 503) else None
        content = json.dumps(self.body)  # in ASCII: what a client sent may be quoted, lone surrogates included
        return Response(content, self.status, headers, media_type="application/json")


def answer_errors(app: FastAPI) -> None:
    """Give every error of ``app`` OpenAI's shape."""

    @app.exception_handler(APIError)
    async def on_api_error(_: Request, error: APIError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid_body(_: Request, error: RequestValidationError) -> Response:
        return _explain(error).response()

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        where = f"{request.method} {request.url.path}"
        return APIError(error.status_code, f"{where}: {error.detail}").response()

    @app.exception_handler(Exception)
    async def on_failure(request: Request, error: Exception) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return APIError(500, "the server failed on this request; its log says why").response()


def _explain(error: RequestValidationError) -> APIError:
    """The first thing wrong with a body, by the name of its parameter."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return APIError(400, f"the body is not JSON: {first.get('ctx', {}).get('error', first['msg'])}")
    # ("body", "prompt", "list[int]", 0): the parameter, then where in it; type names mark branches of a union.
    path = [str(part) for part in first["loc"] if part != "body"]
    if not path:
        return APIError(400, f"the body must be a JSON object with content-type application/json: {first['msg']}")
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return APIError(400, f"the parameter {'.'.join(path)!r} is not supported; leave it out", param=path[0])
    return APIError(400, f"{'.'.join(path)}: {first['msg']}", param=path[0])
