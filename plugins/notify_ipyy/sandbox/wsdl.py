"""The WSDL that the sandbox publishes of itself, in the shapes of the live one (gateway.md, part 2, SOAP)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from notify_ipyy.sandbox.codes import TABLE, UNPUBLISHED

NAMESPACE = "http://www.yysms.com/"
OPERATIONS = ("SendSms", "SendMms")

# A field is "name type", with "?" after the type where minOccurs is 0 and "~" where it is nillable.
_TYPES: Mapping[str, Sequence[str]] = {
    "SmsObject": ("Msisdns s:string?", "SMSContent s:string?", "ExtNumber s:string?", "PlanSendTime s:dateTime~"),
    "MmsObject": (
        "Msisdns s:string?",
        "Subject s:string?",
        "ExtNumber s:string?",
        "PlanSendTime s:dateTime~",
        "Elements tns:ArrayOfMmsElement?",
    ),
    "MmsElement": ("Name s:string?", "ElementType tns:MmsElementType", "Base64Text s:string?"),
}
_RESULT = (
    "PayType s:int",
    "StatusCode tns:ResultCode",
    "Description s:string?",
    "MsgId s:string?",
    "SuccessCounts s:int",
    "BillingCount s:int",
    "Amount s:long",
    "Balance s:decimal",
    "BillingAmount s:decimal",
    "Errors tns:ArrayOfString?",
    "AlterSendResult tns:SendResultBase?",
    "CustomId s:string?",
)
_ELEMENT_TYPES = ("Unknown", "Jpg", "Gif", "Png", "Bmp", "Smil", "Wav", "Mid", "Amr", "Mp3", "Text", "Xml", "Mp4")
_PORTS = {"WebServiceSoap": "soap", "WebServiceSoap12": "soap12"}


def wsdl(address: str) -> bytes:
    """The WSDL of the service at ``address``, with a port for SOAP 1.1 and one for SOAP 1.2."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://www.w3.org/2001/XMLSchema"'
        ' xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"'
        f' xmlns:tns="{NAMESPACE}" targetNamespace="{NAMESPACE}">'
        f"<wsdl:types>{_schema()}</wsdl:types>{_messages()}{_port_types()}{_bindings()}{_service(address)}"
        "</wsdl:definitions>"
    ).encode()


def _schema() -> str:
    types = "".join(
        f'<s:complexType name="{name}">{_sequence(fields)}</s:complexType>' for name, fields in _TYPES.items()
    )
    return (
        f'<s:schema elementFormDefault="qualified" targetNamespace="{NAMESPACE}">'
        + _wrapper("SendSms", ("userName s:string?", "password s:string?", "sms tns:SmsObject?"))
        + _wrapper("SendSmsResponse", ("SendSmsResult tns:SendResult?",))
        + _wrapper("SendMms", ("userName s:string?", "password s:string?", "mms tns:MmsObject?"))
        + _wrapper("SendMmsResponse", ("SendMmsResult tns:SendResult?",))
        + types
        + f'<s:complexType name="SendResultBase" abstract="true">{_sequence(_RESULT)}</s:complexType>'
        + '<s:complexType name="SendResult"><s:complexContent mixed="false">'
        + '<s:extension base="tns:SendResultBase"/></s:complexContent></s:complexType>'
        + _array("ArrayOfString", "string", "s:string")
        + _array("ArrayOfMmsElement", "MmsElement", "tns:MmsElement")
        + _enumeration("ResultCode", (*TABLE, *UNPUBLISHED))
        + _enumeration("MmsElementType", _ELEMENT_TYPES)
        + "</s:schema>"
    )


def _wrapper(name: str, fields: Sequence[str]) -> str:
    return f'<s:element name="{name}"><s:complexType>{_sequence(fields)}</s:complexType></s:element>'


def _sequence(fields: Sequence[str]) -> str:
    return f"<s:sequence>{''.join(map(_field, fields))}</s:sequence>"


def _field(field: str) -> str:
    name, kind = field.split(" ")
    least = 0 if kind.endswith("?") else 1
    nillable = ' nillable="true"' if kind.endswith("~") else ""
    return f'<s:element minOccurs="{least}" maxOccurs="1" name="{name}"{nillable} type="{kind.rstrip("?~")}"/>'


def _array(name: str, item: str, kind: str) -> str:
    element = f'<s:element minOccurs="0" maxOccurs="unbounded" name="{item}" nillable="true" type="{kind}"/>'
    return f'<s:complexType name="{name}"><s:sequence>{element}</s:sequence></s:complexType>'


def _enumeration(name: str, values: Sequence[str]) -> str:
    listed = "".join(f'<s:enumeration value="{value}"/>' for value in values)
    return f'<s:simpleType name="{name}"><s:restriction base="s:string">{listed}</s:restriction></s:simpleType>'


def _messages() -> str:
    return "".join(
        f'<wsdl:message name="{operation}Soap{way}">'
        f'<wsdl:part name="parameters" element="tns:{operation}{"Response" if way == "Out" else ""}"/></wsdl:message>'
        for operation in OPERATIONS
        for way in ("In", "Out")
    )


def _port_types() -> str:
    operations = "".join(
        f'<wsdl:operation name="{operation}"><wsdl:input message="tns:{operation}SoapIn"/>'
        f'<wsdl:output message="tns:{operation}SoapOut"/></wsdl:operation>'
        for operation in OPERATIONS
    )
    return f'<wsdl:portType name="WebServiceSoap">{operations}</wsdl:portType>'


def _bindings() -> str:
    return "".join(_binding(port, prefix) for port, prefix in _PORTS.items())


def _binding(port: str, prefix: str) -> str:
    body = f'<{prefix}:body use="literal"/>'
    operations = "".join(
        f'<wsdl:operation name="{operation}">'
        f'<{prefix}:operation soapAction="{NAMESPACE}{operation}" style="document"/>'
        f"<wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output></wsdl:operation>"
        for operation in OPERATIONS
    )
    return (
        f'<wsdl:binding name="{port}" type="tns:WebServiceSoap">'
        f'<{prefix}:binding transport="http://schemas.xmlsoap.org/soap/http"/>{operations}</wsdl:binding>'
    )


def _service(address: str) -> str:
    ports = "".join(
        f'<wsdl:port name="{port}" binding="tns:{port}"><{prefix}:address location="{address}"/></wsdl:port>'
        for port, prefix in _PORTS.items()
    )
    return f'<wsdl:service name="WebService">{ports}</wsdl:service>'
