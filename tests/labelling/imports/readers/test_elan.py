import re

import pympi
import pytest


@pytest.fixture
def document(tmp_path):
    """A document by pympi: two tiers, and a tier of references to the first."""
    eaf = pympi.Eaf()
    eaf.add_linked_file("file:///C:/field/my%20dog.wav", "./my%20dog.wav", "audio/x-wav")
    for tier in ("birds", "frogs"):
        eaf.add_tier(tier)
    eaf.add_linguistic_type("notes", "Symbolic_Association", timealignable=False)
    eaf.add_tier("quality", ling="notes", parent="birds")
    eaf.add_annotation("birds", 1000, 2500, "wren")
    eaf.add_annotation("birds", 3250, 4000, "robin & tit")
    eaf.add_annotation("frogs", 0, 1000, "Hyla")
    eaf.add_ref_annotation("quality", "birds", 1100, "good")
    path = tmp_path / "pympi.eaf"
    eaf.to_file(str(path))
    return path.read_text(encoding="utf-8")


BIRDS = [(1.0, 2.5, "wren"), (3.25, 4.0, "robin & tit")]


def test_what_pympi_writes(read, rows, document):
    found = read("a.eaf", document)
    assert rows(found) == [*BIRDS, (0.0, 1.0, "Hyla"), (1.0, 2.5, "good")]
    assert found.media == ["./my dog.wav", "/C:/field/my dog.wav"]
    assert rows(read("a.eaf", document, tiers=("birds",))) == BIRDS
    assert set(found.tiers) == {"default", "birds", "frogs", "quality"}


def test_times_count_from_the_origin_of_the_recording(read, rows, document):
    shifted = document.replace("MEDIA_URL=", 'TIME_ORIGIN="500" MEDIA_URL=', 1)
    assert rows(read("a.eaf", shifted, tiers=("frogs",))) == [(0.5, 1.5, "Hyla")]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (' TIME_VALUE="2500"', "", "tier birds"),
        ('TIME_VALUE="2500"', 'TIME_VALUE="500"', "tier birds"),
        ('TIME_VALUE="2500"', 'TIME_VALUE="1000"', "tier birds"),
        ('TIME_VALUE="2500"', 'TIME_VALUE="2,5"', "tier birds"),
        (">wren<", "><", "tier birds"),
        (">wren<", ">wren;tit<", "tier birds"),
        ('ANNOTATION_REF="', 'ANNOTATION_REF="x', "tier quality"),
        ("</HEADER>", "", "file"),
        ("ANNOTATION_DOCUMENT", "DOCUMENT", "file"),
        ("<HEADER", '<HEADER TIME_UNITS="PAL-frames"', "header"),
    ],
)
def test_bad_documents(read, document, old, new, where):
    assert old in document
    problems = read("a.eaf", document.replace(old, new)).problems
    assert problems
    assert all(one.where.startswith(where) or "quality" in one.where for one in problems)


def test_parts_without_times_are_refused(read, document):
    (reference,) = re.findall(r"<ANNOTATION>\s*<REF_ANNOTATION.*?</ANNOTATION>", document, re.S)
    twice = document.replace(
        reference, reference + reference.replace('ANNOTATION_ID="', 'ANNOTATION_ID="z')
    )
    assert {one.where.split(",")[0] for one in read("a.eaf", twice).problems} == {"tier quality"}
