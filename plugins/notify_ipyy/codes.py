"""The gateway's result codes: its number, name and Chinese message for each, and what each means for failover.

Sources: gateway.md part 1 "Result codes" and §4–§6 for rows with a number or a Chinese message, part 2 (the live WSDL's
``ResultCode``) for the names without one. Scopes follow the error table of the design; where the provider explains
nothing, the row takes the narrowest scope that still lets another account try.
"""

from __future__ import annotations

from dataclasses import dataclass

from notify_core.errors import Retry, Scope, Sent

MESSAGE, RECIPIENT, TRANSPORT, ACCOUNT, PROVIDER = Scope
NEVER, LATER = Retry.NEVER, Retry.LATER


@dataclass(frozen=True, slots=True)
class Code:
    """One result code.

    ``number`` and ``name`` are empty where the gateway has none. ``messages`` are the ways in which its Chinese message
    begins; what follows is a tail such as the words found. ``sent`` is UNKNOWN for a code that may stand for a
    submission of which a part was taken. ``credit``: the refusal is for want of credit.
    """

    number: str
    name: str
    messages: tuple[str, ...]
    meaning: str
    scope: Scope
    retry: Retry = NEVER
    sent: Sent = Sent.NO
    credit: bool = False

    @property
    def text(self) -> str:
        """The code as errors show it: the number of the interface document, else the WSDL's name."""
        return self.number or self.name


CODES: tuple[Code, ...] = (
    Code("1001", "ParamError", ("参数错误", "参数不正确"), "bad parameter", TRANSPORT),
    Code("1002", "UserNameEmpty", ("用户名为空",), "no user name", ACCOUNT),
    Code("1003", "PasswordEmpty", ("密码为空",), "no password", ACCOUNT),
    Code("1004", "UserNameError", ("用户名错误",), "wrong user name", ACCOUNT),
    Code("1005", "PasswordError", ("密码错误", "密码错了"), "wrong password", ACCOUNT),
    Code("", "", ("用户名或密码不能为空",), "no user name or no password", ACCOUNT),
    Code("", "", ("用户名或密码错误",), "wrong user name or password", ACCOUNT),
    Code("", "", ("该用户不允许查看状态报告",), "this account may not fetch reports", ACCOUNT),
    Code(
        "1006", "BindIpError", ("IP绑定错误",), "the caller's IP address is not the one bound to the account", ACCOUNT
    ),
    Code("1007", "UserStop", ("帐户已停用", "账户已停用"), "the account is stopped", ACCOUNT),
    Code("1008", "UserIdError", ("UserId参数错误",), "UserId is not the provider's number", TRANSPORT),
    Code(
        "1009",
        "Text64Error",
        ("Text64参数错误",),
        "Text64 is not base64, DES or JSON as expected; a wrong password or user_id shows up like this",
        TRANSPORT,
    ),
    Code("1010", "StampError", ("时间戳错误",), "the stamp is malformed or more than 5 minutes off", TRANSPORT),
    Code("2001", "ContentEmpty", ("内容为空",), "no content", MESSAGE),
    Code("1103", "MsisdnEmpty", ("手机号码为空",), "no number", MESSAGE),
    Code("1104", "ExtNumberError", ("扩展错误",), "bad extension", ACCOUNT),
    Code("2105", "ContentLong", ("内容太长",), "content too long", MESSAGE),
    Code("1106", "NoChannel", ("没有发送通道",), "no sending channel", ACCOUNT, LATER),
    Code("2107", "SensitiveWords", ("敏感词汇", "敏感词"), "sensitive words", ACCOUNT),
    Code("1108", "MsisdnError", ("错误的手机号码",), "bad number", RECIPIENT),
    Code("1109", "MsisdnBlack", ("黑名单的手机号码",), "black-listed number", RECIPIENT),
    Code("1110", "MsisdnNoChannel", ("没有通道的手机号码",), "no channel for this number", RECIPIENT),
    Code("1111", "AmountNotEnough", ("额度不足",), "out of credit", ACCOUNT, LATER, credit=True),
    Code("1112", "NoProduct", ("没有配置产品",), "no product configured", ACCOUNT),
    Code("2113", "RequiredSuffix", ("需要签名",), "signature required", ACCOUNT),
    Code("2114", "SuffixError", ("签名错误",), "wrong signature", ACCOUNT),
    Code("3001", "SubjectEmpty", ("主题为空",), "no subject", MESSAGE),
    Code("9999", "InternalError", ("系统内部错误",), "internal error", PROVIDER, LATER),
    Code("", "Unknown", (), "unknown error", PROVIDER, LATER),
    Code("", "FrequentOperation", (), "too many requests", PROVIDER, LATER),
    Code("", "BalanceNotEnough", (), "out of credit", ACCOUNT, LATER, credit=True),
    Code("", "AppInactive", (), "the application is not active", ACCOUNT),
    Code("", "NoEnabled", (), "the service is not enabled", ACCOUNT),
    Code("", "NoRealName", (), "no real-name registration", ACCOUNT),
    Code("", "ChannelTypeError", (), "wrong type of channel", ACCOUNT),
    Code("", "SendTimeError", (), "the provider does not take this send time", ACCOUNT),
    Code("", "ContentError", (), "the provider does not take this content", ACCOUNT),
    Code("", "TemplateError", (), "the content fits no registered template", ACCOUNT),
    Code("", "TemplateIdError", (), "unknown template", ACCOUNT),
    Code("", "NoMmsTemplate", (), "no such MMS template", ACCOUNT),
    Code("", "JsonError", (), "malformed JSON", TRANSPORT),
    Code("", "MmsIdEmpty", (), "no MMS id", TRANSPORT),
    Code("", "TaskIdEmpty", (), "no task id", TRANSPORT),
    Code("", "MsisdnRepeat", (), "a number occurs twice", RECIPIENT),
    Code("", "MsisdnsMany", (), "too many numbers in one submission", RECIPIENT),
    Code("", "MsisdnLess", (), "too few numbers in one submission", ACCOUNT),
    # Its meaning is published nowhere. The name (sic) says that some numbers failed, so others may have been taken.
    Code("", "FaileList", (), "some numbers failed", RECIPIENT, NEVER, Sent.UNKNOWN),
    Code("", "SubjectLong", (), "subject too long", MESSAGE),
    Code("", "FramesEmpty", (), "the MMS has no frames", MESSAGE),
    Code("", "FrameError", (), "bad MMS frame", MESSAGE),
    Code("", "FrameSizeLong", (), "an MMS frame is too large", MESSAGE),
    Code("", "ElementError", (), "bad MMS element", MESSAGE),
    Code("", "ElementNameRepeat", (), "two MMS elements have one name", MESSAGE),
    Code("", "SmilEmpty", (), "the MMS has no SMIL element", MESSAGE),
    Code("", "SmilExcessive", (), "the MMS has more than one SMIL element", MESSAGE),
    Code("", "SizeLong", (), "the MMS is too large", MESSAGE),
)

_BY_WORD = {word.lower(): code for code in CODES for word in (code.number, code.name) if word}
_BY_BEGINNING = sorted(((text, code) for code in CODES for text in code.messages), key=lambda pair: -len(pair[0]))


def by_word(word: str) -> Code | None:
    """The code of that number or name (in any letter case), None for one that nobody has seen yet."""
    return _BY_WORD.get(word.strip().lower())


def by_message(message: str) -> Code | None:
    """The code whose Chinese message is the longest beginning of ``message``, None where there is none."""
    message = message.strip()
    return next((code for beginning, code in _BY_BEGINNING if message.startswith(beginning)), None)
