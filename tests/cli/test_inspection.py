"""``notify check`` and ``notify plugins``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from notify_core.sandbox import LocalGateway
from tests.cli.shell import PASSWORD, ended, notify, process

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
