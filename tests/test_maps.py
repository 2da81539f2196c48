"""Stream maps: a misspelt map stops the run; a record that a map fails on is missing and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import config_for, run_tap, select
from hypothesis import given
from hypothesis import strategies as st
from map_runs import SCHEMAS, deselected, records, sync

from tap_customerio.sync import stream_maps

if TYPE_CHECKING:
    from pathlib import Path

    from tap_customerio.sandbox import Sandbox


@pytest.mark.slow
@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ({"custmers": None}, "stream 'custmers': there is no stream 'custmers': did you mean 'cus"),
        ({"Customers": {}}, "there is no stream 'Customers': did you mean 'customers'?"),
        ({"mess?ge": {}}, "there is no stream 'mess?ge'"),
        ({"people": {"__source__": "custmers"}}, "stream 'people': there is no stream 'custmers'"),
        ({"customers": {"emial": None}}, "field 'emial': there is no field 'emial': did you mean"),
        ({"customers": {"emial": "__NULL__"}}, "did you mean 'email'?"),
        ({"customers": {"emial": "sha256(email)"}}, "there is no field 'emial': did you mean 'ema"),
        ({"cust*": {"emial": None}}, "there is no field 'emial': did you mean 'email'?"),
        ({"customers": {"email": "md5(emial)"}}, "'email': there is no field 'emial': did you mea"),
        (
            {"customers": {"email": "shaa256(email)"}},
            "no function 'shaa256': did you mean 'sha256'",
        ),
        (
            {"customers": {"email_hash": "md5(self)"}},
            "field 'email_hash': there is no field 'self'",
        ),
        ({"customers": {"email": "md5(email"}}, "field 'email': it is not an expression, see col"),
        ({"customers": {"email": ""}}, "field 'email': it is not an expression."),
        ({"customers": {"email": "a = 1"}}, "field 'email': it is not an expression."),
        ({"customers": {"email": 5}}, "field 'email': give an expression as text, or null"),
        ({"customers": {"cio_id": None}}, "field 'cio_id': it is a key and cannot be dropped"),
        ({"customers": {"__filter__": "emial"}}, "field '__filter__': there is no field 'emial'"),
        ({"customers": {"__fliter__": "email"}}, "no option '__fliter__': did you mean '__filter_"),
        ({"customers": {"__else__": None}}, "it drops the key 'cio_id': add 'cio_id: cio_id'."),
        (
            {"customers": {"__else__": None, "id": "id", "__key_properties__": ["email"]}},
            "it drops the key 'email': add 'email: email'.",
        ),
        ({"customers": {"e_mail": "email"}}, "mean 'email'? For both, add 'email: email'."),
        ({"customers": {"identifiers__emial": "'x'"}}, "before they are flattened: name the who"),
        ({"CUSTOMERS": {}}, "there is no stream 'CUSTOMERS': did you mean 'customers'?"),
        (
            {"people": {"__source__": "customers", "__alias__": "x"}},
            "field '__alias__': with __source__ the stream's name here is the alias already.",
        ),
        ({"customers": {"__else__": "email"}}, "field '__else__': it can only be null."),
        ({"customers": {"__key_properties__": ["ido"]}}, "'__key_properties__': there is no field"),
        ({"customers": {"__key_properties__": "id"}}, "give a list of fields, or null"),
        ({"customers": {"__alias__": "2 people"}}, "field '__alias__': it is not an expression"),
        ({"customers": {"identifiers__email": None}}, "before they are flattened: name the whole"),
        ({"customers": {"identifiers.email": "md5(email)"}}, "name the whole 'identifiers'."),
        ({"customers": "email"}, "give an object of fields, or null to drop the stream."),
        ({"__else__": "email"}, "stream '__else__': it can only be null."),
        ({"__filter__": "email"}, "stream '__filter__': there is no such option."),
        ({"customers": {"email": "fake.email()"}}, "pip install 'singer-sdk[faker]'"),
        (["customers"], "Setting stream_maps"),
    ],
)
def test_an_impossible_map_is_named_before_any_request(
    sandbox: Sandbox, tmp_path: Path, maps: Any, said: str
) -> None:
    screen = sync(sandbox, tmp_path, stream_maps=maps)
    assert screen.code == 1
    assert said in screen.err
    assert "Traceback" not in screen.err
    assert "report it" not in screen.err
    assert sandbox.calls == []


@pytest.mark.parametrize(
    "maps",
    [
        None,
        {},
        {"__else__": None},
        {"customers": None, "messages": "__NULL__", "campaign*": None},
        {"customers": {"email": "md5(email) if email else None", "email_2": "email"}},
        {"customers": {"email": "sha256(config['salt'] + self)", "updated_by": "'tap'"}},
        {"customers": {"name": "[part for part in email.split('@')][0]"}},
        {"customers": {"day": "datetime.datetime.now().isoformat()", "n": "int(json.loads('1'))"}},
        {"customers": {"row": "json.dumps(record)", "from": "__stream_name__"}},
        {"customers": {"__filter__": "_['email'] != 'x'", "__else__": None, "cio_id": "self"}},
        {"customers": {"cio_id": None, "key": "cio_id", "__key_properties__": ["key"]}},
        {"customers": {"__alias__": "'people'"}, "*_metrics": {"__alias__": "__stream_name__"}},
        {"customers": {"email": None, "emial": "email"}},
        {"customers": {"email": "email", "e_mail": "email"}},
        {"customers": {"identifiers__email_hash": "md5(email) if email else None"}},
        {"messages": {"metrics__open_rate": "1 if metrics['opened'] else 0"}},
        {"campaigns": {"created_by": "'tap'", "updated_by": "'tap'"}},
        {"sender_identities": {"nickname": "name"}},
        {"people": {"__source__": "customers", "email": None}},
    ],
)
def test_a_valid_map_has_no_errors(maps: Any) -> None:
    assert stream_maps.map_errors(maps, SCHEMAS) == []


@pytest.mark.slow
@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize(
    ("rules", "keys", "required"),
    [
        ({"cio_id": "md5(cio_id)"}, ["cio_id"], ["cio_id"]),
        ({"__else__": None, "cio_id": "md5(cio_id)"}, ["cio_id"], ["cio_id"]),
        ({"__else__": None, "email": "email", "__key_properties__": None}, [], []),
        ({"__key_properties__": ["email"]}, ["email"], ["cio_id"]),
        ({"cio_id": None, "__key_properties__": []}, [], []),
    ],
)
def test_mapped_keys_stay_keys(
    sandbox: Sandbox, rules: dict[str, Any], keys: list[str], required: list[str], depth: int
) -> None:
    flat = {"flattening_enabled": True, "flattening_max_depth": depth}
    config = config_for(sandbox, stream_maps={"customers": rules}, **flat)
    output = run_tap(config, streams=["customers"])
    schema = output.schemas["customers"]
    assert output.keys["customers"] == keys
    assert schema["required"] == required
    assert all(schema["properties"][key]["type"] == "string" for key in required if key in keys)
    assert output.records["customers"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("length", "stream", "said"),
    [
        (19, "sender_usage", None),
        (18, "sender_usage", "shorten its key 'sender_identity_id': set more than 18."),
        (4, "campaigns", "gives two of its columns the same name: raise flattening_max_key_length"),
    ],
)
def test_column_names_are_not_truncated_if_keys_or_columns_are_lost(
    sandbox: Sandbox, tmp_path: Path, length: int, stream: str, said: str | None
) -> None:
    flat = {"flattening_enabled": True, "flattening_max_depth": 1}
    catalog = select([stream])
    screen = sync(sandbox, tmp_path, catalog, **flat, flattening_max_key_length=length)
    assert screen.code == (0 if said is None else 1)
    if said is not None:
        assert said in screen.err
        assert sandbox.calls == []


RULES = st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=4), max_size=2)
FIELDS = st.sampled_from(["email", "emial", "cio_id", "__else__", "__filter__", "__alias__"])


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["customers", "cust*", "x", "__else__"]),
        RULES | st.dictionaries(FIELDS | st.text(max_size=9), RULES),
    )
)
def test_any_map_is_valid_or_has_error_sentences(maps: dict[str, Any]) -> None:
    for sentence in stream_maps.map_errors(maps, SCHEMAS):
        assert sentence.startswith("Setting stream_maps, stream ")
        assert sentence[-1] in ".?"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("md5(email.lower())", "a value has no 'lower'; where it may be null"),
        ("md5(email)", "it fails with AttributeError on a record; where a value may be null"),
        ("_['attributes']['a secret']", "it fails with KeyError on a record"),
    ],
)
def test_a_record_that_a_map_fails_on_is_missing_and_named_without_its_value(
    sandbox: Sandbox, tmp_path: Path, rule: str, said: str
) -> None:
    plain = run_tap(config_for(sandbox), streams=["customers"]).records["customers"]
    lost = [row["cio_id"] for row in plain if not row["email"] or "secret" in rule]
    assert lost
    screen = sync(sandbox, tmp_path, stream_maps={"customers": {"email": rule}})
    assert screen.code == 1
    assert f"stream 'customers', field 'email': {said}" in screen.err
    assert f"Stream customers lacks {len(lost)} records: " in screen.err or len(lost) == 1
    assert "Incomplete: customers" in screen.err
    assert "secret" not in screen.err
    assert "Traceback" not in screen.err
    assert "report it" not in screen.err
    arrived = {row["cio_id"] for row in records(screen)["customers"]}
    assert arrived == {row["cio_id"] for row in plain} - {*lost}


def test_a_map_with_a_deselected_field_is_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    catalog = deselected("customers", "email")
    maps = {"customers": {"email_hash": "md5(email)"}}
    screen = sync(sandbox, tmp_path, catalog, stream_maps=maps)
    assert screen.code == 1
    assert "field 'email_hash': it uses 'email', which is not selected." in screen.err


def test_a_bookmark_does_not_pass_a_record_that_a_map_failed_on(
    sandbox: Sandbox,
) -> None:
    maps = {"segments": {"name": "name.lower() if id != 3 else name.nonsense"}}
    output = run_tap(config_for(sandbox, stream_maps=maps), streams=["segments"], fails=True)
    assert output.ids("segments")
    assert 3 not in output.ids("segments")
    assert "replication_key_value" not in output.states[-1]["bookmarks"]["segments"]
