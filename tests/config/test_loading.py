"""Settings from tables, files and single texts."""

from pathlib import Path

import pytest

from earmark.config import Config, as_config, load_config
from earmark.errors import ConfigError


def test_an_argument_may_be_a_configuration_a_file_or_nothing(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("[train]\nepochs = 3\n")
    config = load_config(settings=["train.epochs=3"])
    assert as_config(config) is config
    assert as_config(file) == as_config(str(file)) == config
    assert as_config(None) == Config()
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        as_config(Path("nowhere.toml"))
