"""Health and metrics: `/health/live`, `/health/ready`, `/metrics`, the same on every service."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest


@dataclass(frozen=True, slots=True)
class Check:
    """Whether one part of a service makes progress, and if not, why (no patient data)."""

    ok: bool
    reason: str = ""


def health_routes(checks: Mapping[str, Callable[[], Check]]) -> APIRouter:
    """The three endpoints. Ready means that every check is ok; live means that the process answers at all.

    Readiness is about progress, not about the process: a consumer that has stopped polling is not ready.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "pass"}

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        results = {name: check() for name, check in checks.items()}
        is_ready = all(result.ok for result in results.values())
        content = {
            "status": "pass" if is_ready else "fail",
            "checks": {name: "ok" if result.ok else result.reason for name, result in results.items()},
        }
        return JSONResponse(content, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
