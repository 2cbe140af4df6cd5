"""The cache answers with what was kept, or not at all."""

import sqlite3
from contextlib import closing

import pytest

from earmark.errors import StoreError
from earmark.system.sqlite_cache import SqliteCache


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "new" / "a.sqlite"
    with SqliteCache(path) as cache:
        cache.keep("one", b"content")
    return path


def test_content_comes_back_before_and_after_it_is_written(path):
    with SqliteCache(path) as cache:
        cache.keep("two", b"")
        assert (cache.read("one"), cache.read("two"), cache.read("three")) == (
            b"content",
            b"",
            None,
        )
        cache.keep("one", b"other")
    with SqliteCache(path) as cache:
        assert (cache.read("one"), cache.read("two")) == (b"other", b"")


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_database_is_replaced(path, content, caplog):
    path.write_bytes(content)
    with SqliteCache(path) as cache:
        assert cache.read("one") is None
        cache.keep("one", b"again")
    assert "a.sqlite" in caplog.text
    with SqliteCache(path) as cache:
        assert cache.read("one") == b"again"


def test_a_database_that_is_damaged_during_the_work_is_replaced(path):
    with SqliteCache(path) as cache:
        path.write_bytes(b"\xff" * path.stat().st_size)
        assert cache.read("one") is None
        cache.keep("one", b"again")
    with SqliteCache(path) as cache:
        assert cache.read("one") == b"again"


@pytest.mark.parametrize(
    "statement", ["SET key = 'two'", "SET content = 'text'", "SET content = 5"]
)
def test_an_entry_that_was_changed_is_lost(path, statement):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE entries {statement}")
    with SqliteCache(path) as cache:
        assert cache.read("one") is cache.read("two") is None


def test_a_locked_database_is_an_error_of_the_store(path, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: connect(path, timeout=0.0))
    with closing(connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"a\.sqlite"):
            SqliteCache(path)


def test_the_tables_of_earlier_versions_are_removed(tmp_path):
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE measurements (key TEXT PRIMARY KEY, stats TEXT)")
    with SqliteCache(path) as cache:
        assert cache.read("one") is None
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT name FROM sqlite_schema").fetchall()[0] == ("entries",)
