"""Terminals played by paho-mqtt, told what to do line by line in JSON.

In:  {"do": "connect", "as": NAME, "host", "port", "login", "secret", "client_id", "version": 4|5}
     {"do": "subscribe", "as": NAME, "topic"}
     {"do": "publish", "as": NAME, "topic", "payload", "tag"}
     {"do": "disconnect", "as": NAME}
Out: {"is": "connected"|"refused"|"disconnected"|"subscribed"|"sent"|"acknowledged"|"message", "as": NAME, ...}

A client reconnects by itself and repeats what was not acknowledged, as paho does. Ends with its input.
"""

import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

SESSION_S = 3600
clients = {}
output = threading.Lock()


def tell(name, happening, **facts):
    line = json.dumps({"is": happening, "as": name, **facts}, ensure_ascii=False)
    with output:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def connect(name, order):
    version = mqtt.MQTTv5 if order["version"] == 5 else mqtt.MQTTv311
    session = {} if version == mqtt.MQTTv5 else {"clean_session": False}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=order["client_id"], protocol=version, **session)
    client.username_pw_set(order["login"], order["secret"])
    client.reconnect_delay_set(min_delay=1, max_delay=1)

    def on_connect(_client, _userdata, flags, reason, _properties):
        kind = "refused" if reason.is_failure else "connected"
        tell(name, kind, code=reason.value, reason=str(reason), session_present=flags.session_present)

    def on_disconnect(_client, _userdata, _flags, reason, _properties):
        tell(name, "disconnected", code=reason.value, reason=str(reason))

    def on_publish(_client, _userdata, mid, reason, _properties):
        tell(name, "acknowledged", mid=mid, code=reason.value)

    def on_subscribe(_client, _userdata, _mid, reasons, _properties):
        tell(name, "subscribed", codes=[reason.value for reason in reasons])

    def on_message(_client, _userdata, message):
        payload = message.payload.decode("utf-8", "replace")
        tell(name, "message", topic=message.topic, payload=payload, dup=message.dup)

    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.on_publish = on_publish
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    clients[name] = client
    if version == mqtt.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_S
        client.connect_async(order["host"], order["port"], keepalive=30, clean_start=False, properties=properties)
    else:
        client.connect_async(order["host"], order["port"], keepalive=30)
    client.loop_start()


def obey(order):
    name = order["as"]
    if order["do"] == "connect":
        connect(name, order)
        return
    client = clients[name]
    if order["do"] == "subscribe":
        client.subscribe(order["topic"], qos=1)
    elif order["do"] == "publish":
        info = client.publish(order["topic"], order["payload"].encode(), qos=1)
        tell(name, "sent", tag=order["tag"], mid=info.mid)
    elif order["do"] == "disconnect":
        client.disconnect()
        client.loop_stop()
    else:
        raise ValueError(order["do"])


for line in sys.stdin:
    obey(json.loads(line))
for each in clients.values():
    each.disconnect()
    each.loop_stop()
