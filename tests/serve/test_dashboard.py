"""The dashboard: people who gave a token see what needs them, numbers masked; their cookie holds no token."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.cookies import SimpleCookie

import pytest
import requests
from starlette.requests import Request
from starlette.responses import Response

from notify_core import Notifier, Sms
from notify_core.receiver import Receiver
from notify_core.sandbox import LocalGateway
from notify_core.serve import application
from notify_core.serve.entrance import COOKIE, SECONDS, Sessions
from notify_core.settings import CreditSettings, SecretStr
from notify_core.store import Store
from notify_core.tokens import Tokens
from tests.serve.house import PEOPLE, TOKEN, A, B, configuration, said, served
from tests.store.letters import apply, inbound

TEXT = "您的验证码：1439"


@pytest.fixture
def url(notifier: Notifier, receiver: Receiver) -> Iterator[str]:
    """The address of the dashboard."""
    with served(application(notifier, receiver)) as url:
        yield url


@pytest.fixture
def browser(url: str) -> Iterator[Callable[..., requests.Response]]:
    """Somebody who is logged in, at that address."""
    with requests.Session() as session:
        session.post(f"{url}/login", {"token": PEOPLE}, timeout=30)
        yield lambda path="/": session.get(url + path, timeout=30)


def login(url: str, token: str, **headers: str) -> requests.Response:
    """What the login answers, before any redirect."""
    return requests.post(f"{url}/login", {"token": token}, headers=headers, allow_redirects=False, timeout=30)


# --- logging in


@pytest.mark.parametrize("path", ["/", "/deliveries/1"])
def test_a_stranger_sees_the_login(url: str, path: str) -> None:
    """Without a cookie there is a form for a token, and nothing else."""
    page = requests.get(url + path, timeout=30)
    assert page.status_code == 200
    assert 'name="token"' in page.text
    assert "Recent deliveries" not in page.text


@pytest.mark.parametrize("token", ["", TOKEN, f"{PEOPLE}x", PEOPLE[:-1], "x" * 5000])
def test_a_wrong_token(url: str, token: str) -> None:
    """Only ``server.tokens`` let in: not those of pushes, and nothing that is nearly right."""
    answer = login(url, token)
    assert answer.status_code == 403
    assert "That token is not valid" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_form_of_another_site(url: str) -> None:
    """A page of another site cannot log anybody in."""
    assert login(url, PEOPLE, **{"sec-fetch-site": "cross-site"}).status_code == 403


def test_the_cookie(url: str) -> None:
    """It holds no token, no script sees it, no other site sends it, and it comes back to us alone."""
    answer = login(url, PEOPLE)
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "strict", "/", "")
    assert int(cookie["max-age"]) == SECONDS
    assert PEOPLE not in answer.headers["set-cookie"] + answer.text
    assert not cookie["secure"]


def test_behind_tls_the_cookie_never_travels_in_clear(notifier: Notifier, receiver: Receiver) -> None:
    """Where a proxy that is believed was asked by https, the cookie is for https only; nobody else is believed."""
    settings = configuration(notifier.config.store.url.get_secret_value())  # type: ignore[union-attr] # it has one
    settings["server"]["proxies"] = ["127.0.0.0/8"]
    with Notifier.from_mapping(settings) as behind, served(application(behind, receiver)) as url:
        assert "Secure" in login(url, PEOPLE, **{"x-forwarded-proto": "https"}).headers["set-cookie"]
    with served(application(notifier, receiver)) as url:
        assert "Secure" not in login(url, PEOPLE, **{"x-forwarded-proto": "https"}).headers["set-cookie"]


def holding(cookie: str) -> Request:
    """A request with that cookie."""
    return Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode("latin-1"))]})


def test_how_long_a_cookie_holds() -> None:
    """It holds for its time and while the token is valid that it was got by; none can be made without a token."""
    now = [1_000_000.0]
    mine, other = SecretStr(PEOPLE), SecretStr("a-token-of-another-1")
    sessions = Sessions(Tokens([mine, other]), lambda: now[0])
    response = Response()
    assert sessions.begin(PEOPLE, response, secure=True)
    value = SimpleCookie(response.headers["set-cookie"])[COOKIE].value
    until, _, proof = value.partition(".")
    assert sessions.knows(holding(value))
    assert Sessions(Tokens([mine]), lambda: now[0]).knows(holding(value))
    assert not Sessions(Tokens([other]), lambda: now[0]).knows(holding(value))
    for forged in ("", ".", f"{int(until) + 1}.{proof}", f"{until}.", f"{until}.{proof}0", "x.y", f"é.{proof}"):
        assert not sessions.knows(holding(forged))
    now[0] += SECONDS
    assert not sessions.knows(holding(value))


def test_logging_out(url: str) -> None:
    """Who logs out has no cookie any more."""
    with requests.Session() as session:
        session.post(f"{url}/login", {"token": PEOPLE}, timeout=30)
        assert "Recent deliveries" in session.get(url, timeout=30).text
        assert 'name="token"' in session.post(f"{url}/logout", timeout=30).text
        assert not session.cookies


# --- what is seen


def test_what_needs_a_person(
    browser: Callable[..., requests.Response], gateway: LocalGateway, notifier: Notifier, receiver: Receiver
) -> None:
    """The page shows doubts, unreadable payloads, low credit and recent deliveries; no whole number, and no text."""
    gateway.fault("smsJson.aspx:cut-after:times=1")
    doubt = notifier.send(Sms(to=A, text=TEXT), key="order-7").deliveries[0].id
    notifier.enqueue(Sms(to=B, text=TEXT))
    said(receiver, b"<html>Bad gateway</html>")
    low = CreditSettings(low=Decimal(100))
    notifier.outbox.store.note_balance("clinic", Decimal("12.5"), datetime.now(UTC), low)
    page = browser().text
    for words in ("In doubt", "Unreadable payloads", "+86138****0001", "+86138****0002", "12.5", ">low<", "queued"):
        assert words in page
    for hidden in (A, B, "1439", TOKEN, PEOPLE, "Bad gateway", "sandbox-secret"):
        assert hidden not in page
    life = browser(f"/deliveries/{doubt}").text
    assert "in doubt whether it was sent" in life
    assert f"<code>notify outbox resolve {doubt} delivered" in life
    assert A not in life
    assert "1439" not in life


def test_an_empty_house(browser: Callable[..., requests.Response]) -> None:
    """With nothing in the store the page says so."""
    page = browser().text
    assert "Nothing has been sent yet." in page
    assert "No balance has been heard of yet." in page
    assert "Unreadable payloads" not in page


def test_nobody_sends(browser: Callable[..., requests.Response], notifier: Notifier, store: Store) -> None:
    """The page says so where something is due and no worker runs, and what to do; with a worker it counts it."""
    remark = "<p>Deliveries have been due for up to 7 min, and no worker is running: <code>notify worker</code>"
    assert remark not in browser().text
    notifier.enqueue(Sms(to=A, text=TEXT), due=datetime.now(UTC) - timedelta(minutes=7))
    assert remark in browser().text
    store.enroll()
    page = browser().text
    assert "no worker is running" not in page
    assert "<dt>workers</dt><dd>1</dd>" in page


def test_what_is_still_to_be_told(browser: Callable[..., requests.Response], store: Store) -> None:
    """What listeners and webhooks are still to be told of is counted for each; those who know all are not shown."""
    assert "To be told" not in browser().text
    apply(store, inbound(1), targets={"received": ["shop"]})
    store.told([each.id for each in store.notices()])
    page = browser().text
    assert "To be told" in page
    assert '<td>shop</td>\n<td class="number">1</td>' in page
    assert "<td>listeners</td>" not in page


def test_nothing_from_elsewhere(browser: Callable[..., requests.Response], notifier: Notifier) -> None:
    """No page runs a script or fetches anything that is not ours, and none can be framed."""
    number = notifier.enqueue(Sms(to=A, text=TEXT)).deliveries[0]
    for path in ("/", f"/deliveries/{number}"):
        page = browser(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page.text) == []
    assert browser("/dashboard.css").headers["content-type"].startswith("text/css")


def test_what_others_wrote_is_no_markup(browser: Callable[..., requests.Response], notifier: Notifier) -> None:
    """What a caller or a gateway wrote is shown as it is."""
    number = notifier.enqueue(Sms(to=A, text=TEXT), key="<script>alert(1)</script>").deliveries[0]
    notifier.outbox.store.cancel([number], "<b>bold</b> and `code`")
    for path in ("/", f"/deliveries/{number}"):
        assert "&lt;b&gt;bold&lt;/b&gt;" in browser(path).text
        assert "<script>" not in browser(path).text


def test_a_delivery_that_is_not_there(browser: Callable[..., requests.Response]) -> None:
    """A page about no delivery says so."""
    page = browser("/deliveries/4711")
    assert (page.status_code, "there is no delivery 4711" in page.text) == (404, True)


@pytest.mark.parametrize("path", ["/", "/deliveries/1"])
def test_a_store_that_cannot_be_used(browser: Callable[..., requests.Response], store: Store, path: str) -> None:
    """Where the store cannot be used, who is logged in is told why."""
    with store._database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE notify_deliveries")
    page = browser(path)
    assert (page.status_code, "there is no store in it" in page.text) == (503, True)
