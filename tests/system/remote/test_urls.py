from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.system.remote.urls import Address, is_url, redacted, repaired, shown

SECRET = "s3cr3tV4lue"
SIGNED = (
    f"X-Amz-Credential=AK&X-Amz-Signature={SECRET}",
    f"X-Goog-Signature={SECRET}&X-Goog-Expires=3",
    f"AWSAccessKeyId=AK&Signature={SECRET}&Expires=3",
    f"sv=2020&sp=r&sig={SECRET}",
    f"Policy=p&Key-Pair-Id=k&Signature={SECRET}",
)


@pytest.mark.parametrize("query", SIGNED)
def test_a_signature_is_no_part_of_the_name(query):
    assert shown(f"https://host/a.wav?{query}") == "https://host/a.wav"


def test_addresses_that_differ_in_what_they_ask_for_have_different_names():
    names = {shown(f"https://host/get?{query}") for query in ("id=1", "id=2", "st=1", "st=2", "")}
    assert len(names) == 5
    assert shown(f"https://host/get?id=1&{SIGNED[0]}") == shown("https://host/get?id=1")


@given(st.sampled_from(["s3", "https", "gs", "hf"]), st.text("abcxyz/-_. ", max_size=9))
def test_no_secret_is_shown(scheme, key):
    query = f"?{urlencode({'apikey': SECRET})}" if scheme == "https" else ""
    url = f"{scheme}://user:{SECRET}@host/{key}{query}"
    assert Address.parse(url).url() == (url if key or query else url[:-1])
    for text in (shown(url), redacted(f"GET {url} failed"), repr(redacted(f"'{url}'"))):
        assert SECRET not in text
        assert "user" not in text


def test_secrets_are_taken_out_of_addresses_that_earmark_does_not_read():
    text = redacted(f"Cannot connect to postgresql://me:{SECRET}@host/db?password={SECRET}")
    assert text == "Cannot connect to postgresql://host/db"


def test_a_url_that_was_a_path_is_repaired():
    assert repaired("https:/host/a.wav") == "https://host/a.wav"
    assert repaired("https://host/a.wav") == "https://host/a.wav"
    assert not is_url(repaired("sounds/s3:/a.wav"))
