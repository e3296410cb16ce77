"""The gateway's own result codes (gateway.md, part 1, "Result codes")."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One result: its number, its name (SOAP), and the Chinese words that the form endpoints answer."""

    number: int
    name: str
    words: str


OK = Code(1, "OK", "操作成功")

_REFUSALS = (
    Code(1001, "ParamError", "参数错误"),
    Code(1002, "UserNameEmpty", "用户名为空"),
    Code(1003, "PasswordEmpty", "密码为空"),
    Code(1004, "UserNameError", "用户名错误"),
    Code(1005, "PasswordError", "密码错误"),
    Code(1006, "BindIpError", "IP绑定错误"),
    Code(1007, "UserStop", "帐户已停用"),
    Code(1008, "UserIdError", "UserId参数错误"),
    Code(1009, "Text64Error", "Text64参数错误"),
    Code(1010, "StampError", "时间戳错误"),
    Code(2001, "ContentEmpty", "内容为空"),
    Code(1103, "MsisdnEmpty", "手机号码为空"),
    Code(1104, "ExtNumberError", "扩展错误"),
    Code(2105, "ContentLong", "内容太长"),
    Code(1106, "NoChannel", "没有发送通道"),
    Code(2107, "SensitiveWords", "敏感词汇"),
    Code(1108, "MsisdnError", "错误的手机号码"),
    Code(1109, "MsisdnBlack", "黑名单的手机号码"),
    Code(1110, "MsisdnNoChannel", "没有通道的手机号码"),
    Code(1111, "AmountNotEnough", "额度不足"),
    Code(1112, "NoProduct", "没有配置产品"),
    Code(2113, "RequiredSuffix", "需要签名"),
    Code(2114, "SuffixError", "签名错误"),
    Code(3001, "SubjectEmpty", "主题为空"),
    Code(9999, "InternalError", "系统内部错误"),
)

TABLE = {code.name: code for code in (OK, *_REFUSALS)}
"""The published codes, by name."""

# Names of the live WSDL that have no published number or words (gateway.md, part 2, ResultCode).
UNPUBLISHED = (  # noqa: SIM905 - as a list it takes 28 lines and says no more
    "Unknown AppInactive SendTimeError JsonError MsisdnRepeat BalanceNotEnough ChannelTypeError TemplateError "
    "FrequentOperation NoEnabled TemplateIdError MsisdnsMany ContentError MsisdnLess SubjectLong FramesEmpty "
    "ElementError FrameError FrameSizeLong SmilEmpty SmilExcessive ElementNameRepeat SizeLong MmsIdEmpty "
    "NoMmsTemplate TaskIdEmpty NoRealName FaileList"
).split()

# What a dialect that needs a number says in their place: our choice, nobody has published the real one.
_PROVIDERS_OWN_TROUBLE = {"FrequentOperation", "Unknown"}


class Refused(Exception):
    """The gateway does not take a submission.

    ``name`` is the code's name in the WSDL, ``tail`` what follows its words in brackets, and ``numbers`` the recipients
    that are to blame.
    """

    def __init__(self, name: str, *, tail: str = "", numbers: tuple[str, ...] = ()) -> None:
        super().__init__(name)
        self.name = name
        self.code = TABLE.get(name) or _stand_in(name)
        self.tail = tail or ("" if name in TABLE else name)
        self.numbers = numbers

    @property
    def words(self) -> str:
        """The Chinese words with their tail, such as 敏感词汇(…)."""
        return f"{self.code.words}({self.tail})" if self.tail else self.code.words


def _stand_in(name: str) -> Code:
    return TABLE["InternalError" if name in _PROVIDERS_OWN_TROUBLE else "ParamError"]
