"""``notify send`` and ``notify mms``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from notify_core.sandbox import LocalGateway
from tests.cli.shell import TEXT, notify

A, B, C = "13800000001", "13800000002", "13800000003"


def test_an_accepted_message_ends_with_0(gateway: LocalGateway) -> None:
    """An accepted message ends with 0, and is shown with its path, its task and a masked number."""
    ended = notify("send", "--to", A, "--text", TEXT)
    (taken,) = gateway.received
    assert (ended.code, ended.err) == (0, "")
    assert taken["text"] == f"{TEXT}【腾飞】"
    assert "+86138****0001" in ended.out
    assert "clinic.json" in ended.out
    assert taken["task_id"] in ended.out
    assert "1 segment each, 1 unit in all" in ended.out


def test_people_see_neither_texts_nor_whole_numbers(gateway: LocalGateway) -> None:
    """What is shown to people repeats neither the text nor a whole number."""
    gateway.account(black_list=[B])
    ended = notify("send", "--to", A, B, "--text", TEXT)
    assert ended.code == 1
    for written in (ended.out, ended.err):
        assert "1439" not in written
        assert A not in written
        assert B not in written


@pytest.mark.parametrize("to", [["--to", A, B], ["--to", A, "--to", B], ["--to", f"{A},{B}"], [f"--to={A}", B]])
def test_several_recipients_are_written_in_any_way(gateway: LocalGateway, to: list[str]) -> None:
    """Several recipients stand after one --to, after one each, or between commas."""
    assert notify("send", *to, "--text", TEXT).code == 0
    assert [taken["to"] for taken in gateway.received] == [(A, B)]


def test_a_refused_message_ends_with_1_and_advice(gateway: LocalGateway) -> None:
    """A message that surely was not sent ends with 1, says why, and what to do."""
    gateway.account(credit=0)
    ended = notify("send", "--to", A, "--text", TEXT, "--via", "clinic.json")
    assert ended.code == 1
    assert "额度不足" in ended.err
    assert "Top up the account" in ended.err
    assert gateway.received == []


def test_a_message_in_doubt_ends_with_3_and_says_not_to_repeat_it(gateway: LocalGateway) -> None:
    """A message in doubt ends with 3, was submitted once, and the way to find out is told."""
    gateway.fault("*:cut-after")
    ended = notify("send", "--to", A, "--text", TEXT)
    assert ended.code == 3
    assert "Do not send it again" in ended.err
    assert "`notify reports clinic`" in ended.err
    assert len(gateway.received) == 1


def test_one_in_doubt_among_others_ends_with_3(gateway: LocalGateway) -> None:
    """Where some recipients are in doubt, others accepted and others refused, the exit code is 3."""
    gateway.account(black_list=[C])
    gateway.fault("smsJson.aspx:short-count:times=1")
    ended = notify("send", "--to", A, B, C, "--text", TEXT, "--via", "single.json", "--json")
    states = [delivery["state"] for delivery in json.loads(ended.out)["deliveries"]]
    assert (ended.code, states) == (3, ["in_doubt", "accepted", "rejected"])


def test_json_has_everything(gateway: LocalGateway) -> None:
    """--json tells states, attempts, task ids, segments and whole numbers in one document."""
    ended = notify("send", "--to", A, "--text", "长" * 71, "--route", "backup", "--json")
    result = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "")
    (delivery,) = result["deliveries"]
    assert (delivery["recipient"], delivery["state"], delivery["path"]) == (f"+86{A}", "accepted", "clinic.json")
    assert delivery["task_id"] == result["task_id"] == gateway.received[0]["task_id"]
    assert (result["segments"], result["units"]) == (2, 2)
    tried = [(each["path"], each["state"], (each["error"] or {}).get("scope")) for each in result["attempts"]]
    assert tried == [
        ("dead.json", "rejected", "transport"),
        ("mistaken.json", "rejected", "account"),
        ("clinic.json", "accepted", None),
    ]


def test_a_failover_is_shown_with_its_reasons(gateway: LocalGateway) -> None:
    """The paths that were tried in vain are shown with what came of them."""
    ended = notify("send", "--to", A, "--text", TEXT, "--route", "backup")
    assert ended.code == 0
    assert "no connection" in ended.out
    assert "密码错误" in ended.out
    assert len(gateway.received) == 1


def test_options_reach_the_gateway(gateway: LocalGateway) -> None:
    """--via, --ext and --at are what the gateway gets."""
    args = ("--via", "clinic.xml", "--ext", "12", "--at", "2030-01-31T09:00+08:00")
    assert notify("send", "--to", A, "--text", TEXT, *args).code == 0
    (taken,) = gateway.received
    assert (taken["endpoint"], taken["extension"]) == ("/sms.aspx", "12")
    assert taken["send_at"].isoformat() == "2030-01-31T09:00:00+08:00"


def test_a_template_is_filled_with_values(gateway: LocalGateway) -> None:
    """--template says a text of the configuration with the values of --value."""
    assert notify("send", "--to", A, "--template", "otp", "--value", "code=1=2").code == 0
    assert gateway.received[0]["text"] == "您的验证码：1=2【腾飞】"


def test_a_text_comes_from_a_file_or_stdin(gateway: LocalGateway, folder: Path) -> None:
    """--text-file reads a file or stdin, without a byte order mark and the newline at its end."""
    (folder / "text.txt").write_bytes("\ufeff两行\n字\r\n".encode())
    assert notify("send", "--to", A, "--text-file", "text.txt").code == 0
    assert notify("send", "--to", A, "--text-file", "-", typed="两行\n字\n").code == 0
    assert [taken["text"] for taken in gateway.received] == ["两行\n字【腾飞】"] * 2


def test_a_dry_run_sends_nothing(gateway: LocalGateway) -> None:
    """--dry-run tells the path and the cost, and nothing leaves."""
    ended = notify("send", "--to", A, B, "--text", "长" * 71, "--dry-run", "--json")
    expected = {"dry_run": True, "path": "clinic.json", "segments": 2, "recipients": 2, "units": 4}
    assert (ended.code, json.loads(ended.out)) == (0, expected)
    assert "4 units" in notify("send", "--to", A, B, "--text", "长" * 71, "--dry-run").out
    assert gateway.received == []


def test_a_file_of_recipients_may_have_comments(gateway: LocalGateway, folder: Path) -> None:
    """Blank lines, comments and repetitions in a file of numbers are left out."""
    (folder / "to.txt").write_text(f"# patients\n\n{A}\n  {B}  # by post too\n+86{A}\n", "utf-8")
    assert notify("send", "--to-file", "to.txt", "--text", TEXT).code == 0
    assert gateway.received[0]["to"] == (A, B)


def test_bad_numbers_of_a_file_are_told_at_once(gateway: LocalGateway, folder: Path) -> None:
    """Every bad number of a file is told with its line, masked, before anything is sent."""
    (folder / "to.txt").write_text(f"{A}\n01088886666\n\nsomebody\n{B}\n", "utf-8")
    ended = notify("send", "--to-file", "to.txt", "--text", TEXT)
    assert ended.code == 2
    assert "to.txt:2: '010****6666' is a landline" in ended.err
    assert "to.txt:4: " in ended.err
    assert "2 numbers cannot be used; nothing was sent" in ended.err
    assert gateway.received == []


def test_of_many_recipients_only_those_not_accepted_are_listed(gateway: LocalGateway, folder: Path) -> None:
    """10,000 numbers leave in a few submissions; those not accepted are listed, and kept whole in a file of 0600."""
    numbers = [f"138{number:08}" for number in range(10_000)]
    gateway.account(black_list=[numbers[7]], credit=20_000)
    (folder / "to.txt").write_text("\n".join(numbers), "utf-8")
    ended = notify("send", "--to-file", "to.txt", "--text", TEXT)
    (kept,) = folder.glob("notify-result-*.json")
    deliveries = json.loads(kept.read_text("utf-8"))["deliveries"]
    assert ended.code == 1
    assert "9,999 accepted; 1 not sent" in ended.out
    assert ended.out.count("+86138****") == 1
    assert kept.name in ended.out
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [each["recipient"] for each in deliveries if each["state"] != "accepted"] == [f"+86{numbers[7]}"]


def test_a_result_that_was_kept_is_sent_again_to_those_left_out(gateway: LocalGateway, folder: Path) -> None:
    """--to-file takes a result: whoever surely was not sent to gets the message, and whoever is in doubt does not."""
    numbers = [f"138{number:08}" for number in range(30)]
    (folder / "to.txt").write_text("\n".join(numbers), "utf-8")
    gateway.fault("smsJson.aspx:cut-after:times=1")
    first = notify("send", "--to-file", "to.txt", "--text", TEXT, "--via", "single.json")
    (kept,) = (each.name for each in folder.glob("notify-result-*.json"))
    assert f"--to-file {kept} sends again to those alone" in first.out
    again = notify("send", "--to-file", kept, "--text", TEXT)
    assert (first.code, again.code) == (3, 0)
    assert "1 in doubt" in first.out
    assert sorted(number for taken in gateway.received for number in taken["to"]) == numbers


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"deliveries": [{"recipient": "+8613800000001", "state": "in_doubt"}]}', "nobody was left out"),
        ('{"balance": 7}', "expected numbers, one a line, or the result of a send as JSON"),
        ('{"deliveries": [', "expected numbers, one a line, or the result of a send as JSON"),
        ('{"deliveries": [7]}', "expected numbers, one a line, or the result of a send as JSON"),
    ],
)
def test_a_result_without_anybody_to_send_to_is_misuse(
    content: str, words: str, gateway: LocalGateway, folder: Path
) -> None:
    """A result that leaves nobody out, or JSON that is none, ends with 2, and nobody is sent to."""
    (folder / "result.json").write_text(content, "utf-8")
    ended = notify("send", "--to-file", "result.json", "--text", TEXT)
    assert ended.code == 2
    assert ended.err.startswith(f"result.json: {words}")
    assert gateway.received == []


@pytest.mark.usefixtures("gateway")
def test_many_not_accepted_are_grouped_by_reason(folder: Path) -> None:
    """Recipients that share a reason are counted in one line where there are too many to list."""
    (folder / "to.txt").write_text("\n".join(f"138{number:08}" for number in range(60)), "utf-8")
    ended = notify("send", "--to-file", "to.txt", "--text", TEXT, "--route", "hopeless")
    assert ended.code == 1
    assert ended.out.count("+86138****") == 3
    assert any(line.startswith("60 ") for line in ended.out.splitlines())


def test_an_mms_carries_its_files(gateway: LocalGateway, folder: Path) -> None:
    """``notify mms`` sends the subject and the files in order, over the path that carries MMS."""
    (folder / "1.txt").write_text("您好", "utf-8")
    (folder / "2.jpg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    ended = notify("mms", "--to", A, "--subject", "照片", "--route", "pictures", "1.txt", "2.jpg")
    (taken,) = gateway.received
    assert (ended.code, taken["subject"]) == (0, "照片")
    assert "2.jpg" in str(taken["parts"])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--text", TEXT], "give the recipients"),
        (["--to", A, "--to-file", "to.txt", "--text", TEXT], "give the recipients"),
        (["--to", A], "give what to say, once"),
        (["--to", f"{A},", "--text", TEXT], "--to: a number is empty: leave it out"),
        (["--to", A, "--text", TEXT, "--template", "otp"], "give what to say, once"),
        (["--to", A, "--text", ""], "`text` is empty"),
        (["--to", A, "--text", "长" * 2000], "30 segments long; account 'clinic' takes 15, about 1,005 characters"),
        (
            ["--to", A, "--text", TEXT, "--via", "clinic.ensms"],
            "notify.yaml:4: accounts.clinic: clinic.ensms",
        ),
        (["--to", "", "--text", TEXT], "a number is empty"),
        (["--to", "123", "--text", TEXT], "is not a valid phone number"),
        (["--to", "010-8888-6666", "--text", TEXT], "is a landline"),
        (["--to", A, "--text", TEXT, "--ext", "123456"], "at most 5"),
        (["--to", A, "--text", TEXT, "--ext", "1a"], "give digits only"),
        (["--to", A, "--text", TEXT, "--at", "2030-01-31T09:00"], "write 2030-01-31T09:00:00+08:00"),
        (["--to", A, "--text", TEXT, "--at", "tomorrow"], "write it such as 2030-01-31T09:00+08:00"),
        (["--to", A, "--text", TEXT, "--at", "2020-01-31T09:00Z"], "is past"),
        (["--to", A, "--text", TEXT, "--route", "backups"], "no route 'backups'; did you mean 'backup'?"),
        (["--to", A, "--text", TEXT, "--via", "clinic.jsn"], "no path 'clinic.jsn'; did you mean 'clinic.json'?"),
        (["--to", A, "--text", TEXT, "--route", "backup", "--via", "clinic.json"], "either a route or via"),
        (["--to", A, "--template", "otp"], "needs a value for 'code'"),
        (["--to", A, "--template", "otp", "--value", "cod=1"], "has no 'cod'; did you mean 'code'?"),
        (["--to", A, "--template", "otp", "--value", "1439"], "each --value is written KEY=VALUE"),
        (["--to", A, "--template", "opt"], "no template 'opt'; did you mean 'otp'?"),
        (["--to", A, "--text", TEXT, "--value", "code=1"], "`values` belong to a `template`"),
        (["--to", A, "--text", TEXT, "--to-file", "-", "--text-file", "-"], "stdin can be read only once"),
        (["--to", A, "--text-file", "nowhere.txt"], "cannot read nowhere.txt: No such file"),
        (["--to-file", "nowhere.txt", "--text", TEXT], "cannot read nowhere.txt: No such file"),
        (["--to-file", "empty.txt", "--text", TEXT], "empty.txt holds no numbers"),
        (["--to-file", "latin.txt", "--text", TEXT], "latin.txt:2: is not UTF-8"),
        (["--to", A, "--txt", TEXT], "No such option"),
        (["--to", A, "--text", "an", "unquoted", "text"], "unexpected extra argument"),
    ],
)
def test_bad_input_ends_with_2_and_says_what_to_write(
    gateway: LocalGateway, folder: Path, args: list[str], words: str
) -> None:
    """What cannot be sent as it is written ends with 2 and advice, and nothing leaves."""
    (folder / "empty.txt").write_text("# nobody\n", "utf-8")
    (folder / "latin.txt").write_bytes(b"# staff\n# \xe9\n")
    ended = notify("send", *args)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert gateway.received == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--subject", "照片", "nowhere.jpg"], "cannot read nowhere.jpg"),
        (["--subject", "照片"], "Missing argument"),
        (["picture.jpg"], "Missing option '--subject'"),
        (
            ["--subject", "照片", "picture.jpg"],
            "no path of route 'default' carries mms: name another route, or --via clinic.mms",
        ),
    ],
)
def test_an_mms_that_cannot_be_ends_with_2(gateway: LocalGateway, folder: Path, args: list[str], words: str) -> None:
    """An MMS without files or subject, or along a route that carries none, ends with 2."""
    (folder / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    ended = notify("mms", "--to", A, *args)
    assert ended.code == 2
    assert words in ended.err
    assert gateway.received == []
