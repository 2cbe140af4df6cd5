"""Part of a content, as a player asks for it (RFC 9110, section 14)."""

import re

from starlette.requests import Request
from starlette.responses import Response

_RANGE = re.compile(r"bytes=(?:(\d+)-(\d*)|-(\d+))")


def answer_range(request: Request, content: bytes, media_type: str) -> Response:
    """The content, or the part of it that the request asks for.

    A request for several parts, or for what is no range of bytes, gets all of it.

    Args:
        request: May have a header ``Range``.
        content: All of it.
        media_type: Of the content.
    """
    headers = {"Accept-Ranges": "bytes"}
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if found is None:
        return Response(content, media_type=media_type, headers=headers)
    first, last, length = found.groups()
    size = len(content)
    start = max(0, size - int(length)) if first is None else int(first)
    end = min(size, int(last) + 1) if last else size
    if start >= end:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return Response(content[start:end], 206, headers=headers, media_type=media_type)
