"""An operator with an independent MQTT client: listens to a device, may ask it something, and prints all as one JSON object."""

import argparse
import json
import threading
import time
import uuid

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cafile")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--root", required=True, help="the device's branch of the topic tree")
    parser.add_argument("--command", help="name of a command to send")
    parser.add_argument("--payload", default="{}", help="JSON of the command; an id is added")
    parser.add_argument("--want", action="append", default=[], help="end as soon as all these branches have spoken")
    parser.add_argument("--seconds", type=float, default=20.0)
    words = parser.parse_args()

    heard: dict[str, list] = {}
    arrived = threading.Condition()
    subscribed = threading.Event()
    answer_topic = f"{words.root}/cmd/{words.command}/res" if words.command else None
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"operator-{uuid.uuid4()}", protocol=mqtt.MQTTv5)
    if words.cafile:
        client.tls_set(ca_certs=words.cafile, certfile=words.cert, keyfile=words.key)

    def on_message(_client, _userdata, message):
        branch = message.topic.removeprefix(words.root + "/")
        kind = getattr(message.properties, "ContentType", None)
        try:
            payload = json.loads(message.payload)
        except ValueError:
            payload = None
        with arrived:
            heard.setdefault(branch, []).append(
                {"retained": bool(message.retain), "content_type": kind, "payload": payload}
            )
            arrived.notify_all()

    client.on_connect = lambda *_: client.subscribe(f"{words.root}/#", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = on_message
    client.connect("localhost", words.port)
    client.loop_start()
    if not subscribed.wait(10):
        raise SystemExit("no subscription within 10 s")
    identity = str(uuid.uuid4())
    if words.command:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = answer_topic
        properties.CorrelationData = identity.encode()
        properties.MessageExpiryInterval = 60
        properties.ContentType = "application/json"
        payload = json.dumps({"id": identity, **json.loads(words.payload)})
        client.publish(f"{words.root}/cmd/{words.command}", payload, qos=1, properties=properties)
    wanted = list(words.want) + ([f"cmd/{words.command}/res"] if words.command else [])
    deadline = time.monotonic() + words.seconds
    with arrived:
        while not all(branch in heard for branch in wanted) and time.monotonic() < deadline:
            arrived.wait(0.2)
    client.disconnect()
    client.loop_stop()
    print(json.dumps({"id": identity, "heard": heard}))


if __name__ == "__main__":
    main()
