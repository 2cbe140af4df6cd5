import unicodedata

import pytest

from earmark.data.recording import SPLIT_NAMES, SPLIT_TITLES, SPLITS, normalize


@pytest.mark.parametrize("text", ["é", "Å", "한"])
def test_equal_names_are_equal_texts(text):
    forms = {normalize(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert len(forms) == 1


def test_every_name_of_a_split_is_one_of_the_three():
    assert set(SPLIT_NAMES.values()) == set(SPLITS) == set(SPLIT_TITLES)
    assert all(SPLIT_NAMES[name] == name for name in SPLITS)
