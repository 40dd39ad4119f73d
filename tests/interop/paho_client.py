"""paho-mqtt 2.x: publisher and subscriber over mutual TLS, both versions, QoS 0, 1 and 2."""

import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 20


def connected(version, port, trust, cert, key, on_message=None, topic=None):
    """A client whose CONNACK, and SUBACK if there is a topic, have arrived."""
    ready = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
    client.tls_set(ca_certs=trust, certfile=cert, keyfile=key)
    client.on_connect = lambda _c, _u, _f, reason, _p: ready.put(reason)
    client.on_subscribe = lambda _c, _u, _m, reasons, _p: ready.put(reasons[0])
    client.on_message = on_message
    client.connect("localhost", port, keepalive=30)
    client.loop_start()
    reason = ready.get(timeout=PATIENCE_S)
    assert not reason.is_failure, reason
    if topic is not None:
        client.subscribe(topic, qos=2)
        reason = ready.get(timeout=PATIENCE_S)
        assert not reason.is_failure, reason
    return client


def main():
    port = int(sys.argv[1])
    trust, pub_cert, pub_key, sub_cert, sub_key = sys.argv[2:7]
    for name, version in [("3.1.1", mqtt.MQTTv311), ("5.0", mqtt.MQTTv5)]:
        received = queue.Queue()
        topic = f"chat/paho/{name}"
        subscriber = connected(
            version, port, trust, sub_cert, sub_key,
            on_message=lambda _c, _u, message: received.put(message), topic=topic,
        )
        publisher = connected(version, port, trust, pub_cert, pub_key)
        for qos in (0, 1, 2):
            payload = f"señal {name} {qos}".encode()
            info = publisher.publish(topic, payload, qos=qos)
            info.wait_for_publish(timeout=PATIENCE_S)
            assert info.is_published(), (name, qos)
            message = received.get(timeout=PATIENCE_S)
            assert (message.topic, message.payload, message.qos) == (topic, payload, qos), message
            print(f"ok {name} QoS {qos}", flush=True)
        for client in (publisher, subscriber):
            client.disconnect()
            client.loop_stop()


main()
