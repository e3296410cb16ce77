"""What a notifier with a store does in the caller's own thread: enqueue, and send with a record."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from notify_core import ConfigError, InvalidMessage, Notifier, Result, Sms, State, hookimpl
from notify_core.errors import KeyConflict, StoreError
from notify_core.store import Filter, Way
from tests.core.gateway import Gateway, accepts, cut, refuses
from tests.durable.conftest import Opened
from tests.durable.shop import an_hour_later, configuration, number, settle, settled, sms, states, working

LIMIT = {"per": "recipient", "count": 1, "within": "1h"}
FOREIGN = "+14155550123"


def test_what_is_sent_is_recorded(url: str, gateway: Gateway, opened: Opened) -> None:
    """A direct send leaves a delivery in the store, with the path, the task id and the number that the result has."""
    notifier = opened(url, {"clinic": gateway})
    (delivery,) = notifier.send(sms(1)).deliveries
    stored = notifier.outbox.store.delivery(delivery.id)
    assert (stored.state, stored.path, stored.task_id) == (State.ACCEPTED, "clinic.json", "first")
    assert stored.recipient == delivery.recipient == number(1)


def test_the_intent_is_stored_before_the_request_leaves(url: str, gateway: Gateway, opened: Opened) -> None:
    """While the gateway has the request, the store says that it is being sent, and by which path."""
    notifier = opened(url, {"clinic": gateway})
    seen: list[tuple[State, str]] = []

    def looks(connection: object) -> bool:
        (stored,) = notifier.outbox.store.deliveries()
        seen.append((stored.state, stored.path))
        return accepts()(connection)  # type: ignore[arg-type] # the act's own argument

    gateway.script = [looks]
    notifier.send(sms(1))
    assert seen == [(State.SENDING, "clinic.json")]


def test_failover_is_stored_before_the_second_request_leaves(
    url: str, gateway: Gateway, backup: Gateway, opened: Opened
) -> None:
    """A message that the first account surely did not take is noted under the second before it leaves there."""
    notifier = opened(url, {"clinic": gateway, "backup": backup})
    seen: list[str] = []

    def looks(connection: object) -> bool:
        seen.extend(stored.path for stored in notifier.outbox.store.deliveries())
        return accepts()(connection)  # type: ignore[arg-type] # the act's own argument

    gateway.script, backup.script = [refuses("account")], [looks]
    result = notifier.send(sms(1))
    assert result.accepted
    assert seen == ["backup.json"]
    assert [event.what for event in notifier.outbox.store.timeline(result.deliveries[0].id)] == [
        "queued",
        "rejected",
        "accepted",
    ]


def test_a_doubt_is_recorded_and_stays(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """A connection that is cut leaves the delivery in doubt; no worker sends it again, by any path."""
    notifier = opened(url, {"clinic": gateway, "backup": backup})
    gateway.script = [cut()]
    assert notifier.send(sms(1)).in_doubt
    settle(notifier)
    assert states(notifier) == [State.IN_DOUBT]
    assert (len(gateway.received), len(backup.received)) == (1, 0)


class Interrupts:
    """Ctrl-C, or the end of a web server's patience, in the middle of each send."""

    @hookimpl(wrapper=True)
    def send(self) -> Generator[None, object, object]:
        """Take what came back from the gateway away."""
        yield
        raise KeyboardInterrupt


def test_a_send_that_is_interrupted_is_in_doubt(url: str, gateway: Gateway, opened: Opened) -> None:
    """What may have left is in doubt at once, for its process may live on; what was over a limit surely did not."""
    notifier = opened(url, {"clinic": gateway}, limits=[LIMIT])
    notifier.send(sms(1))
    interrupted = opened(url, {"clinic": gateway}, Interrupts(), limits=[LIMIT])
    with pytest.raises(KeyboardInterrupt):
        interrupted.send(Sms(to=[number(1), number(2)], text="您的验证码：1439"))
    assert states(notifier) == [State.ACCEPTED, State.REJECTED, State.IN_DOUBT]
    (doubtful,) = notifier.outbox.store.deliveries(Filter(states=[State.IN_DOUBT]))
    notifier.outbox.store.resolve([doubtful.id], State.DELIVERED, "the patient has it")
    told = [event.what for event in notifier.outbox.store.timeline(doubtful.id)]
    assert told == ["queued", "in_doubt", "delivered"]


def test_a_plugin_that_wants_to_exit_ends_no_worker(url: str, gateway: Gateway, opened: Opened) -> None:
    """What was being sent is in doubt, and its sender goes on."""
    notifier = opened(url, {"clinic": gateway}, Interrupts())
    notifier.enqueue([sms(1), sms(2, "else")])
    with working(notifier, threads=1):
        settled(notifier, State.IN_DOUBT, State.IN_DOUBT)


def test_a_lease_that_lapses_stops_failover(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """What was called in doubt in the middle of its walk goes to no other account."""
    notifier = opened(url, {"clinic": gateway, "backup": backup})

    def lapses(connection: object) -> bool:
        with an_hour_later(url) as later:
            later.lapse()
        return refuses("account")(connection)  # type: ignore[arg-type] # the act's own argument

    gateway.script = [lapses]
    result = notifier.send(sms(1))
    assert result.error is not None
    assert result.error.code == "store"
    assert backup.received == []
    assert states(notifier) == [State.IN_DOUBT]


def test_a_key_sends_once(url: str, gateway: Gateway, opened: Opened) -> None:
    """The second send with a key sends nothing, and gives what became of the first."""
    notifier = opened(url, {"clinic": gateway})
    first = notifier.send(sms(1), key="order-7")
    again = notifier.send(sms(1), key="order-7")
    assert again.accepted
    assert again.deliveries == first.deliveries
    assert len(gateway.received) == 1


def test_a_key_of_a_doubt_gives_the_doubt(url: str, gateway: Gateway, opened: Opened) -> None:
    """The repetition of a send that is in doubt says so again, and why."""
    notifier = opened(url, {"clinic": gateway})
    gateway.script = [cut()]
    first = notifier.send(sms(1), key="order-7")
    again = notifier.send(sms(1), key="order-7")
    assert again.in_doubt
    assert first.error is not None
    assert again.error is not None
    assert (again.error.description, again.error.sent) == (first.error.description, first.error.sent)


def test_a_key_of_another_message_is_refused(url: str, gateway: Gateway, opened: Opened) -> None:
    """Another text, or another number, under a key that was used is an error; nothing leaves."""
    notifier = opened(url, {"clinic": gateway})
    notifier.enqueue(sms(1), key="order-7")
    with pytest.raises(KeyConflict):
        notifier.enqueue(sms(1, "another"), key="order-7")
    with pytest.raises(KeyConflict):
        notifier.send(sms(2), key="order-7")
    assert gateway.received == []


def test_enqueueing_with_a_key_gives_the_first_ids(url: str, gateway: Gateway, opened: Opened) -> None:
    """The same message with the same key is the same message."""
    notifier = opened(url, {"clinic": gateway})
    first, again = (notifier.enqueue(sms(1), key="order-7") for _ in range(2))
    assert (again.message_id, list(again.deliveries), again.new) == (first.message_id, list(first.deliveries), False)


def test_a_key_is_one_messages(url: str, gateway: Gateway, opened: Opened) -> None:
    """Many messages cannot share a key."""
    with pytest.raises(InvalidMessage, match="one by one"):
        opened(url, {"clinic": gateway}).enqueue([sms(1), sms(2)], key="order-7")


def test_limits_are_the_stores(url: str, gateway: Gateway, opened: Opened) -> None:
    """A second notifier, as in another process, keeps the limit that the first one's message filled."""
    notifier, other = (opened(url, {"clinic": gateway}, limits=[LIMIT]) for _ in range(2))
    assert notifier.send(sms(1)).accepted
    result = other.send(Sms(to=[number(1), number(2)], text="two"))
    assert [delivery.state for delivery in result.deliveries] == [State.REJECTED, State.ACCEPTED]
    assert result.error is not None
    assert result.error.code == "limit"
    assert gateway.sent_to == [number(1), number(2)]


def test_over_a_limit_another_account_sends(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """Who is over the limit of the first account goes by the second, the others stay with the first."""
    notifier = opened(url, {"clinic": gateway, "backup": backup}, limits=[LIMIT])
    notifier.send(sms(1))
    assert notifier.send(Sms(to=[number(1), number(2)], text="two")).accepted
    assert (gateway.sent_to, backup.sent_to) == ([number(1), number(2)], [number(1)])


def test_a_slot_comes_back_where_nothing_left(url: str, gateway: Gateway, backup: Gateway, opened: Opened) -> None:
    """An account that refused a message counts it for nothing, though another account took it."""
    notifier = opened(url, {"clinic": gateway, "backup": backup}, limits=[LIMIT])
    gateway.script = [refuses("account"), accepts()]
    assert notifier.send(sms(1)).attempts[-1].path == "backup.json"
    assert notifier.send(sms(1, "two")).attempts[-1].path == "clinic.json"


def test_who_opted_out_is_sent_nothing(url: str, gateway: Gateway, opened: Opened) -> None:
    """They are suppressed, the others are sent to; a transactional route sends to all."""
    routes = {"codes": {"paths": ["clinic.json"], "transactional": True}}
    notifier = opened(url, {"clinic": gateway}, routes=routes)
    notifier.outbox.store.opt_out("clinic", [number(1)], "TD")
    both = Sms(to=[number(1), number(2)], text="hello")
    result = notifier.send(both)
    assert [delivery.state for delivery in result.deliveries] == [State.SUPPRESSED, State.ACCEPTED]
    assert notifier.send(both, route="codes").accepted
    assert gateway.sent_to == [number(2), number(1), number(2)]


def test_listeners_learn_the_ids(url: str, gateway: Gateway, opened: Opened) -> None:
    """``sent`` is told once, with the numbers that the deliveries have in the store."""
    told: list[Result] = []

    class Listener:
        @hookimpl
        def sent(self, result: Result) -> None:
            told.append(result)

    result = opened(url, {"clinic": gateway}, Listener()).send(sms(1))
    assert told == [result]
    assert result.deliveries[0].id > 0


def test_a_transaction_that_is_rolled_back_sends_nothing(url: str, gateway: Gateway, opened: Opened) -> None:
    """What is enqueued in the caller's transaction is gone with it."""
    notifier = opened(url, {"clinic": gateway})
    engine = create_engine(url)
    with engine.connect() as connection, connection.begin() as transaction:
        notifier.enqueue(sms(1), connection=connection)
        transaction.rollback()
    settle(notifier)
    engine.dispose()
    assert states(notifier) == []
    assert gateway.received == []


def test_a_transaction_that_is_committed_sends(url: str, gateway: Gateway, opened: Opened) -> None:
    """An ORM session will do as well, and a worker sends once it is committed."""
    notifier = opened(url, {"clinic": gateway})
    engine = create_engine(url)
    with Session(engine) as session, session.begin():
        notifier.enqueue(sms(1), connection=session)
    settle(notifier)
    engine.dispose()
    assert gateway.sent_to == [number(1)]


def test_the_settings_of_the_route_hold(sqlite: str, gateway: Gateway, opened: Opened) -> None:
    """Priority and expiry are the route's unless the call says otherwise."""
    notifier = opened(
        sqlite, {"clinic": gateway}, routes={"otp": {"paths": ["clinic.json"], "priority": 9, "expires": "5m"}}
    )
    soon = datetime.now(UTC) + timedelta(seconds=30)
    notifier.enqueue(sms(1), route="otp")
    notifier.enqueue(sms(2), route="otp", priority=1, expires_at=soon)
    notifier.enqueue(sms(3), via="clinic.json")
    store = notifier.outbox.store
    third, second, first = store.deliveries()
    assert first.expires_at is not None
    assert first.priority == 9
    assert abs(first.expires_at - first.created - timedelta(minutes=5)) < timedelta(seconds=30)
    assert (second.priority, second.expires_at) == (1, soon)
    assert (third.priority, third.expires_at, third.way) == (0, None, Way(via="clinic.json"))


def test_a_message_that_nobody_can_carry_is_not_enqueued(sqlite: str, gateway: Gateway, opened: Opened) -> None:
    """It is refused at once, and not by a worker later on."""
    notifier = opened(sqlite, {"clinic": gateway})
    for send in (notifier.enqueue, notifier.send):
        with pytest.raises(InvalidMessage, match="cannot write"):
            send(sms(1, "🙈"))
    assert states(notifier) == []


@pytest.mark.parametrize("to", [[FOREIGN, number(1)], [number(1), FOREIGN]], ids=["first", "last"])
def test_a_number_that_no_path_reaches_does_not_stop_the_others(
    url: str, gateway: Gateway, opened: Opened, to: list[str]
) -> None:
    """What can be sent can be enqueued: the number alone is refused, by the worker as by a direct send."""
    notifier = opened(url, {"clinic": gateway}, only="+86")
    notifier.enqueue(Sms(to=to, text="hello"))
    settle(notifier)
    assert {stored.recipient: stored.state for stored in notifier.outbox.store.deliveries()} == {
        number(1): State.ACCEPTED,
        FOREIGN: State.REJECTED,
    }


def test_an_account_that_reaches_a_part_gets_that_part(url: str, gateway: Gateway, backup: Gateway) -> None:
    """A group whose first number only the second account reaches still leaves by the first one, for the others."""
    config = configuration(url, {"clinic": gateway, "backup": backup})
    config["accounts"]["clinic"]["only"] = "+86"
    with Notifier.from_mapping(config) as notifier:
        notifier.enqueue(Sms(to=[FOREIGN, number(1)], text="hello"))
        settle(notifier)
        stored = notifier.outbox.store.deliveries()
    assert {each.recipient: each.path for each in stored} == {number(1): "clinic.json", FOREIGN: "backup.json"}


def test_an_unknown_route_is_refused(sqlite: str, gateway: Gateway, opened: Opened) -> None:
    """The nearest name is told; so is that a route and a path exclude each other."""
    notifier = opened(sqlite, {"clinic": gateway})
    with pytest.raises(InvalidMessage, match="did you mean 'default'"):
        notifier.enqueue(sms(1), route="defualt")
    with pytest.raises(InvalidMessage, match="not both"):
        notifier.enqueue(sms(1), route="default", via="clinic.json")


def test_without_a_store_nothing_is_enqueued(gateway: Gateway) -> None:
    """The error says which line the configuration lacks; sending without a key works as ever."""
    settings = configuration("", {"clinic": gateway})
    del settings["store"]
    with Notifier.from_mapping(settings) as notifier:
        with pytest.raises(ConfigError, match=r"`store: sqlite:///notify\.db`"):
            notifier.enqueue(sms(1))
        with pytest.raises(ConfigError, match="keys"):
            notifier.send(sms(1), key="order-7")
        assert notifier.send(sms(1)).deliveries[0].id == 0


def test_a_store_without_tables_sends_nothing(gateway: Gateway, opened: Opened, tmp_path: object) -> None:
    """What cannot be recorded does not leave."""
    notifier = opened(f"sqlite:///{tmp_path}/absent.db", {"clinic": gateway})
    with pytest.raises(StoreError, match="notify store init"):
        notifier.send(sms(1))
    assert gateway.received == []
