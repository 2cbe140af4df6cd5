"""Each scheme of a known data set fits its names, and its patterns read them."""

import pytest

from earmark.data.names.patterns import NamePattern
from earmark.data.names.schemes import SCHEMES

EXAMPLES = {
    "Speech Commands": "9a7c1f83_nohash_0",
    "ESC-50": "1-100032-A-0",
    "ESC-10": "1-100032-A",
    "UrbanSound8K": "100032-3-0-0",
    "RAVDESS": "03-01-06-01-02-01-12",
    "EmoDB": "03a01Fa",
    "Free Spoken Digits": "3_jackson_7",
    "AudioMNIST": "0_01_12",
    "CREMA-D": "1001_DFA_ANG_XX",
    "TESS": "OAF_back_angry",
    "SAVEE": "DC_sa01",
    "LibriSpeech": "118-121721-0000",
    "VCTK": "p225_001_mic1",
    "Freesound": "12345__some-user__dog-bark",
}


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda one: one.data)
def test_a_scheme_fits_its_own_names_first(scheme):
    name = EXAMPLES[scheme.data]
    assert next(one for one in SCHEMES if one.fits([name])) is scheme
    for pattern in filter(None, (scheme.label_from, scheme.group_from)):
        assert NamePattern(pattern).match(f"{name}.wav")


def test_a_part_of_the_names_may_do():
    scheme, names = SCHEMES[0], ["9a_nohash_0", "hum"]
    assert scheme.fits(names, fraction=0.5)
    assert not scheme.fits(names)
    assert not scheme.fits([])
