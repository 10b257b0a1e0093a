"""Settings: where values come from, and how wrong ones are told."""

import pytest

from server.settings import BadSettings, child_environment, load, unknown_variables


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_command_line_goes_before_the_environment_before_the_default(monkeypatch):
    assert load().address == "127.0.0.1:50051"
    monkeypatch.setenv("EINKLANG_ADDRESS", "127.0.0.1:1")
    assert load().address == "127.0.0.1:1"
    assert load({"address": "127.0.0.1:2"}).address == "127.0.0.1:2"
    assert load({"address": None}).address == "127.0.0.1:1"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"address": "50051"}, "--address"),
        ({"address": "host:99999"}, "--address"),
        ({"store": "http://x"}, "--store"),
        ({"tenant": "Big {one}"}, "--tenant"),
        ({"drain_ms": -1}, "--drain-ms"),
        ({"no_such": 1}, "--no-such"),
    ],
)
def test_a_wrong_value_is_named_as_it_was_given(given, says):
    with pytest.raises(BadSettings, match=says):
        load(given)


def test_a_wrong_value_of_the_environment_is_named_as_there(monkeypatch):
    monkeypatch.setenv("EINKLANG_DRAIN_MS", "soon")
    with pytest.raises(BadSettings, match="EINKLANG_DRAIN_MS"):
        load()


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(BadSettings) as refused:
        load({"store": "redis://:hunter2@host:1"})
    assert "hunter2" not in str(refused.value)


def test_the_password_comes_from_a_file_or_the_environment_and_does_not_show(monkeypatch, tmp_path):
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    settings = load({"store_password_file": file})
    assert settings.password() == "hunter2"
    monkeypatch.setenv("EINKLANG_STORE_PASSWORD", "hunter3")
    settings = load()
    assert settings.password() == "hunter3"
    assert "hunter3" not in repr(settings)
    with pytest.raises(BadSettings, match="EINKLANG_STORE_PASSWORD_FILE"):
        load({"store_password_file": tmp_path / "none", "store_password": None}).model_copy(
            update={"store_password": None}
        ).password()


def test_a_child_gets_the_settings_and_nothing_else(monkeypatch):
    monkeypatch.setenv("AWS_SECRET", "x")
    monkeypatch.setenv("EINKLANG_STORE_PASSWORD", "hunter2")
    environment = child_environment(load({"tenant": "shop", "drain_ms": 5}))
    assert "AWS_SECRET" not in environment
    assert environment["EINKLANG_TENANT"] == "shop"
    assert environment["EINKLANG_DRAIN_MS"] == "5"
    assert environment["EINKLANG_STORE_PASSWORD"] == "hunter2"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load() == load({"tenant": "shop", "drain_ms": 5})


def test_a_long_lease_needs_a_long_guard():
    assert load({"lease_ms": 30_000, "guard_ms": 42}).guard_ms == 42
    with pytest.raises(BadSettings, match="--guard-ms: must be at least 42 for a lease of 30,000 ms"):
        load({"lease_ms": 30_000, "guard_ms": 41})


def test_a_variable_that_is_no_setting_is_found_with_the_one_that_is_meant(monkeypatch):
    before = unknown_variables()
    monkeypatch.setenv("EINKLANG_STORE_REPLICA", "1")
    monkeypatch.setenv("EINKLANG_PORT", "tcp://10.0.0.1:1")
    monkeypatch.setenv("EINKLANG_GUARD_MS", "20")
    found = {name: meant for name, meant in unknown_variables().items() if name not in before}
    assert found["EINKLANG_STORE_REPLICA"] == "EINKLANG_STORE_REPLICAS"
    assert set(found) == {"EINKLANG_STORE_REPLICA", "EINKLANG_PORT"}
