"""The code table against the interface document and the live WSDL."""

from __future__ import annotations

import pytest

from notify_core.errors import Retry, Scope, Sent
from notify_ipyy import codes, replies

# gateway.md part 1, "Result codes", and the Chinese definitions that follow it, in the same order.
DOCUMENT = """
1001 ParamError 参数错误 transport
1002 UserNameEmpty 用户名为空 account
1003 PasswordEmpty 密码为空 account
1004 UserNameError 用户名错误 account
1005 PasswordError 密码错误 account
1006 BindIpError IP绑定错误 account
1007 UserStop 帐户已停用 account
1008 UserIdError UserId参数错误 transport
1009 Text64Error Text64参数错误 transport
1010 StampError 时间戳错误 transport
2001 ContentEmpty 内容为空 message
1103 MsisdnEmpty 手机号码为空 message
1104 ExtNumberError 扩展错误 account
2105 ContentLong 内容太长 message
1106 NoChannel 没有发送通道 account
2107 SensitiveWords 敏感词汇 account
1108 MsisdnError 错误的手机号码 recipient
1109 MsisdnBlack 黑名单的手机号码 recipient
1110 MsisdnNoChannel 没有通道的手机号码 recipient
1111 AmountNotEnough 额度不足 account
1112 NoProduct 没有配置产品 account
2113 RequiredSuffix 需要签名 account
2114 SuffixError 签名错误 account
3001 SubjectEmpty 主题为空 message
9999 InternalError 系统内部错误 provider
"""
ROWS = [line.split() for line in DOCUMENT.split("\n") if line]

# gateway.md part 2: the names of the live WSDL beyond the document.
LIVE = """
Unknown AppInactive SendTimeError JsonError MsisdnRepeat BalanceNotEnough ChannelTypeError TemplateError
FrequentOperation NoEnabled TemplateIdError MsisdnsMany ContentError MsisdnLess SubjectLong FramesEmpty ElementError
FrameError FrameSizeLong SmilEmpty SmilExcessive ElementNameRepeat SizeLong MmsIdEmpty NoMmsTemplate TaskIdEmpty
NoRealName FaileList
"""
NAMES = [name for line in LIVE.split("\n") for name in line.split()]


@pytest.mark.parametrize(("number", "name", "message", "scope"), ROWS, ids=[row[1] for row in ROWS])
def test_each_documented_code_is_found_by_number_name_and_message(
    number: str, name: str, message: str, scope: str
) -> None:
    """A code of the document is one row, whichever way the gateway spells it, with the scope of the design."""
    code = codes.by_word(number)
    assert code is not None
    assert code is codes.by_word(name.upper())
    assert code is codes.by_message(message)
    assert (code.text, code.scope, code.sent) == (number, Scope(scope), Sent.NO)
    assert code.meaning


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_live_wsdl_is_known(name: str) -> None:
    """A name that only the live WSDL lists has a row, and is its own text."""
    code = codes.by_word(name)
    assert code is not None
    assert (code.text, code.number) == (name, "")


def test_the_table_repeats_nothing() -> None:
    """No number, name or beginning of a message stands in two rows."""
    words = [word for code in codes.CODES for word in (code.number, code.name, *code.messages) if word]
    assert sorted(set(words)) == sorted(words)


@pytest.mark.parametrize("name", ["MsisdnError", "MsisdnBlack", "MsisdnNoChannel", "MsisdnsMany", "MsisdnRepeat"])
def test_what_is_wrong_with_numbers_is_of_recipient_scope(name: str) -> None:
    """A code about numbers concerns these recipients only, so that the core can split the submission."""
    code = codes.by_word(name)
    assert code is not None
    assert code.scope is Scope.RECIPIENT


@pytest.mark.parametrize("name", ["AmountNotEnough", "BalanceNotEnough", "FrequentOperation", "InternalError"])
def test_what_passes_is_worth_a_later_try(name: str) -> None:
    """Credit is topped up and overload ends: such codes say later."""
    code = codes.by_word(name)
    assert code is not None
    assert code.retry is Retry.LATER


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("敏感词(彩票,中奖)", "2107"),
        ("敏感词汇", "2107"),
        (" 错误的手机号码：", "1108"),
        ("密码错了", "1005"),
        ("参数不正确", "1001"),
    ],
)
def test_a_message_is_known_by_its_beginning(message: str, text: str) -> None:
    """Tails and the document's other wordings do not hide a code."""
    code = codes.by_message(message)
    assert code is not None
    assert code.text == text


def test_the_longest_beginning_wins() -> None:
    """用户名或密码错误 is not taken for a shorter message that it could begin with."""
    wrong, empty = codes.by_message("用户名或密码错误"), codes.by_message("用户名或密码不能为空")
    assert wrong is not None
    assert empty is not None
    assert (wrong.meaning, empty.meaning) == ("wrong user name or password", "no user name or no password")


@pytest.mark.parametrize("word", ["", "1", "9000", "BrandNewError"])
def test_an_unseen_word_is_no_code(word: str) -> None:
    """A number or name that is not in the table is told from those that are."""
    assert codes.by_word(word) is None


MESSAGES = [message for code in codes.CODES for message in code.messages] + ["操作成功", "成功", "预付费", "后付"]


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
@pytest.mark.parametrize("message", MESSAGES)
def test_no_message_is_taken_for_another_charset(message: str, charset: str) -> None:
    """The reader tells UTF-8 from GBK by the bytes alone: that holds for every message of the gateway."""
    body = f"<returnsms><message>{message}</message></returnsms>".encode(charset)
    assert replies.read(body).text("message") == message
