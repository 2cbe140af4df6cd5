"""Events to a broker of MQTT, with what Home Assistant needs to find them by itself.

Topics, below the path of the URL (``earmark`` by default)::

    PREFIX/availability   online or offline, retained; offline is the broker's last will
    PREFIX/state          the last event, retained
    PREFIX/event          every event
"""

import json
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from earmark._version import __version__
from earmark.errors import ConfigError, needs_extra
from earmark.events.outbox import Document, Outbox

if TYPE_CHECKING:
    from paho.mqtt.client import Client

logger = logging.getLogger(__name__)

PORTS = {"mqtt": 1883, "mqtts": 8883}
PASSWORD_VARIABLE = "EARMARK_MQTT_PASSWORD"
DEFAULT_PREFIX = "earmark"
DISCOVERY_PREFIX = "homeassistant"
CONNECT_SECONDS = 10
CONFIRM_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 60


@dataclass(frozen=True)
class Broker:
    """Where a broker is.

    Args:
        host: Its name.
        port: In TCP.
        is_encrypted: Whether by TLS.
        user: Name to log in with; empty for none.
        password: To log in with.
        prefix: Of all topics.
    """

    host: str
    port: int
    is_encrypted: bool
    user: str
    password: str
    prefix: str

    @classmethod
    def parse(cls, url: str, environment: Mapping[str, str] = os.environ) -> "Broker":
        """The broker of ``mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX]``.

        Args:
            url: The address.
            environment: With the password, if it is in `PASSWORD_VARIABLE`.

        Raises:
            ConfigError: It is no such address.

        Example:
            >>> broker = Broker.parse("mqtt://ann@example.org/kitchen", {})
            >>> broker.host, broker.port, broker.user, broker.prefix
            ('example.org', 1883, 'ann', 'kitchen')
        """
        parts = urlsplit(url)
        try:
            port = parts.port or PORTS[parts.scheme]
        except (ValueError, KeyError):
            port = 0
        prefix = unquote(parts.path).strip("/") or DEFAULT_PREFIX
        if not port or not parts.hostname or re.search(r"[+#\0]", prefix):
            # The address may hold a password.
            raise ConfigError("--mqtt: give mqtt://[USER@]HOST[:PORT][/PREFIX], or mqtts://")
        password = unquote(parts.password or "") or environment.get(PASSWORD_VARIABLE, "")
        user = unquote(parts.username or "")
        return cls(parts.hostname, port, parts.scheme == "mqtts", user, password, prefix)

    def topic(self, name: str) -> str:
        """A topic below the prefix."""
        return f"{self.prefix}/{name}"


@contextmanager
def mqtt(broker: Broker, labels: Sequence[str]) -> Iterator[Outbox]:
    """An outbox that publishes each document; it connects, and connects again, on its own.

    Args:
        broker: Where to.
        labels: That may be heard; Home Assistant gets a sensor for each.

    Raises:
        MissingExtraError: The package paho-mqtt is missing.
    """
    with needs_extra("--mqtt"):
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
    client = Client(CallbackAPIVersion.VERSION2)
    is_connected = threading.Event()

    def connect(client: "Client", _: Any, __: Any, reason: Any, *___: Any) -> None:
        if reason.is_failure:
            logger.warning(f"MQTT {broker.host}: refused: {reason}")
            return
        # Each time, for a broker that has forgotten all.
        for topic, document in discovery(broker, labels).items():
            client.publish(topic, json.dumps(document), qos=1, retain=True)
        client.publish(broker.topic("availability"), "online", qos=1, retain=True)
        is_connected.set()

    def disconnect(*_: Any) -> None:
        is_connected.clear()

    def send(document: Document) -> None:
        if not is_connected.wait(CONNECT_SECONDS):
            raise OSError("not connected")
        content = json.dumps(document)
        sent = [
            client.publish(broker.topic("event"), content, qos=1),
            client.publish(broker.topic("state"), content, qos=1, retain=True),
        ]
        for one in sent:
            if one.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise OSError("not connected")
            one.wait_for_publish(CONFIRM_SECONDS)
            if not one.is_published():
                raise OSError("no confirmation")

    client.on_connect, client.on_disconnect = connect, disconnect
    _configure(client, broker)
    client.connect_async(broker.host, broker.port)
    client.loop_start()
    try:
        # The client waits between its tries by itself.
        with Outbox(send, f"MQTT {broker.host}", longest_wait_seconds=1.0) as outbox:
            yield outbox
        if is_connected.is_set():
            last = client.publish(broker.topic("availability"), "offline", qos=1, retain=True)
            last.wait_for_publish(1.0)
    finally:
        client.disconnect()
        client.loop_stop()


def _configure(client: "Client", broker: Broker) -> None:
    if broker.user:
        client.username_pw_set(broker.user, broker.password or None)
    if broker.is_encrypted:
        client.tls_set()
    client.connect_timeout = CONNECT_SECONDS
    client.reconnect_delay_set(1, LONGEST_WAIT_SECONDS)
    client.will_set(broker.topic("availability"), "offline", qos=1, retain=True)


def discovery(broker: Broker, labels: Sequence[str]) -> dict[str, Document]:
    """The retained messages by which Home Assistant makes a device of a microphone.

    Args:
        broker: Where they go.
        labels: That may be heard.

    Returns:
        Topic to message: a sensor of the label, and one for each label that is on or off.
    """
    identity = _slug(f"earmark_{broker.prefix}")
    common = {
        "availability_topic": broker.topic("availability"),
        "state_topic": broker.topic("state"),
        "device": {
            "identifiers": [identity],
            "name": broker.prefix.rpartition("/")[2],
            "manufacturer": "earmark",
            "sw_version": __version__,
        },
    }
    found = {
        f"{DISCOVERY_PREFIX}/sensor/{identity}/label/config": {
            **common,
            "name": "Label",
            "unique_id": f"{identity}_label",
            "icon": "mdi:ear-hearing",
            "value_template": "{{ value_json.label or 'none' }}",
            "json_attributes_topic": broker.topic("state"),
        }
    }
    for number, label in enumerate(labels):
        found[f"{DISCOVERY_PREFIX}/binary_sensor/{identity}/label_{number}/config"] = {
            **common,
            "name": label,
            "unique_id": f"{identity}_label_{number}",
            "device_class": "sound",
            "value_template": "{{ 'ON' if %s in value_json.labels else 'OFF' }}"
            % json.dumps(label),
        }
    return found


def _slug(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", text)
