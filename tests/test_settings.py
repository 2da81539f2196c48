"""Invalid settings are one clear sentence before any request."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from harness import config_for
from singer_sdk.exceptions import ConfigValidationError
from terminal import config_file, typed

from tap_customerio.settings import SETTINGS, Settings
from tap_customerio.settings_checks import validation_errors
from tap_customerio.sync.validation import normalized
from tap_customerio.tap import TapCustomerio

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox

KEY = "secret-canary-key"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"app_api_key": None}, ["app_api_key", "***", "string"]),
        ({"app_api_key": ""}, ["app_api_key", "empty"]),
        ({"app_api_key": 12345}, ["app_api_key", "***"]),
        ({"region": "mars"}, ["region", "'mars'", "us, eu, auto"]),
        ({"region": "France"}, ["region", "'France'"]),
        (
            {"start_date": "soon"},
            ["start_date", "'soon'", "2024-01-31, or 2024-01-31T12:00:00Z (UTC)"],
        ),
        ({"start_date": "2999-01-01"}, ["start_date", "2999", "future"]),
        ({"end_date": "2999-01-01"}, ["end_date", "2999", "future"]),
        (
            {"start_date": "2024-02-01", "end_date": "2024-01-01"},
            ["start_date", "2024-02-01", "end_date", "2024-01-01"],
        ),
        ({"metrics_timezone": "Mars/Base"}, ["metrics_timezone", "Mars/Base", "Europe/Rome"]),
        ({"metrics_timezone": "../../etc/passwd"}, ["metrics_timezone"]),
        ({"metrics_resolution": "minutes"}, ["metrics_resolution", "minutes", "hours"]),
        ({"rescan_ages": [0]}, ["rescan_ages", "0"]),
        ({"rescan_ages": "daily"}, ["rescan_ages", "daily", "array"]),
        ({"requests_per_second": 0}, ["requests_per_second", "0"]),
        ({"requests_per_second": "fast"}, ["requests_per_second", "fast", "number"]),
        ({"concurrency": 0}, ["concurrency", "0"]),
        ({"request_timeout": 0}, ["request_timeout", "0"]),
        ({"request_timeout": 1e300}, ["request_timeout", "more than 86400"]),
        ({"request_timeout": float("inf")}, ["request_timeout", "inf", "number"]),
        ({"requests_per_second": float("nan")}, ["requests_per_second", "nan", "number"]),
        ({"requests_per_second": 10**400}, ["requests_per_second", "number"]),
        ({"rescan_ages": [1, float("inf")]}, ["rescan_ages", "inf", "number"]),
        ({"metrics_timezone": ""}, ["Setting metrics_timezone is empty."]),
        ({"customers_filter": "all"}, ["customers_filter", "all", "object"]),
        ({"api_url": "http://api.example.org"}, ["api_url", "https"]),
        ({"api_url": "https://api.example.org/v1"}, ["api_url", "without /v1"]),
        ({"api_url": "api.example.org"}, ["api_url", "address"]),
        ({"api_url": "https://[::1"}, ["api_url", "address"]),
        ({"site_id": "site"}, ["track_api_key is missing", "remove site_id"]),
        ({"track_api_key": KEY}, ["site_id is missing", "remove track_api_key"]),
        ({"site_id": ""}, ["Setting site_id is empty."]),
        ({"rate_limit_url": f"ftp://{KEY}@example.org"}, ["rate_limit_url", "***", "redis://"]),
        ({"rate_limit_url": f"redis://{KEY}@"}, ["rate_limit_url", "***", "redis://"]),
        ({"rate_limit_url": f"redis://{KEY}@host:often"}, ["rate_limit_url", "***", "redis://"]),
        ({"rate_limit_url": "file://elsewhere/tmp"}, ["rate_limit_url", "file:/path"]),
        ({"rate_limit_url": "file:"}, ["rate_limit_url", "file:/path"]),
        ({"rate_limit_url": "file:budget"}, ["rate_limit_url", "absolute", "file:/path"]),
        ({"rate_limit_url": "file:/tmp/%00"}, ["rate_limit_url", "file:/path"]),
        ({"track_api_url": "ftp://example.org"}, ["track_api_url", "address"]),
    ],
)
def test_an_invalid_setting_is_named_with_its_value_and_a_fix(
    settings: dict[str, Any], said: list[str]
) -> None:
    found = validation_errors({"app_api_key": KEY, **settings})
    assert len(found) == 1
    for word in said:
        assert word in found[0]
    assert "12345" not in found[0]
    assert KEY not in found[0]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("startdate", "start_date"),
        ("regoin", "region"),
        ("Flattening_enabled", "flattening_enabled"),
    ],
)
def test_a_misspelt_setting_is_an_error_that_names_the_right_one(
    sandbox: Sandbox, name: str, meant: str
) -> None:
    with pytest.raises(ConfigValidationError) as caught:
        TapCustomerio(config=config_for(sandbox, **{name: "x"}))
    assert caught.value.errors == [f"There is no setting {name!r}: did you mean {meant!r}?"]


def test_an_unknown_setting_and_a_rate_beyond_the_limit_cause_one_warning(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = {"colour": "red", "api_key": "x"}
    TapCustomerio(config=config_for(sandbox, **odd))
    assert "no setting 'colour', so it is ignored: 'tap-customerio --about'" in caplog.text
    assert "no setting 'api_key', so it is ignored: perhaps 'app_api_key' is meant" in caplog.text
    assert "requests_per_second" not in caplog.text
    TapCustomerio(config={"app_api_key": KEY, "requests_per_second": 50})
    assert "Setting requests_per_second is 50, but Customer.io accepts only 10" in caplog.text
    screen = typed("check", "snippets", "--config", config_file(sandbox, tmp_path, colour="red"))
    assert screen.code == 0
    assert screen.err.count("Warning: There is no setting 'colour'") == 1


def test_environment_variables_are_validated_like_settings(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("DEBUG", "LOGLEVEL", "_SELECT", "EVIDENCE_KEY_FILE", "COLOUR"):
        monkeypatch.setenv(f"TAP_CUSTOMERIO_{name}", "INFO")
    TapCustomerio(config=config_for(sandbox), parse_env_config=True)
    said = [record.getMessage() for record in caplog.records]
    [unknown] = [sentence for sentence in said if sentence.startswith("There is no setting")]
    assert "'colour'" in unknown
    monkeypatch.setenv("TAP_CUSTOMERIO_STARTDATE", "2026-01-01")
    with pytest.raises(ConfigValidationError, match="did you mean 'start_date'"):
        TapCustomerio(config=config_for(sandbox), parse_env_config=True)


def test_choices_are_case_insensitive(sandbox: Sandbox) -> None:
    tap = TapCustomerio(config=config_for(sandbox, region=" EU", metrics_resolution="Weeks"))
    assert (tap.settings.region, tap.settings.metrics_resolution) == ("eu", "weeks")


@pytest.mark.parametrize(
    ("text", "number"), [("2.5", 2.5), ("5", 5), ("1e1", 10.0), ("NaN", "NaN"), ("1e999", "1e999")]
)
def test_numbers_may_be_text(text: str, number: object) -> None:
    config = {"app_api_key": "2", "requests_per_second": text, "new": "1"}
    expected = {"app_api_key": "2", "requests_per_second": number, "new": "1"}
    assert normalized(config, SETTINGS) == expected


def test_a_missing_key_is_reported_as_missing() -> None:
    assert validation_errors({}) == [
        "Setting app_api_key is missing: App API key of one workspace (not a Track API key)."
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"api_url": "http://127.0.0.1:8765"},
        {"api_url": "http://localhost:8765/"},
        {"api_url": "http://[::1]:8765"},
        {"api_url": "https://proxy.example.org:8443"},
        {"start_date": "2024-01-01", "end_date": "2024-01-01T00:00:01Z"},
        {"rescan_ages": []},
        {"site_id": "site", "track_api_key": "key"},
        {"rescan_ages": [0.5]},
        {"flattening_enabled": True},
    ],
)
def test_valid_settings_pass(settings: dict[str, Any]) -> None:
    assert validation_errors({"app_api_key": KEY, **settings}) == []


def test_every_setting_has_a_title_and_a_description_and_the_key_is_secret() -> None:
    for name, kind in SETTINGS["properties"].items():
        assert kind["title"], name
        assert kind["description"].endswith("."), name
    for name in ("app_api_key", "site_id", "track_api_key"):
        assert SETTINGS["properties"][name]["secret"]


def test_a_trailing_slash_of_a_url_does_not_matter() -> None:
    defaults = {name: kind.get("default") for name, kind in SETTINGS["properties"].items()}
    config = {**defaults, "app_api_key": KEY, "api_url": "https://example.org/"}
    assert Settings.of(config).api_url == "https://example.org"


@pytest.mark.slow
def test_the_command_reports_it_in_one_line_and_requests_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config_for(sandbox, region="mars")))
    run = subprocess.run(
        [sys.executable, "-m", "tap_customerio", "--config", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    assert "Setting region is 'mars'" in run.stderr.splitlines()[-1]  # Meltano shows only this line
    assert sandbox.app_api_key not in run.stderr
    assert sandbox.calls == []


def test_whole_decimals_are_integers_and_null_is_the_default(sandbox: Sandbox) -> None:
    unset = {name: None for name, kind in SETTINGS["properties"].items() if "default" in kind}
    given = {"concurrency": 2.0, "metrics_lookback_days": "7.0"}
    settings = TapCustomerio(config={**config_for(sandbox), **unset, **given}).settings
    assert repr(settings.concurrency) == "2"
    assert repr(settings.metrics_lookback_days) == "7"
    assert settings.metrics_timezone == "UTC"
    assert settings.requests_per_second == 10
    assert [*settings.rescan_ages] == [1, 3, 7, 30, 90, 175]


@pytest.mark.parametrize("text", ["maybe", ""])
def test_an_invalid_boolean_in_the_environment_is_named(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("TAP_CUSTOMERIO_INCLUDE_DRAFTS", text)
    with pytest.raises(ConfigValidationError) as caught:
        TapCustomerio(config=config_for(sandbox), parse_env_config=True)
    assert caught.value.errors[0].startswith(f"Setting include_drafts is {text!r}")


def test_numbers_can_come_from_the_environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_CUSTOMERIO_APP_API_KEY", KEY)
    monkeypatch.setenv("TAP_CUSTOMERIO_REQUESTS_PER_SECOND", "2.5")
    monkeypatch.setenv("TAP_CUSTOMERIO_CONCURRENCY", "3")
    monkeypatch.setenv("TAP_CUSTOMERIO_RESCAN_AGES", "[1, 2]")
    tap = TapCustomerio(config=config_for(sandbox), parse_env_config=True)
    assert tap.settings.requests_per_second == 2.5
    assert tap.settings.concurrency == 3
    assert list(tap.settings.rescan_ages) == [1, 2]


def test_an_invalid_number_in_the_environment_is_named(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_CUSTOMERIO_REQUEST_TIMEOUT", "soon")
    with pytest.raises(ConfigValidationError) as caught:
        TapCustomerio(config=config_for(sandbox), parse_env_config=True)
    assert caught.value.errors[0].startswith("Setting request_timeout is 'soon'")
