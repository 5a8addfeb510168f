"""Settings of the simulator: what makes no sense is refused, and what people write is read."""

import random

import pytest

from gateway.simulator import SimulatorConfig
from gateway.simulator.config import RECEIPT_STATES, draw
from gateway.simulator.ids import MessageIds, write_id
from gateway.simulator.reading import changed, read_setting
from gateway.smpp.receipt import write_receipt


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"errors": 1.5}, "errors"),
        ({"errors": float("nan")}, "errors"),
        ({"receipts": -0.1}, "receipts"),
        ({"no_response": 2}, "no_response"),
        ({"duplicate_receipts": 2}, "duplicate_receipts"),
        ({"latency": -1.0}, "latency"),
        ({"latency": (2.0, 1.0)}, "latency"),
        ({"receipt_delay": float("inf")}, "receipt_delay"),
        ({"mo_rate": -1.0}, "mo_rate"),
        ({"mo_rate": 1.0, "mo_texts": ()}, "mo_texts"),
        ({"errors": 0.1, "error_statuses": ()}, "error_statuses"),
        ({"error_statuses": (0,)}, "error_statuses"),
        ({"bind_status": 1 << 32}, "command_status"),
        ({"receipt_states": {}}, "receipt_states"),
        ({"receipt_states": {"DELIVRD": 0.0}}, "receipt_states"),
        ({"receipt_states": {"DELIVERED": 1.0}}, "receipt_states: 'DELIVERED' is none of ENROUTE, DELIVRD"),
        ({"distribution_lists": {"": ("+12125550101",)}}, "distribution_lists"),
        ({"distribution_lists": {"x" * 21: ("+12125550101",)}}, "distribution_lists"),
        ({"distribution_lists": {"team": ()}}, "distribution_lists"),
        ({"response_timeout": 0.0}, "response_timeout"),
        ({"window": 0}, "window"),
        ({"log_size": 0}, "log_size"),
    ],
)
def test_nonsense_is_refused_by_name(settings, named):
    with pytest.raises(ValueError, match=named):
        SimulatorConfig(**settings)


def test_the_password_is_not_shown():
    shown = repr(SimulatorConfig(system_id="a", password="hunter2"))
    assert shown == "SimulatorConfig(system_id='a', password=<hidden>)"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("latency", "0.2", 0.2),
        ("latency", "0.1-0.5", (0.1, 0.5)),
        ("errors", " 0.1 ", 0.1),
        ("throttle", "100", 100),
        ("bind_status", "0x0d", 13),
        ("error_statuses", "0x58,20", (0x58, 20)),
        ("receipt_states", "delivrd=9,UNDELIV", {"DELIVRD": 9.0, "UNDELIV": 1.0}),
        ("receipts_before_response", "on", True),
        ("out_of_order", "no", False),
        ("id_form", "hex", "hex"),
        ("password", "none", None),
        ("password", "secret", "secret"),
        ("mo_peers", "+12125550101,+12125550102", ("+12125550101", "+12125550102")),
        ("mo_texts", "yes, I will|no", ("yes, I will", "no")),
        ("mo_texts", "yes, I will", ("yes, I will",)),
        (
            "distribution_lists",
            "team=+15550001, +15550002|ops = 12345",
            {"team": ("+15550001", "+15550002"), "ops": ("12345",)},
        ),
        ("distribution_lists", "none", {}),
    ],
)
def test_settings_as_people_write_them(name, text, value):
    assert read_setting(name, text) == value
    assert getattr(changed(SimulatorConfig(), {name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("latency", "soon"),
        ("latency", "1-"),
        ("throttle", "1.5"),
        ("out_of_order", "maybe"),
        ("error_statuses", "0x58,"),
        ("receipt_states", "DELIVRD=much"),
        ("distribution_lists", "team"),
        ("colour", "red"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(name, text):
    with pytest.raises(ValueError, match=name):
        read_setting(name, text)


def test_a_choice_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="receipt_on"):
        changed(SimulatorConfig(), {"receipt_on": read_setting("receipt_on", "every")})


def test_every_setting_can_be_written():
    written = {"tuple": "", "NoneType": "none", "dict": "DELIVRD=1"}
    config = SimulatorConfig()
    for name in config.__struct_fields__:
        value = getattr(config, name)
        text = written.get(type(value).__name__, str(value))
        if name == "error_statuses":
            text = ",".join(hex(status) for status in value)
        elif name == "mo_texts":
            text = "|".join(value)
        elif name == "distribution_lists":
            text = "none"
        assert read_setting(name, text) == value, name


@pytest.mark.parametrize(
    ("form", "written"),
    [("decimal", "20113582"), ("hex", "132e8ae"), ("hex_upper", "132E8AE"), ("padded", "000020113582")],
)
def test_forms_of_an_id(form, written):
    assert write_id(20113582, form) == written


def test_ids_rise_and_runs_differ():
    one, other = MessageIds(random.Random(1)), MessageIds(random.Random(2))
    first = [one.take() for _ in range(3)]
    assert first == [first[0], first[0] + 1, first[0] + 2]
    assert other.take() not in first


def test_drawn_times():
    rng = random.Random(1)
    assert draw(0.5, rng) == 0.5
    drawn = [draw((1.0, 2.0), rng) for _ in range(100)]
    assert 1.0 <= min(drawn) < 1.2
    assert 1.8 < max(drawn) <= 2.0


def test_the_words_of_the_states_are_those_of_the_protocol():
    from datetime import UTC, datetime

    when = datetime(2024, 1, 2, 3, 4, tzinfo=UTC)
    for word, state in RECEIPT_STATES.items():
        text, _ = write_receipt("1", state, submit_date=when, done_date=when)
        assert f"stat:{word} ".encode() in text
