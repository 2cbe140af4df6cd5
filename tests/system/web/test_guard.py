"""Where the token comes from."""

import pytest

from earmark.errors import ConfigError
from earmark.system.web.guard import read_token

TOKEN = "0123456789abcdef"


def test_a_token_comes_from_a_file_or_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}{TOKEN}\n")
    assert read_token(file, {"EARMARK_TOKEN": TOKEN}) == TOKEN + TOKEN
    assert read_token(None, {"EARMARK_TOKEN": TOKEN}) == TOKEN
    assert read_token(None, {}) is None


@pytest.mark.parametrize("text", ["", "short", "0123456789 abcdef", "0123456789abcdé"])
def test_a_weak_token_is_refused(tmp_path, text):
    (tmp_path / "token").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="token"):
        read_token(tmp_path / "token", {})
    with pytest.raises(ConfigError, match="EARMARK_TOKEN"):
        read_token(None, {"EARMARK_TOKEN": text})


def test_a_token_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigError, match="missing"):
        read_token(tmp_path / "missing", {"EARMARK_TOKEN": TOKEN})
