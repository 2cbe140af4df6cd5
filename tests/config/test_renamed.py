"""Old names of settings: refused in new files, translated in old models."""

import pytest

from earmark.config import Config, add_settings, load_config, rename_settings
from earmark.config.renamed import ADDED, RENAMED
from earmark.errors import ConfigError


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_setting_is_refused_with_its_new_name(old, new):
    with pytest.raises(ConfigError, match=new):
        load_config(settings=[f"{old}=1"])


def test_every_new_name_is_a_setting():
    table = Config()
    for new in RENAMED.values():
        section, key = new.split(".")
        assert key in type(getattr(table, section)).model_fields


def test_old_tables_are_translated_and_the_rest_stays():
    old = {"train": {"schedule": "cosine", "epochs": 3}, "augment": {"mix": 0.5}, "version": 1}
    assert rename_settings(old) == {
        "train": {"lr_schedule": "cosine", "epochs": 3},
        "augment": {"mixup": 0.5},
        "version": 1,
    }


def test_settings_that_were_added_since_have_defaults_that_change_nothing():
    for section, added in ADDED.items():
        defaults = getattr(Config(), section).model_dump()
        assert {name: defaults[name] for name in added} == added
    assert add_settings({"train": {"background_label": ""}})["train"]["background_label"] == ""
    assert add_settings({"train": 3}) == {"train": 3}
