"""ELAN annotation documents (``.eaf``).

Source:
    Max Planck Institute for Psycholinguistics, ELAN Annotation Format (EAF), schema version 3.0:
    annotations refer to time slots, or to an annotation of another tier.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

from earmark.errors import DataError
from earmark.labelling.imports.annotations import Entry, LabelFile

_MILLISECONDS = 1000


class _Element(NamedTuple):
    """An annotation: its own time slots, or the annotation that it refers to."""

    tier: str
    slots: tuple[str, str] | None
    parent: str
    label: str


def read_elan(data: bytes, found: LabelFile) -> None:
    """Reads the tiers; an annotation that refers to another has its times.

    Args:
        data: The file; XML gives its own encoding.
        found: Takes the annotations.
    """
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        found.fail("file", f"cannot be read as XML: {error}; save it from ELAN again")
        return
    header = root.find("HEADER")
    if root.tag != "ANNOTATION_DOCUMENT":
        found.fail("file", f"{root.tag} is not the document of ELAN; save it from ELAN again")
        return
    if header is not None and header.get("TIME_UNITS", "milliseconds") != "milliseconds":
        found.fail("header", f"times in {header.get('TIME_UNITS')}; save with milliseconds in ELAN")
        return
    origin = _read_media(header, found)
    slots = {one.get("TIME_SLOT_ID", ""): one.get("TIME_VALUE") for one in root.iter("TIME_SLOT")}
    elements = dict(_elements(root))
    found.tiers += [one.get("TIER_ID", "") for one in root.iter("TIER")]
    shared = Counter((one.tier, one.parent) for one in elements.values() if one.parent)
    for key, one in elements.items():
        if not found.options.wants(one.tier):
            continue
        where = f"tier {one.tier}, annotation {key}"
        try:
            if one.parent and shared[one.tier, one.parent] > 1:
                raise DataError(
                    "parts of another annotation that have no times of their own; choose other "
                    "tiers with --tier"
                )
            start, end = (_seconds(slots, slot, origin) for slot in _slots(elements, key))
            found.add(Entry(where, start, end, one.label))
        except DataError as error:
            found.fail(where, str(error))


def _read_media(header: ElementTree.Element | None, found: LabelFile) -> int:
    """Takes the names of the recording; returns where its time 0 lies in it, in milliseconds."""
    media = [] if header is None else header.findall("MEDIA_DESCRIPTOR")
    media.sort(key=lambda one: not one.get("MIME_TYPE", "").startswith("audio"))
    for one in media[:1]:
        links = (one.get("RELATIVE_MEDIA_URL", ""), one.get("MEDIA_URL", ""))
        found.media += [unquote(link.removeprefix("file://")) for link in links if link]
        origin = one.get("TIME_ORIGIN", "0")
        if origin.lstrip("-").isdigit():
            return int(origin)
        found.fail("header", f"TIME_ORIGIN {origin!r} is not a number of milliseconds")
    return 0


def _elements(root: ElementTree.Element) -> Iterator[tuple[str, _Element]]:
    for tier in root.iter("TIER"):
        for holder in tier.findall("ANNOTATION"):
            for one in holder:
                label = one.findtext("ANNOTATION_VALUE") or ""
                slots = one.get("TIME_SLOT_REF1", ""), one.get("TIME_SLOT_REF2", "")
                parent = one.get("ANNOTATION_REF", "")
                name = tier.get("TIER_ID", "")
                yield (
                    one.get("ANNOTATION_ID", ""),
                    _Element(name, None if parent else slots, parent, label),
                )


def _slots(elements: Mapping[str, _Element], key: str) -> tuple[str, str]:
    """The time slots of an annotation, or of the one that it refers to in the end."""
    seen = set()
    while key in elements and key not in seen:
        seen.add(key)
        one = elements[key]
        if one.slots:
            return one.slots
        key = one.parent
    raise DataError(f"it refers to the annotation {key}, which is not there; correct it in ELAN")


def _seconds(slots: Mapping[str, str | None], name: str, origin: int) -> str:
    value = slots.get(name)
    if value is None:
        raise DataError("it has no time; align it in ELAN")
    if not value.lstrip("-").isdigit():
        raise DataError(f"the time {value!r} is not a whole number of milliseconds")
    return str((int(value) + origin) / _MILLISECONDS)
