"""Static files of pages, and the headers that every page is sent with.

There is no build step: browsers get the files as they are in the repository. The address of a file has the digest of all
of them in it, so a file may be kept for ever, and modules import each other by relative paths.
"""

import gzip
import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from pathlib import PurePosixPath

from fastapi import APIRouter, Request, Response

from shared_web.problems import Problem

_IMPORT = re.compile(rb'from "\./([a-z-]+\.js)"')

FOR_EVER = "public, max-age=31536000, immutable"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Of every page: nothing from elsewhere, nothing inline, in nobody's frame, in no cache (OWASP ASVS 5.0, chapter 3)."""


class Assets:
    """The files below `prefix`: those of each package's folder `assets` in turn, with `shared_web`'s own first.

    Kept in memory, compressed where the browser takes that. Raises FileNotFoundError when a package has no such folder.
    """

    def __init__(self, prefix: str, *packages: str) -> None:
        self._files: dict[str, bytes] = {}
        for package in ("shared_web", *packages):
            root = files(package) / "assets"
            for entry in sorted(root.iterdir(), key=lambda one: one.name):
                if PurePosixPath(entry.name).suffix in _KINDS:
                    self._files[entry.name] = entry.read_bytes()
        digest = hashlib.sha256()
        for name, content in sorted(self._files.items()):
            digest.update(name.encode() + b"\0" + content)
        self._packed = {name: gzip.compress(content, 9, mtime=0) for name, content in self._files.items()}
        self.root = f"{prefix}/{digest.hexdigest()[:12]}"

    def url(self, name: str) -> str:
        """The address of a file. Raises KeyError for one that is not there."""
        self._files[name]
        return f"{self.root}/{name}"

    def modules(self, name: str) -> list[str]:
        """The addresses of a module and of all that it imports: a browser that is told need not find out one by one."""
        found = [name]
        for module in found:
            found += [one for one in map(bytes.decode, _IMPORT.findall(self._files[module])) if one not in found]
        return [self.url(one) for one in found]

    @property
    def compressed_bytes(self) -> int:
        """What a browser loads that comes for the first time, if a page used every file."""
        return sum(map(len, self._packed.values()))

    def routes(self) -> APIRouter:
        """Serves the files."""
        router = APIRouter(include_in_schema=False)

        @router.get(self.root + "/{name}")
        async def asset(name: str, request: Request) -> Response:
            content = self._files.get(name)
            if content is None:
                raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this address")
            headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
            if "gzip" in request.headers.get("accept-encoding", ""):
                content, headers["Content-Encoding"] = self._packed[name], "gzip"
            return Response(content, media_type=_KINDS[PurePosixPath(name).suffix], headers=headers)

        return router
