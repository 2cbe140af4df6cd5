"""Events reach a real broker, also one that was gone."""

import json
import shutil
import socket
import subprocess
import threading
import time

import pytest

from earmark.errors import ConfigError
from earmark.events.mqtt import Broker, discovery, mqtt

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", ("broker", 1883, False, "", "", "earmark")),
        ("mqtts://a%40b:p%2F@broker/home/bird/", ("broker", 8883, True, "a@b", "p/", "home/bird")),
        ("mqtt://ann@[::1]:99", ("::1", 99, False, "ann", "hidden", "earmark")),
    ],
)
def test_addresses(url, expected):
    environment = {"EARMARK_MQTT_PASSWORD": "hidden"} if "ann" in url else {}
    assert Broker.parse(url, environment) == Broker(*expected)


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://b:99999",
        "mqtt://b/a/%23",
        "mqtt://b/+",
        "mqtt://b:x",
        "mqtt://[",
    ],
)
def test_other_addresses_are_refused_without_their_passwords(url):
    with pytest.raises(ConfigError, match="--mqtt") as caught:
        Broker.parse(url.replace("//", "//user:secret@"), {})
    assert "secret" not in str(caught.value)


def test_home_assistant_finds_a_sensor_of_the_label_and_one_for_each():
    found = discovery(Broker.parse("mqtt://broker/kitchen", {}), ("music", 'a "b"'))
    label, music, quoted = found.values()
    assert label["state_topic"] == music["state_topic"] == "kitchen/state"
    assert len({one["unique_id"] for one in found.values()}) == 3
    assert len({json.dumps(one["device"]) for one in found.values()}) == 1
    assert quoted["value_template"].count('"a \\"b\\""') == 1


@pytest.fixture
def broker(tmp_path):
    """Starts and stops mosquitto on one port; gives the address and both functions."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    running = []

    def start():
        running.append(subprocess.Popen([MOSQUITTO, "-c", config], stderr=subprocess.DEVNULL))
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)

    def stop():
        process = running.pop()
        process.terminate()
        process.wait()

    start()
    yield f"mqtt://127.0.0.1:{port}/kitchen", start, stop
    if running:
        stop()


class Subscriber:
    """Collects what a broker publishes."""

    def __init__(self, url):
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages, self._new = [], threading.Condition()
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_message = self._take
        self.client.reconnect_delay_set(1, 1)
        broker = Broker.parse(url, {})
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()

    def _take(self, _, __, message):
        with self._new:
            self.messages.append((message.topic, message.payload.decode()))
            self._new.notify()

    def wait_for(self, topic, text):
        with self._new:
            assert self._new.wait_for(
                lambda: any(one == topic and text in body for one, body in self.messages), 20
            ), (topic, text, self.messages)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.slow
@pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")
def test_events_reach_a_broker_that_goes_and_comes_back(broker):
    url, start, stop = broker
    with mqtt(Broker.parse(url, {}), ("music", "speech")) as outbox:
        first = Subscriber(url)
        outbox.put({"label": "speech", "labels": ["speech"]})
        first.wait_for("kitchen/event", "speech")
        first.wait_for("kitchen/availability", "online")
        first.wait_for("homeassistant/sensor/earmark_kitchen/label/config", "kitchen/state")
        first.close()
        stop()
        outbox.put({"label": "music", "labels": ["music"]})
        start()
        second = Subscriber(url)
        second.wait_for("kitchen/state", "music")
    second.wait_for("kitchen/availability", "offline")
    second.close()


@pytest.mark.slow
@pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto")
def test_a_broker_that_never_comes_costs_nothing_but_a_line(broker, caplog):
    url, _, stop = broker
    stop()
    started_at = time.monotonic()
    with mqtt(Broker.parse(url, {}), ("music",)) as outbox:
        for number in range(5000):
            outbox.put({"number": number})
        assert time.monotonic() - started_at < 2
    assert outbox.num_dropped >= 4000
    assert time.monotonic() - started_at < 15
