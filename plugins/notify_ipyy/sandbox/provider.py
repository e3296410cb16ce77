"""The provider behind all the paths: its accounts, what they submit, and what waits for them.

All paths of an account share its credit, limits, binding and password (gateway.md, part 2, trap 6), so there is one
``Provider`` a gateway: ``gateway.state(Provider)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from threading import RLock
from typing import Any, Literal

from notify_core.errors import nearest
from notify_core.exchange import Gateway, Request
from notify_ipyy.sandbox import pushes
from notify_ipyy.sandbox.account import CHINA, Account, china_time, national
from notify_ipyy.sandbox.codes import Refused
from notify_ipyy.sandbox.mailbox import Inbound, Mailbox, Report, Sent
from notify_ipyy.sandbox.rules import Draft, charge, check
from notify_ipyy.sandbox.spelling import Style

_OUTCOMES = {"delivered": (10, "DELIVRD"), "failed": (20, "MY:0001")}
Outcome = Literal["delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the gateway answers about an accepted submission: recipients taken, units billed, credit left."""

    task_id: str
    count: int
    billed: int
    left: int


class Provider:
    """The provider's side of ipyy. Its methods with a control call's name serve that call too; all are thread-safe.

    There is one account at first: ``sandbox``, password ``sandbox-secret``, user id 1001, signature 腾飞.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.style = Style()
        self._lock = RLock()
        self._accounts = {"sandbox": Account(name="sandbox")}
        self._serials = count(350_206)
        gateway.control("GET", "accounts", self.accounts)
        gateway.control("POST", "accounts", self.account)
        gateway.control("GET", "inbound", self.waiting_inbound)
        gateway.control("POST", "inbound", self.inbound)
        gateway.control("GET", "reports", self.waiting_reports)
        gateway.control("POST", "reports", self.settle)
        gateway.control("PUT", "reports", self.report)
        gateway.control("POST", "push", self.push)
        gateway.control("GET", "style", self.current_style)
        gateway.control("POST", "style", self.restyle)

    def find(self, name: str) -> Account:
        """The account of that user name. Raises ``Refused``."""
        if not name:
            raise Refused("UserNameEmpty")
        if (account := self._accounts.get(name)) is None:
            raise Refused("UserNameError")
        return account

    def with_user_id(self, user_id: str) -> list[Account]:
        """The accounts of that enterprise."""
        return [account for account in list(self._accounts.values()) if account.user_id == user_id]

    def sign_in(self, request: Request, name: str, password: str) -> Account:
        """The account of these credentials; its password plain or as MD5. Raises ``Refused``."""
        if name and not password:
            raise Refused("PasswordEmpty")
        account = self.find(name)
        if not account.has_password(password):
            raise Refused("PasswordError")
        return admitted(account, request)

    def submit(self, account: Account, draft: Draft) -> Receipt:
        """Accept a submission: bill, number and record it. Raises ``Refused``."""
        now = self.gateway.now()
        with self._lock:
            check(account, draft, now)
            taken = self.gateway.take(draft.to)
            billed = charge(account, draft, taken, now)
            # Like 1504080852350206 in the document: yyMMddHHmm in China, then digits.
            task_id = f"{now.astimezone(CHINA):%y%m%d%H%M}{next(self._serials) % 1_000_000:06d}"
            account.mailbox.remember(task_id, taken)
            left: int = getattr(account, draft.purse)
        self.gateway.record(
            {
                "endpoint": draft.endpoint,
                "account": account.name,
                "task_id": task_id,
                "to": taken,
                **draft.content,
                "extension": draft.extension,
                "send_at": draft.send_at,
                "billed": billed,
                "at": now,
            }
        )
        return Receipt(task_id, len(taken), billed, left)

    def change_password(self, account: Account, new: str) -> None:
        """Give the account another password of at most 20 characters. Raises ``Refused``."""
        if not 0 < len(new) <= 20:
            raise Refused("ParamError")
        account.password = new

    def take_reports(self, account: Account, most: int, task_id: str) -> list[Report]:
        """Hand out reports that are waiting, each once."""
        with self._lock:
            return account.mailbox.take_reports(most, task_id)

    def take_inbound(self, account: Account) -> list[Inbound]:
        """Hand out inbound messages that are waiting, each once."""
        with self._lock:
            return account.mailbox.take_inbound()

    def accounts(self) -> list[Account]:
        """The accounts, without their passwords."""
        return list(self._accounts.values())

    def account(self, name: str = "sandbox", **settings: Any) -> Account:
        """Make an account, or change some settings of one.

        Raises ``ValueError``.
        """
        for setting in settings:
            if setting not in Account.model_fields:
                raise ValueError(f"an account has no {setting!r}{nearest(setting, Account.model_fields)}")
        with self._lock:
            account = self._accounts.get(name) or Account(name=name)
            valid = Account.model_validate({**dict(account), **settings})
            for setting in settings:
                setattr(account, setting, getattr(valid, setting))
            self._accounts[name] = account
        return account

    def waiting_inbound(self, account: str = "sandbox") -> list[Inbound]:
        """The inbound messages that nobody has fetched, which stay."""
        return list(self._mailbox(account).inbound)

    def inbound(
        self, sender: str, text: str, extension: str = "", task_id: str = "", account: str = "sandbox", at: str = ""
    ) -> Inbound:
        """Let a subscriber write, at once or ``at`` a time as yyyy-MM-dd HH:mm:ss in China.

        Raises ``ValueError``.
        """
        message = Inbound(national(sender), task_id, text, at or self._now(), extension)
        with self._lock:
            self._mailbox(account).inbound.append(message)
        return message

    def waiting_reports(self, account: str = "sandbox") -> list[Report]:
        """The reports that nobody has fetched, which stay."""
        return list(self._mailbox(account).reports)

    def settle(
        self,
        outcome: Outcome = "delivered",
        code: str = "",
        to: str | tuple[str, ...] = (),
        task_id: str = "",
        account: str = "sandbox",
        at: str = "",
    ) -> dict[str, int]:
        """Report what became of every recipient that has no report yet, or of those of ``to`` and ``task_id`` only.

        ``code`` is the carrier's word; ``at`` (yyyy-MM-dd HH:mm:ss) empty: now. Answers how many were settled. Raises
        ``ValueError``.
        """
        wanted = {national(number) for number in ([to] if isinstance(to, str) else to)}

        def meant(sent: Sent) -> bool:
            return task_id in ("", sent.task_id) and (not wanted or sent.mobile in wanted)

        status, usual = _OUTCOMES[outcome]
        with self._lock:
            return {"settled": self._mailbox(account).settle(meant, status, code or usual, at or self._now())}

    def report(
        self,
        mobile: str,
        task_id: str,
        outcome: Outcome = "delivered",
        code: str = "",
        account: str = "sandbox",
        at: str = "",
    ) -> Report:
        """Put in one report of any content: early, repeated, or for a task that nobody knows.

        Raises ``ValueError``.
        """
        status, usual = _OUTCOMES[outcome]
        report = Report(national(mobile), task_id, status, code or usual, at or self._now())
        with self._lock:
            self._mailbox(account).reports.append(report)
        return report

    def push(self, account: str = "sandbox") -> dict[str, pushes.Pushed]:
        """Post what is waiting to the account's push_url, in up to 3 tries.

        Raises ``ValueError`` where it has none.
        """
        owner = self._owner(account)
        if not owner.push_url:
            raise ValueError(f'account {account!r} has no push_url: POST /sandbox/accounts {{"push_url": "http://…"}}')
        with self._lock:
            reports, inbound = owner.mailbox.take_reports(len(owner.mailbox.reports)), owner.mailbox.take_inbound()
        return pushes.push(self.gateway, self.style, owner.push_url, reports, inbound)

    def current_style(self) -> Style:
        """How replies are spelled."""
        return self.style

    def restyle(self, **spellings: Any) -> Style:
        """Spell replies so; what is left out is spelled as in the document.

        Raises ``ValueError``.
        """
        for spelling in spellings:
            if spelling not in Style.model_fields:
                raise ValueError(f"no spelling {spelling!r}{nearest(spelling, Style.model_fields)}")
        self.style = Style.model_validate(spellings)
        return self.style

    def _owner(self, name: str) -> Account:
        if name not in self._accounts:
            raise ValueError(f"no account {name!r}{nearest(name, self._accounts)}")
        return self._accounts[name]

    def _mailbox(self, name: str) -> Mailbox:
        return self._owner(name).mailbox

    def _now(self) -> str:
        return china_time(self.gateway.now())


def admitted(account: Account, request: Request) -> Account:
    """The account, if it may be used, and from where the request comes. Raises ``Refused``.

    A caller is on loopback, or where X-Forwarded-For says, as for a gateway behind a proxy.
    """
    if account.bound_ip and account.bound_ip != request.headers.get("x-forwarded-for", "127.0.0.1"):
        raise Refused("BindIpError")
    if account.stopped:
        raise Refused("UserStop")
    return account
