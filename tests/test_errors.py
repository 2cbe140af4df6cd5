import pickle

import pytest

from earmark import errors
from earmark.errors import (
    EXTRAS,
    AudioError,
    EarmarkError,
    FailedFile,
    MissingExtraError,
    needs_extra,
)

EVERY = [
    one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, EarmarkError)
]


@pytest.mark.parametrize("error", EVERY, ids=lambda one: one.__name__)
def test_wrong_usage_exits_with_2_and_failed_work_with_1(error):
    assert error.exit_status == (2 if issubclass(error, errors.ConfigError) else 1)
    assert error.__name__ in errors.__doc__ or error is EarmarkError


@pytest.mark.parametrize("package", EXTRAS)
def test_a_missing_package_is_named_with_its_extra(package):
    with pytest.raises(MissingExtraError) as caught, needs_extra("this"):
        raise ModuleNotFoundError(name=f"{package}.part")
    assert f"earmark[{EXTRAS[package][1]}]" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_missing_module_of_nobody_is_a_bug_and_stays_one():
    with pytest.raises(ModuleNotFoundError), needs_extra("this"):
        raise ModuleNotFoundError(name="earmark.nowhere")


def test_a_failed_file_is_a_document():
    assert FailedFile("a.wav", "why").to_dict() == {"path": "a.wav", "error": "why"}
    assert AudioError("a.wav: empty", "empty").fault == "empty"
