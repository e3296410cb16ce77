"""``notify check`` and ``notify plugins``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from notify_core.sandbox import LocalGateway
from notify_core.store.schema import HEAD
from tests.cli.shell import PASSWORD, ended, notify, process

SECRET = "whsec_bm90LWEtc2VjcmV0LW9mLWFueWJvZHkh"
GOOD = f"""
accounts:
  clinic: {{provider: ipyy, base_url: "https://gateway.example", account: a, password: {PASSWORD}}}
routes:
  default: [clinic.json]
"""


def test_check_explains_accounts_routes_and_paths(gateway: LocalGateway) -> None:
    """It tells what each account, route and path is, and asks nobody."""
    shown = notify("check")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("notify.yaml can work: 4 accounts, 4 routes,")
    assert gateway.url.removeprefix("http://") in shown.out
    assert "【腾飞】" in shown.out
    assert "dead.json, then mistaken.json, then clinic.json" in shown.out
    assert "No route uses account 'single'" in shown.out
    lines = {line.split()[0]: line.split()[1:] for line in shown.out.splitlines() if line}
    assert lines["clinic.mms"] == ["mms", "✓", "✓", "✓", "✓", "pictures"]


@pytest.mark.usefixtures("gateway")
def test_check_says_why_a_path_cannot_be_used() -> None:
    """A path that no route uses and that cannot be bound has no mark, but the reason; --live does not ask it."""
    row, remark = (line for line in notify("check").out.splitlines() if line.startswith("clinic.ensms"))
    assert row.split() == ["clinic.ensms"]
    names = "clinic.ensms, single.ensms, mistaken.ensms, dead.ensms"
    assert remark.startswith(f"{names} cannot be used: ensms needs user_id")
    found = json.loads(notify("check", "--live", "--json").out)
    paths = {path["name"]: path for path in found["paths"]}
    assert paths["clinic.ensms"]["can"] == []
    assert paths["clinic.ensms"]["problem"].startswith("ensms needs user_id")
    assert paths["clinic.json"]["problem"] == ""
    assert {"clinic.ensms", "clinic.json"} & {each["name"] for each in found["live"]} == {"clinic.json"}


@pytest.mark.usefixtures("gateway")
def test_check_in_json_has_no_secret() -> None:
    """In JSON it holds accounts, routes, paths and remarks; the password is in none of them."""
    found = json.loads(notify("check", "--json").out)
    assert found["accounts"]["clinic"]["signature"] == "腾飞"
    assert found["routes"]["backup"]["paths"] == ["dead.json", "mistaken.json", "clinic.json"]
    assert {"clinic.json", "clinic.mms"} <= {path["name"] for path in found["paths"]}
    assert "password" not in found["accounts"]["clinic"]


def test_check_live_asks_every_path(gateway: LocalGateway, folder: Path) -> None:
    """With --live it tells each path's balance and time, or what is wrong and what to do, and ends with 1 then."""
    shown = notify("check", "--live", "--json")
    live = {each["name"]: each for each in json.loads(shown.out)["live"]}
    assert shown.code == 1
    assert live["clinic.xml"]["units"] == 10_000
    assert live["mistaken.json"]["error"]["scope"] == "account"
    assert live["dead.json"]["error"]["scope"] == "transport"
    text = (folder / "notify.yaml").read_text("utf-8")
    for name in ("mistaken", "dead"):
        text = "\n".join(line for line in text.splitlines() if name not in line)
    (folder / "notify.yaml").write_text(text, "utf-8")
    assert notify("check", "--live").code == 0
    assert gateway.received == []


SHOP = f"""
default_region: CN
store: sqlite:///notify.db
accounts:
  clinic: &account
    provider: ipyy
    base_url: "https://gateway.example"
    account: a
    password: {PASSWORD}
    pull: {{reports: 30s, inbound: 5m}}
    credit: {{every: 10m, low: 1000, low_days: 2.5}}
  both: {{<<: *account, pull: {{reports: 1m}}, push: {{tokens: [an-unguessable-word-0]}}, credit: {{}}}}
  deaf: {{<<: *account, pull: , credit: {{}}}}
  idle: {{<<: *account, pull: , credit: {{}}}}
routes:
  default: {{paths: [clinic.json, both.xml, deaf.json], quiet_hours: "21:00-08:00", schedule: local, priority: -1}}
  otp: {{paths: [clinic.soap], expires: 5m, transactional: true, wipe_texts: final}}
webhooks:
  shop: {{url: "https://shop.example/told?key=4711", secrets: [{SECRET}], events: [reported], accounts: [both]}}
server: {{tokens: [an-unguessable-word-1]}}
"""


@pytest.fixture
def shop(folder: Path) -> Path:
    """A configuration with all that needs a store, which is not there yet."""
    (folder / "notify.yaml").write_text(SHOP, "utf-8")
    return folder


def line(shown: str, first: str) -> list[str]:
    """The cells of the line that begins with a word."""
    (found,) = (each for each in shown.splitlines() if each.startswith(f"{first} "))
    return re.split(r" {2,}", found)[1:]


@pytest.mark.usefixtures("shop")
def test_check_tells_what_comes_back_and_when_nothing_leaves() -> None:
    """Of accounts: how reports and inbound messages come in, and the credit; of routes: all that is not usual."""
    shown = notify("check").out
    assert line(shown, "clinic")[-3:] == ["pull 30s", "pull 5m", "asked every 10m, low below 1,000, low below 2.5 days"]
    assert line(shown, "both")[-2:] == ["pull 1m, push", "push"]
    assert line(shown, "default")[-1] == "priority -1; quiet 21:00-08:00; held here until their time"
    assert line(shown, "otp")[-1] == "expires after 5m; to those who opted out too; texts wiped when final"
    assert "`notify serve` takes pushes of both, at /push/ACCOUNT/TOKEN." in shown
    assert "`notify serve` offers its API, dashboard and metrics" in shown


@pytest.mark.usefixtures("shop")
def test_check_hints_at_accounts_whose_reports_nobody_takes_in() -> None:
    """With a store, an account that sends and hears nothing is named, with what to give it; others are not."""
    (hint,) = (each for each in notify("check").out.splitlines() if each.startswith("Nobody takes in"))
    assert hint.startswith("Nobody takes in the reports of account 'deaf', so no delivery goes beyond accepted")
    assert hint.endswith(": give it `pull: 30s` or `push:`.")


@pytest.mark.usefixtures("shop")
def test_check_names_webhooks_without_their_secrets() -> None:
    """Of a webhook it tells the address, without what may be a password, and what it is told of."""
    shown, said = notify("check").out, notify("check", "--json").out
    assert line(shown, "shop") == ["https://shop.example/told", "reported", "both"]
    assert json.loads(said)["webhooks"]["shop"]["url"] == "https://shop.example/told"
    for written in (shown, said):
        assert SECRET not in written
        assert "4711" not in written
        assert "an-unguessable-word" not in written


def test_check_looks_into_the_store(shop: Path) -> None:
    """A store that is not there is told with what to run, and fails --live; one that is, with how much is open."""
    missing = notify("check")
    place = f"sqlite:///{shop / 'notify.db'}"
    assert missing.code == 0
    assert f"\nStore: {place}: there is no store in it: run `notify store init`\n" in missing.out
    assert json.loads(notify("check", "--json").out)["store"]["error"]["kind"] == "StoreError"
    assert not (shop / "notify.db").exists()
    assert notify("store", "init").code == 0
    found = notify("check", "--json")
    assert f"\nStore: {place}, version {HEAD}; open: 0 queued, 0 sending, 0 in doubt.\n" in notify("check").out
    assert json.loads(found.out)["store"]["open"] == {"queued": 0, "sending": 0, "in_doubt": 0}


def test_check_live_fails_without_the_store(gateway: LocalGateway, folder: Path) -> None:
    """Every path works, but not the store: with --live that is exit code 1, until there is one."""
    account = f"{{provider: ipyy, base_url: {gateway.url}, account: sandbox, password: {PASSWORD}}}"
    (folder / "notify.yaml").write_text(f"store: sqlite:///notify.db\naccounts: {{clinic: {account}}}\n", "utf-8")
    assert notify("check", "--live").code == 1
    assert notify("store", "init").code == 0
    assert notify("check", "--live").code == 0


def test_a_password_of_the_store_is_not_shown(folder: Path) -> None:
    """Where PostgreSQL does not answer, its address is told without the password."""
    store = f"store: postgresql+psycopg://shop:{PASSWORD}@127.0.0.1:9/shop\n"
    (folder / "notify.yaml").write_text(GOOD + store, "utf-8")
    assert "Store: postgresql+psycopg://shop:***@127.0.0.1:9/shop" in notify("check").out


def test_the_schema_is_printed() -> None:
    """With --schema it prints the JSON Schema of the file, without needing one."""
    shown = notify("check", "--schema")
    assert shown.code == 0
    assert json.loads(shown.out)["properties"]["routes"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "notify.yaml: is empty"),
        ("just words", "notify.yaml:1: expected `accounts:`"),
        ("accounts:\n\tclinic: {}\n", "notify.yaml:2: is not YAML: a tab stands where YAML wants blanks"),
        (GOOD + "routes: {}\n", "notify.yaml:6: routes: the key stands twice"),
        (GOOD.replace("ipyy", "ipy"), "no plugin speaks to 'ipy'; did you mean 'ipyy'?"),
        (GOOD.replace(PASSWORD, '"${NOTIFY_NOT_SET}"'), "the environment variable NOTIFY_NOT_SET is not set"),
        (GOOD.replace(PASSWORD, '"${file:/nowhere}"'), "cannot read the secret file /nowhere"),
        (GOOD.replace("https", "http"), "http:// would send the password in clear"),
        (GOOD.replace("clinic.json", "clinik.json"), "notify.yaml:5: routes.default[0]: no account 'clinik'"),
        (GOOD.replace("[clinic.json]", "[]"), "notify.yaml:5: routes.default.paths: expected at least one entry"),
        (GOOD.replace("account: a", "acount: a"), "unknown key; did you mean 'account'?"),
        (
            GOOD.replace("clinic.json", "clinic.ensms"),
            "notify.yaml:5: routes.default[0]: clinic.ensms cannot be used: ensms needs user_id",
        ),
        (
            GOOD.replace("account: a,", "account: a, wsdl: gone.wsdl,").replace("clinic.json", "clinic.soap"),
            "notify.yaml:5: routes.default[0]: clinic.soap cannot be used: wsdl: cannot read /",
        ),
    ],
)
def test_a_configuration_that_cannot_work_ends_with_2(folder: Path, text: str, words: str) -> None:
    """A fault of the configuration is told with its file and line, without a secret, and the exit code is 2."""
    (folder / "notify.yaml").write_text(text, "utf-8")
    shown = notify("check")
    assert (shown.code, shown.out) == (2, "")
    assert words in shown.err
    assert "nothing was started" in shown.err


def test_every_fault_is_told_at_once(folder: Path) -> None:
    """The faults of a file stand one a line, in its order, and as a list in JSON."""
    faulty = GOOD.replace("account: a", "acount: a").replace("clinic.json", "clinic.jsn")
    (folder / "notify.yaml").write_text(faulty, "utf-8")
    shown = notify("check", "--json")
    faults = json.loads(shown.out)["error"]["faults"]
    assert shown.code == 2
    assert [fault["line"] for fault in faults] == [3, 3, 5]
    assert len(shown.err.splitlines()) == len(faults) + 1


def test_without_a_configuration_the_ways_to_name_one_are_told() -> None:
    """Without a file the error says where it was looked for and how to get one."""
    shown = notify("check")
    assert shown.code == 2
    assert "notify.yaml: no such file here" in shown.err
    assert "--config FILE" in shown.err
    assert "notify sandbox" in shown.err


@pytest.mark.usefixtures("gateway")
def test_the_configuration_is_named_in_three_ways(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config before or after the command wins over NOTIFY_CONFIG, which wins over ./notify.yaml."""
    (folder / "other.yaml").write_text(GOOD, "utf-8")
    (folder / "third.yaml").write_text(GOOD, "utf-8")
    assert notify("check").out.startswith("notify.yaml can work")
    monkeypatch.setenv("NOTIFY_CONFIG", "other.yaml")
    assert notify("check").out.startswith("other.yaml can work")
    assert notify("--config", "third.yaml", "check").out.startswith("third.yaml can work")
    assert notify("--config", "other.yaml", "check", "--config", "third.yaml").out.startswith("third.yaml can work")


def test_plugins_lists_transports_with_what_they_can_do() -> None:
    """It tells each transport's provider, distribution, kinds and capabilities."""
    found = {each["name"]: each for each in json.loads(notify("plugins", "--json").out)["plugins"]}
    transport = found["ipyy.json"]
    assert (transport["provider"], transport["distribution"], transport["carries"]) == ("ipyy", "notify-core", ["sms"])
    assert {"send", "balance", "status", "inbound", "push", "change_password"} <= set(transport["can"])
    assert "ipyy.json" in notify("plugins").out


def test_a_plugin_that_cannot_be_imported_is_listed_with_the_reason(folder: Path) -> None:
    """A broken plugin stands in the list with its reason, and hides no other."""
    distribution = folder / "acme_sms-1.5.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sms\nVersion: 1.5\n", "utf-8")
    (distribution / "entry_points.txt").write_text("[notify]\nacme.rest = acme_sms\nacme.soap = acme_gone\n", "utf-8")
    (folder / "acme_sms.py").write_text("raise RuntimeError('out of order')\n", "utf-8")
    shown = ended(process("plugins", PYTHONPATH=str(folder)))
    lines = {line.split("  ")[0]: line for line in shown.out.splitlines()}
    assert shown.code == 0
    assert "acme-sms 1.5" in lines["acme.rest"]
    assert "RuntimeError" in lines["acme.rest"]
    assert "out of order" not in shown.out, "its text may quote a secret"
    assert "needs 'acme_gone', which is not installed" in lines["acme.soap"]
    assert "✓" in lines["ipyy.json"]
