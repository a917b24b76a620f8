"""What a row of a table said about its document: title, licence and language, carried in its content type."""

from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value

from assets.captures import Capture


@dataclass(frozen=True)
class Description:
    """What came with a document beside its text; "" where the source had no such column."""

    title: str = ""
    license: str = ""
    language: str = ""


def described(capture: Capture) -> Description:
    """Read the parameters of a resource's content type (RFC 2231); a language tag is cut to its first part."""
    message = Message()
    message["Content-Type"] = capture.content_type

    def parameter(name: str) -> str:
        value = message.get_param(name)
        return collapse_rfc2231_value(value).strip() if value else ""

    return Description(parameter("title"), parameter("license"), parameter("language").split("-")[0].lower())
