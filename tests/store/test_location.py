"""Locations of stores without their secrets."""

from __future__ import annotations

import pytest

from dctbench.errors import UsageError
from dctbench.store import open_store
from dctbench.store.location import conceal, masked

SECRET = "s3cret"
SECRETIVE = (
    "postgresql://me:s3cret@db/x",
    "--store=postgresql+psycopg://me:s3cret@db:5432/x",
    "postgresql://me:s3cret word@db/x",
    "postgresql://me:a word s3cret@db/x",
    "postgresql://me:a@s3cret@db/x",
    "postgresql://me:a/s3cret@db/x",
    "postgresql://me:a?s3cret@db/x",
    "postgresql://me:a#s3cret@db/x",
    "postgresql://me:%70%40s3cret%25@db/x",
    "postgresql://me:100%s3cret@db/x",
    "postgresql://db/x?password=s3cret",
    "postgresql://db/x?user=me&password=a%20s3cret&sslmode=require",
    "postgresql://db/x?password=a s3cret",
    "postgresql://db/x?password=a@s3cret",
    "postgresql://db/x?sslpassword=s3cret",
    "postgresql://db/x?options=-cmy.token%3Ds3cret",
    "postgresql://me:a@b@db/x?password=s3cret",
    "postgresql://me:x:y@db:s3cret@db/x",
    "postgresql:/me:s3cret@db/x",
    "postgresql:me:s3cret@db/x",
    "mysql+pymysql://me:s3cret@db/x",
    "see postgresql://me:s3cret@db/x",
    "host=db user=me password=s3cret",
    "host=db password='a s3cret' user=me",
    "host=db sslpassword = s3cret",
    "dbname=x passwd=s3cret",
    "PASSWORD=s3cret",
)


@pytest.mark.parametrize("text", SECRETIVE)
def test_no_form_of_a_location_shows_a_secret(text: str) -> None:
    shown = masked(text)
    assert SECRET not in shown
    assert "***" in shown
    assert masked(shown) == shown


@pytest.mark.parametrize("text", SECRETIVE)
def test_a_message_about_a_location_shows_no_secret(text: str) -> None:
    for message in (f"no such run: {text}", f"no such run: {text!r}", f"{masked(text)}: failed"):
        assert SECRET not in conceal(message, ["list", text])


def test_a_message_of_a_server_does_not_repeat_the_password() -> None:
    said = "FATAL: password s3cret/pass of user me refused"
    assert conceal(said, ["list", "postgresql://me:s3cret%2Fpass@db/x"]) == "FATAL: password *** of user me refused"


def test_another_database_is_refused_with_an_example() -> None:
    with pytest.raises(UsageError) as refused:
        open_store("mysql://me:s3cret@db/x")
    assert refused.value.hint == "give a path, or postgresql+psycopg://user@host/database"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3cret@db:5432/x?sslmode=require", "postgresql://me:***@db:5432/x?sslmode=require"),
        ("postgresql://me@db/x?password=s3cret&sslmode=require", "postgresql://me@db/x?password=***&sslmode=require"),
        ("host=db password=s3cret user=me", "host=db password=***"),
        ("https://example.org/a?page=1", "https://example.org/a?page=***"),
    ],
)
def test_the_rest_of_a_location_is_shown(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    ["results.sqlite", "https://example.org/a%20b and more", "postgresql://me@db/x",
     "postgresql://db/x?options=-csearch_path%3Dbench", "--seq", "a:b@c", "the postgres: label", "C://x"],
)  # fmt: skip
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_a_connection_string_is_refused_and_not_made_a_file(tmp_path: object) -> None:
    with pytest.raises(UsageError, match=r"cannot store results in host=db password=\*\*\*$"):
        open_store("host=db password=s3cret", create=True)
