"""C text: numbers, arrays, and templates with conditional parts."""

import re
import string
from collections.abc import Collection, Iterable, Mapping
from importlib.resources import files

import numpy as np

PER_LINE = 8
_SAFE = frozenset(string.ascii_letters + string.digits + " _-.,()")
_CONDITION, _END = "//@ if ", "//@ end"


def number(value: float) -> str:
    """A float32 constant, the shortest text that gives it.

    Example:
        >>> number(0.1), number(-3.0), number(1e-10), number(np.inf)
        ('0.1f', '-3.0f', '1e-10f', 'HUGE_VALF')
    """
    single = np.float32(value)
    if np.isposinf(single):
        return "HUGE_VALF"
    return f"{single!s}f"


def text(value: str) -> str:
    r"""A string constant in UTF-8; other bytes than letters, digits and spaces are octal.

    Example:
        >>> print(text('a "b" ü'))
        "a \042b\042 \303\274"
    """
    characters = map(chr, value.encode())
    safe = "".join(one if one in _SAFE else f"\\{ord(one):03o}" for one in characters)
    return f'"{safe}"'


def array(declaration: str, values: Iterable[str]) -> str:
    """An array of constants.

    Args:
        declaration: Type and name, without size.
        values: As text.

    Example:
        >>> print(array("const int ones", ["1", "1"]))
        static const int ones[] = {
            1, 1
        };
    """
    texts = list(values)
    rows = (", ".join(texts[start : start + PER_LINE]) for start in range(0, len(texts), PER_LINE))
    lines = ",\n".join(f"    {row}" for row in rows)
    return f"static const {declaration.removeprefix('const ')}[] = {{\n{lines}\n}};"


def floats(name: str, values: np.ndarray) -> str:
    """An array of float32 constants, in the order of memory."""
    return array(f"float {name}", map(number, values.reshape(-1).tolist()))


def record(fields: Mapping[str, object]) -> str:
    """A structure with designated fields.

    Example:
        >>> record({"rows": 3, "kind": "RELU"})
        '{.rows = 3, .kind = RELU}'
    """
    return "{" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "}"


def read_template(name: str) -> str:
    """A file of the package."""
    return (files("earmark.exporters.c") / "templates" / name).read_text("utf-8")


def render(
    template: str, conditions: Collection[str], values: Mapping[str, object], name: str
) -> str:
    r"""Fills a template.

    Args:
        template: Lines between ``//@ if X`` and ``//@ end`` are left out unless X holds;
            ``@key@`` stands for a value.
        conditions: Those that hold.
        values: By key.
        name: In place of ``model`` at the start of identifiers.

    Example:
        >>> template = "//@ if x\nint model_@key@;\n//@ end\n//@ if y\nint y;\n//@ end\n"
        >>> render(template, ["x"], {"key": "one"}, "door")
        'int door_one;\n'
    """
    lines, kept = [], [True]
    for line in template.splitlines(keepends=True):
        if line.startswith(_CONDITION):
            kept.append(kept[-1] and line.removeprefix(_CONDITION).strip() in conditions)
        elif line.startswith(_END):
            kept.pop()
        elif kept[-1]:
            lines.append(line)
    own = re.sub(r"\bMODEL_", f"{name.upper()}_", re.sub(r"\bmodel_", f"{name}_", "".join(lines)))
    return re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), own)
