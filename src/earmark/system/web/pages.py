"""The files of pages: those of one page, and those that all pages share."""

from importlib.resources import files
from importlib.resources.abc import Traversable

SHARED = "shared/"
"""Where a page expects the files that all pages share, below its own."""


def page_files(package: str) -> dict[str, bytes]:
    """The files of a page and those that all pages share, by path below its folder.

    Args:
        package: Has them in its folder ``page``.

    Example:
        >>> "shared/base.css" in page_files("earmark.exporters.web")
        True
    """
    return _below(files(package) / "page", "") | _below(
        files("earmark.system.web") / "page", SHARED
    )


def _below(folder: Traversable, prefix: str) -> dict[str, bytes]:
    found = {}
    for one in sorted(folder.iterdir(), key=lambda item: item.name):
        if one.is_dir():
            found |= _below(one, f"{prefix}{one.name}/")
        else:
            found[f"{prefix}{one.name}"] = one.read_bytes()
    return found
