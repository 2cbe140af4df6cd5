from earmark.data.recording import SPLIT_NAMES, SPLIT_TITLES, SPLITS


def test_every_name_of_a_split_is_one_of_the_three():
    assert set(SPLIT_NAMES.values()) == set(SPLITS) == set(SPLIT_TITLES)
    assert all(SPLIT_NAMES[name] == name for name in SPLITS)
