"""Events to a broker of MQTT, with what Home Assistant needs to find them by itself.

Topics, below the path of the URL (``earmark`` by default)::

    PREFIX/availability   online or offline, retained; offline is the broker's last will
    PREFIX/state          the last event, retained
    PREFIX/event          every event
"""

import contextlib
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
GOODBYE_SECONDS = 1.0
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
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS[parts.scheme]
        except (ValueError, KeyError):
            parts, port = urlsplit(""), 0
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
        connection = _Connection(broker, labels)
    connection.open()
    try:
        # The client waits between its tries by itself.
        name = f"MQTT {broker.host}"
        with Outbox(connection.send, name, longest_wait_seconds=1.0) as outbox:
            yield outbox
    finally:
        connection.close()


class _Connection:
    """A client of a broker, with a thread of its own."""

    def __init__(self, broker: Broker, labels: Sequence[str]) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self._broker, self._labels = broker, labels
        self._is_connected = threading.Event()
        self._client = client = Client(CallbackAPIVersion.VERSION2)
        client.on_connect, client.on_disconnect = self._greet, self._forget
        if broker.user:
            client.username_pw_set(broker.user, broker.password or None)
        if broker.is_encrypted:
            client.tls_set()
        client.connect_timeout = CONNECT_SECONDS
        client.reconnect_delay_set(1, LONGEST_WAIT_SECONDS)
        client.will_set(broker.topic("availability"), "offline", qos=1, retain=True)

    def open(self) -> None:
        """Starts to connect; does not wait for it."""
        self._client.connect_async(self._broker.host, self._broker.port)
        self._client.loop_start()

    def close(self) -> None:
        """Says goodbye, as far as the broker is there."""
        if self._is_connected.is_set():
            topic = self._broker.topic("availability")
            last = self._client.publish(topic, "offline", qos=1, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):
                last.wait_for_publish(GOODBYE_SECONDS)
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, document: Document) -> None:
        """Publishes a document and waits for the broker's confirmation.

        Raises:
            OSError: There is none.
        """
        if not self._is_connected.wait(CONNECT_SECONDS):
            raise OSError("not connected")
        content = json.dumps(document)
        for name, retain in (("event", False), ("state", True)):
            sent = self._client.publish(self._broker.topic(name), content, qos=1, retain=retain)
            try:
                sent.wait_for_publish(CONFIRM_SECONDS)
            except (RuntimeError, ValueError) as error:
                raise OSError(str(error)) from None
            if not sent.is_published():
                raise OSError("no confirmation")

    def _greet(self, client: "Client", _: Any, __: Any, reason: Any, *___: Any) -> None:
        if reason.is_failure:
            logger.warning(f"MQTT {self._broker.host}: refused: {reason}")
            return
        # Each time, for a broker that has forgotten all.
        for topic, document in discovery(self._broker, self._labels).items():
            client.publish(topic, json.dumps(document), qos=1, retain=True)
        client.publish(self._broker.topic("availability"), "online", qos=1, retain=True)
        self._is_connected.set()

    def _forget(self, *_: Any) -> None:
        self._is_connected.clear()


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
            "value_template": _on_while(label),
        }
    return found


def _on_while(label: str) -> str:
    return f"{{{{ 'ON' if {json.dumps(label)} in value_json.labels else 'OFF' }}}}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", text)
