"""A page for people: what is queued, in doubt, unreadable; and the life of one delivery. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from notify_core import narration
from notify_core.errors import ConfigError, StoreError
from notify_core.notifier import Notifier
from notify_core.phones import mask
from notify_core.proxies import Proxies
from notify_core.serve.entrance import COOKIE, Sessions, field
from notify_core.states import State
from notify_core.store import Backlog, Filter, Gauges, Kept, NoDelivery, Standing, Store, Stored
from notify_core.times import clock, span
from notify_core.tokens import Tokens

_RECENT, _DOUBTS, _UNREADABLE = 25, 50, 25
"""The most rows of each table."""
_POLICY = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the first page shows."""

    gauges: Gauges
    doubts: Sequence[Stored]
    recent: Sequence[Stored]
    unreadable: Sequence[Kept]
    balances: Mapping[str, Standing]

    @classmethod
    def of(cls, store: Store) -> Overview:
        """The store now."""
        return cls(
            store.gauges(),
            store.deliveries(Filter(states=(State.IN_DOUBT,)), most=_DOUBTS),
            store.deliveries(most=_RECENT),
            store.payloads(["unreadable"], most=_UNREADABLE),
            store.balances(),
        )

    @property
    def waiting(self) -> Mapping[str, Backlog]:
        """What listeners and webhooks are still to be told of, without those for whom there is nothing."""
        return {target: each for target, each in self.gauges.untold.items() if each.count}


class Dashboard:
    """The pages, behind a login by one of ``tokens``."""

    def __init__(self, notifier: Notifier, tokens: Tokens, proxies: Proxies) -> None:
        self._notifier = notifier
        self._sessions = Sessions(tokens)
        self._proxies = proxies

    @property
    def routes(self) -> list[BaseRoute]:
        """All addresses."""
        return [
            Route("/", self.overview),
            Route("/deliveries/{id:int}", self.delivery),
            Route("/login", self.login, methods=["POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/dashboard.css", self.stylesheet),
        ]

    async def overview(self, request: Request) -> Response:
        """Everything at a glance, or the login."""
        if not self._sessions.knows(request):
            return self._page("login.html", wrong=False)
        try:
            overview = await run_in_threadpool(lambda: Overview.of(self._notifier.outbox.store))
        except (StoreError, ConfigError) as error:
            return self._page("trouble.html", 503, root="", words=str(error))
        return self._page("overview.html", root="", overview=overview)

    async def delivery(self, request: Request) -> Response:
        """The life of one delivery."""
        if not self._sessions.knows(request):
            return RedirectResponse("../", 303)
        number = request.path_params["id"]
        try:
            stored, events = await run_in_threadpool(self._life, number)
        except NoDelivery as error:
            return self._page("trouble.html", 404, root="../", words=str(error))
        except (StoreError, ConfigError) as error:
            return self._page("trouble.html", 503, root="../", words=str(error))
        told = list(narration.told(stored, events))
        return self._page("delivery.html", root="../", stored=stored, told=told)

    async def login(self, request: Request) -> Response:
        """Let a person in who gives a token."""
        peer = request.client.host if request.client else ""
        secure = self._proxies.secure(peer, request.url.scheme, request.headers)
        answer = RedirectResponse("./", 303)
        if self._sessions.begin(await field(request, "token"), answer, secure=secure):
            return answer
        return self._page("login.html", 403, wrong=True)

    async def logout(self, _: Request) -> Response:
        """Forget the person at this browser."""
        answer = RedirectResponse("./", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def stylesheet(self, _: Request) -> Response:
        """How the pages look."""
        return Response(self._style, media_type="text/css")

    @cached_property
    def _style(self) -> str:
        return files("notify_core.serve").joinpath("dashboard.css").read_text("utf-8")

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=PackageLoader("notify_core.serve"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"masked": mask, "words": narration.words, "coded": _coded}
        environment.filters |= {"clock": clock, "offset": _offset, "span": span, "audience": narration.audience}
        environment.globals |= {"meaning": _sentence(narration.meaning), "possible": _sentence(narration.possible)}
        environment.globals["unattended"] = narration.unattended
        environment.globals["now"] = lambda: datetime.now(UTC)
        return environment

    def _page(self, name: str, status: int = 200, **facts: Any) -> Response:
        text = self._templates.get_template(name).render(facts)
        return HTMLResponse(text, status, _POLICY)

    def _life(self, number: int) -> tuple[Stored, Any]:
        store = self._notifier.outbox.store
        return store.delivery(number), store.timeline(number)


def _sentence(phrase: Callable[[Stored], str]) -> Callable[[Stored], str]:
    """A phrase that follows a colon elsewhere, as a sentence of its own."""

    def sentence(stored: Stored) -> str:
        words = phrase(stored)
        return words[:1].upper() + words[1:]

    return sentence


def _coded(words: str) -> Markup:
    """Words with what stands between backticks as code."""
    parts = map(escape, words.split("`"))
    return Markup("").join(
        part if number % 2 == 0 else Markup("<code>{}</code>").format(part) for number, part in enumerate(parts)
    )


def _offset(at: datetime) -> str:
    return at.astimezone().isoformat()[-6:]
