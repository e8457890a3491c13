//! The terminals' MQTT front door (the edge) in front of an embedded rumqttd bus.
