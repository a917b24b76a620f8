"""Refusals and failures as OpenAI's clients expect them."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from llm_core.errors import LLMCoreError

logger = logging.getLogger(__name__)

KINDS = {404: "not_found_error", 429: "rate_limit_error"}
"""OpenAI's error type of some statuses; the others are "server_error" from 500 on, else invalid requests."""


class APIError(LLMCoreError):
    """An answer other than 200: says what is wrong, with which parameter, and the mend."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, retry_after_s: int = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = _writable(message)
        self.param = None if param is None else _writable(param)
        self.code, self.retry_after_s = code, retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        """The error object of the response."""
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        headers = {"retry-after": str(self.retry_after_s)} if self.retry_after_s else None
        return JSONResponse(self.body, status_code=self.status, headers=headers)


def _writable(text: str) -> str:
    """Text that UTF-8 can carry: what a client sent may be quoted in an error, lone surrogates included."""
    return text.encode("utf-8", "backslashreplace").decode()


def answer_errors(app: FastAPI) -> None:
    """Give every error of ``app`` OpenAI's shape."""

    @app.exception_handler(APIError)
    async def on_api_error(_: Request, error: APIError) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid_body(_: Request, error: RequestValidationError) -> JSONResponse:
        return _explain(error).response()

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
        where = f"{request.method} {request.url.path}"
        return APIError(error.status_code, f"{where}: {error.detail}").response()

    @app.exception_handler(Exception)
    async def on_failure(request: Request, error: Exception) -> JSONResponse:
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
