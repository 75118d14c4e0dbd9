"""A variable that is missing or malformed is named in one sentence, and the process ends with code 2."""

import json
import os
import subprocess
import sys

import pytest

from windtunnel.reference_service.app.settings import AppSettings
from windtunnel.reference_service.environment import SettingError
from windtunnel.reference_service.mock_llm.settings import MockSettings

APP = {
    **{"PORT": "8000", "COMPONENT": "app", "SEED": "7"},
    **{"DB_URL": "postgresql://app@db:5432/app", "DB_TIMEOUT_MS": "2000", "DB_POOL": "8", "DB_POOL_TIMEOUT_MS": "500"},
    **{"LLM_URL": "http://llm:80", "LLM_TIMEOUT_MS": "1500.5", "LLM_DEADLINE_MS": "4000"},
    **{"LLM_RETRIES": "2", "LLM_RETRY_BACKOFF_MS": "0"},
}
CACHE = {"CACHE_URL": "redis://cache:6379/0", "CACHE_TIMEOUT_MS": "50", "CACHE_TTL_S": "60"}
CONSTANT = json.dumps({"kind": "constant", "value": 1})
MOCK = {
    **{"PORT": "8001", "COMPONENT": "llm", "SEED": "7", "SLOTS": "4"},
    **{"FIRST_TOKEN_MS": CONSTANT, "TOKEN_MS": CONSTANT, "OUTPUT_TOKENS": CONSTANT},
}


def test_what_is_given_arrives_in_seconds_and_what_is_not_has_a_default():
    settings = AppSettings.read(APP)
    assert (settings.process.host, settings.process.replica, settings.process.otlp_endpoint) == (
        "127.0.0.1",
        "app.0",
        None,
    )
    assert (settings.database.timeout_s, settings.database.pool, settings.database.pool_timeout_s) == (2.0, 8, 0.5)
    assert (settings.llm.timeout_s, settings.llm.deadline_s, settings.llm.backoff_s) == (1.5005, 4.0, 0.0)
    assert (settings.cache, settings.max_concurrency) == (None, None)
    with_cache = AppSettings.read(APP | CACHE | {"MAX_CONCURRENCY": "16"})
    assert with_cache.cache is not None
    assert (with_cache.cache.timeout_s, with_cache.cache.ttl_s, with_cache.max_concurrency) == (0.05, 60, 16)
    assert MockSettings.read(MOCK).queue_limit is None


@pytest.mark.parametrize("name", sorted(APP))
def test_every_variable_of_the_app_is_missed(name):
    with pytest.raises(SettingError, match=f"{name} is missing: expected"):
        AppSettings.read({key: value for key, value in APP.items() if key != name})


@pytest.mark.parametrize("name", sorted(MOCK))
def test_every_variable_of_the_mock_is_missed(name):
    with pytest.raises(SettingError, match=f"{name} is missing: expected"):
        MockSettings.read({key: value for key, value in MOCK.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("SEED", "1.5"),
        ("DB_URL", "mysql://db"),
        ("DB_TIMEOUT_MS", "0"),
        ("DB_TIMEOUT_MS", "2s"),
        ("DB_TIMEOUT_MS", "inf"),
        ("DB_POOL", "0"),
        ("LLM_URL", "llm:80"),
        ("LLM_RETRIES", "-1"),
        ("MAX_CONCURRENCY", "0"),
        ("CACHE_TTL_S", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
    ],
)
def test_malformed_values_are_told_with_what_was_found(name, value):
    with pytest.raises(SettingError, match=f"{name} is '{value}': expected "):
        AppSettings.read(APP | CACHE | {name: value})


def test_the_process_ends_with_one_sentence_and_code_2():
    ended = subprocess.run(
        [sys.executable, "-m", "windtunnel.reference_service.mock_llm"],
        env={"PATH": os.environ.get("PATH", "")} | MOCK | {"TOKEN_MS": '{"kind":"normal"}'},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("""TOKEN_MS is '{"kind":"normal"}': expected a distribution such as""")
    assert "unknown kind 'normal'" in ended.stderr
