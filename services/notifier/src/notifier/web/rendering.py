"""Pages as HTML: a shell that the browser paints at once, and the data that its module starts with."""

import json
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from notifier.web.words import LANGUAGES, WORDS
from shared_web.assets import PAGE_HEADERS, Assets

ADDRESSES = {
    "inbox": "/inbox",
    "routing": "/routing",
    "operations": "/operations",
    "notifications": "/console/notifications",
}
"""The console's pages, in the order of its navigation."""
LANGUAGE_COOKIE = "switchboard-language"


def language_of(request: Request) -> str:
    """The language that the person chose, or the first of ours that the browser asks for, or English."""
    asked = [request.cookies.get(LANGUAGE_COOKIE, "")]
    asked += [part.split(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")]
    return next((one[:2].lower() for one in asked if one[:2].lower() in LANGUAGES), "en")


class Pages:
    """Renders templates; what comes from outside is escaped."""

    def __init__(self, assets: Assets) -> None:
        self._templates = Environment(
            loader=PackageLoader("notifier.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters["data"] = _data
        self._assets = assets

    def answer(self, template: str, language: str, *, status: int = 200, **shown: Any) -> Response:  # noqa: ANN401 - as Jinja2
        """A page in a language. Raises jinja2's UndefinedError for what the template wants and was not given."""
        html = self._templates.get_template(template).render(
            language=language,
            words=WORDS[language],
            addresses=ADDRESSES,
            asset=self._assets.url,
            modules=self._assets.modules,
            **shown,
        )
        return HTMLResponse(html, status, headers=dict(PAGE_HEADERS))


def _data(content: object) -> str:
    """JSON that cannot end the element that it is in."""
    return json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
