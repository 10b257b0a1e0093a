"""Addresses of stores, and the settings that go with them: what is wrong is named as it was given."""

import pytest

from server.addresses import Place, StoreAddress, store_address
from server.settings import BadSettings, child_environment, load


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("redis://shop", StoreAddress("one", (Place("shop", 6379),))),
        ("redis://anna@10.0.0.5:7/3", StoreAddress("one", (Place("10.0.0.5", 7),), database=3, username="anna")),
        ("rediss://[::1]:7", StoreAddress("one", (Place("::1", 7),), tls=True)),
        ("unix:///run/s.sock", StoreAddress("one", (Place(path="/run/s.sock"),))),
        ("unix:///run/a%20b?db=2", StoreAddress("one", (Place(path="/run/a b"),), database=2)),
        (
            "redis+sentinel://a,b:7,a/main",
            StoreAddress("sentinel", (Place("a", 26379), Place("b", 7)), service="main"),
        ),
        (
            "rediss+sentinel://a/main/1",
            StoreAddress("sentinel", (Place("a", 26379),), tls=True, service="main", database=1),
        ),
        ("redis+cluster://a:1,b:2", StoreAddress("cluster", (Place("a", 1), Place("b", 2)))),
        ("rediss+cluster://a:1", StoreAddress("cluster", (Place("a", 1),), tls=True)),
    ],
)
def test_an_address_is_read(text, is_):
    assert store_address(text) == is_


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("shop:6379", "must begin with redis://"),
        ("http://shop", "must begin with"),
        ("unix+cluster:///s", "must begin with"),
        ("redis://", "HOST:PORT"),
        ("redis://a:99999", "HOST:PORT"),
        ("redis://a:0", "HOST:PORT"),
        ("redis://a b", "HOST:PORT"),
        ("redis://a,b", "one host"),
        ("redis://a/x", "/DATABASE"),
        ("redis://a/0?ssl_cert_reqs=none", "options have settings of their own"),
        ("redis://:hunter2@a", "EINKLANG_STORE_PASSWORD"),
        ("redis+sentinel://:hunter2@a/main", "EINKLANG_STORE_PASSWORD"),
        ("unix://s.sock", "unix:///PATH"),
        ("unix:///s?timeout=3", "no option but"),
        ("redis+sentinel://a:1", "primary's name"),
        ("redis+cluster://a:1/2", "one database"),
    ],
)
def test_what_is_no_address_is_told_without_its_secrets(text, says):
    with pytest.raises(BadSettings, match=says) as refused:
        load({"store": text})
    assert "--store" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"store": "redis://anna@a", "store_username": "bert"}, "--store-username"),
        ({"store": "redis://a", "store_tls_ca": "x.pem"}, "--store-tls-ca.*rediss"),
        ({"store": "rediss://a", "store_tls_cert": "x.pem"}, "STORE_TLS_KEY.*both or neither"),
        ({"store": "rediss://a", "store_tls_key": "x.pem"}, "--store-tls-key.*both or neither"),
        ({"store": "redis://a", "store_sentinel_password": "x"}, r"redis\+sentinel"),
        ({"store_replicas": 1}, "--store-replicas.*embedded"),
        ({"store": "redis://a", "store_replicas": 17}, "--store-replicas"),
    ],
)
def test_settings_that_belong_to_another_address_are_refused(given, says):
    with pytest.raises(BadSettings, match=says):
        load(given)


def test_the_sentinels_have_a_password_of_their_own_and_a_child_gets_all(monkeypatch, tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    given = {
        "store": "rediss+sentinel://a/main",
        "store_username": "anna",
        "store_password": "hunter1",
        "store_sentinel_password_file": tmp_path / "password",
        "store_tls_ca": tmp_path / "ca",
        "store_tls_cert": tmp_path / "crt",
        "store_tls_key": tmp_path / "key",
        "store_replicas": 2,
    }
    settings = load(given)
    assert (settings.password(), settings.sentinel_password()) == ("hunter1", "hunter2")
    assert "hunter" not in repr(settings)
    for name, value in child_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load() == settings
