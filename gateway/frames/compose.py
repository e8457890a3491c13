#!/usr/bin/env python3
"""Composes the project's own frames of the dialects with a connection of their own: invented terminals in Kaifu, Changsha.

    gateway/frames/compose.py        writes watch.jsonl, jt808.jsonl and gt06.jsonl beside itself

What a frame means is written here by hand, not taken from a codec. A line has:
  id, protocol, frame, encoding  as in files of captured frames
  expect    what `yidiantong decode` says of it (only what is named is compared), or {"error": true}
  means     the report: event, also, lane, freshness, vitals, doubts (only what is named is compared)
  quirk     what is not as it should be; such frames are not used as good ones elsewhere
"""
import json, os, struct

HERE = os.path.dirname(os.path.abspath(__file__))
ALERT = lambda kind: {"is": "alert", "kind": kind}
OTHER = lambda what: {"is": "other", "what": what}
ENTERED = {"is": "transition", "entered": True, "region": ""}
DAMAGED = lambda what: {"doubt": "damaged", "what": what}
FIELD = lambda name: {"doubt": "field", "name": name}
LEN_WRONG = DAMAGED("LEN is not the length")
out = []


def put(protocol, name, frame, expect, means=None, quirk=None):
    line = {"id": f"{protocol}-{name}", "protocol": protocol}
    line.update({"frame": frame, "encoding": "text"} if isinstance(frame, str) else {"frame": frame.hex(), "encoding": "hex"})
    line["expect"] = expect
    if means:
        line["means"] = means
    if quirk:
        line["quirk"] = quirk
    out.append(line)


def write(protocol):
    with open(os.path.join(HERE, f"{protocol}.jsonl"), "w", encoding="utf-8") as file:
        for line in (line for line in out if line["protocol"] == protocol):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


# ---------------------------------------------------------------- watch

W = "9710000011"


def watch(content, maker="3G", ident=W, seq=None, length=None, small=False):
    raw = content.encode("latin-1") if isinstance(content, str) and all(ord(c) < 256 for c in content) else content.encode()
    size = len(raw) if length is None else length
    head = f"[{maker}*{ident}*" + (f"{seq}*" if seq else "") + (f"{size:04x}" if small else f"{size:04X}") + "*"
    return head + content + "]"


def answer(content, **how):
    return watch(content, **how)


CELLS = "2,255,460,0,29524,21403,148,29524,21401,120"
WIFI = "2,Kaifu-Home,a4:56:02:10:20:30,-52,,60:3a:7c:44:55:66,-71"
PLACE = "A,28.256100,N,112.985400,E,0.40,91.5,52.0,9,88,76,1204,3"


def position(kind, place=PLACE, status="00000000", net=f"{CELLS},{WIFI},12.5", date="140326,081530"):
    return f"{kind},{date},{place},{status},{net}"


HERE_WGS = {"time": "2026-03-14T08:15:30Z", "lat": 28.2561, "lon": 112.9854, "valid": True, "speed_kmh": 0.4, "course": 91.5,
            "satellites": 9, "battery_pct": 76, "steps": 1204, "cells": 2, "wifi": 2, "accuracy_m": 12.5}


def watches():
    # Life signs.
    put("watch", "lk", watch("LK"), {"device_id": W, "kind": "heartbeat", "reply": watch("LK")}, {"lane": "telemetry"})
    put("watch", "lk-values", watch("LK,1204,3,76"), {"kind": "heartbeat", "battery_pct": 76, "steps": 1204, "reply": watch("LK")})
    put("watch", "lk-two-values", watch("LK,0,76"), {"kind": "heartbeat", "reply": watch("LK")}, {"vitals": []})
    put("watch", "lk-small-letters", watch("lk"), {"kind": "heartbeat", "reply": watch("LK")})
    put("watch", "lk-long-identity", watch("LK", ident="861234567890123"), {"device_id": "861234567890123"})
    put("watch", "init", watch("INIT,9710000011", maker="ZJ", seq="0001"),
        {"kind": "register", "reply": watch("INIT,1", maker="ZJ", seq="0001")})
    put("watch", "config", watch("CONFIG,TY:g36,UL:600,FD:1,LS:5,VR:1"), {"kind": "config", "reply": watch("CONFIG,1")})
    for word in ("ICCID,8986001234567890123F,861234567890123", "CCID,1", "RYIMEI,861234567890123", "APPANDFNREPORT,1",
                 "SMSREMINDSTATUSINFO,0", "appcontacttel,0", "eicard,1"):
        name = word.split(",")[0]
        put("watch", name.lower(), watch(word), {"kind": "status", "reply": watch(name)})
    # Positions.
    for kind in ("UD", "UD_LTE", "UD_WCDMA", "UD_CDMA", "WT", "WT_LTE", "UD3"):
        put("watch", kind.lower(), watch(position(kind)), {"device_id": W, "kind": "fix", "alarms": [], **HERE_WGS},
            {"lane": "telemetry", "freshness": ["live"]})
    for kind in ("UD2", "UD2_LTE"):
        put("watch", kind.lower(), watch(position(kind)), {"kind": "fix", **HERE_WGS}, {"freshness": ["stored"]})
    put("watch", "ud-nobody-knows", watch(position("HB_5G")), {"kind": "fix", **HERE_WGS})
    # Alarms: each bit, several bits, none; each with the word that answers it.
    bits = {"sos": (16, ALERT("sos")), "low_battery": (17, ALERT("low_battery")), "fence_exit": (18, ALERT("fence_exit")),
            "fence_enter": (19, ENTERED), "removed": (20, ALERT("removed")), "fall": (21, ALERT("fall")),
            "heart_rate": (22, ALERT("heart_rate"))}
    for kind in ("AL", "AL_LTE", "AL_WCDMA", "ALCUSTOMER1", "SENDSOS"):
        put("watch", f"{kind.lower()}-sos", watch(position(kind, status="00010000")),
            {"kind": "alarm", "alarms": ["sos"], **HERE_WGS, "reply": watch("AL")}, {"event": ALERT("sos"), "lane": "alert"})
    for name, (bit, event) in bits.items():
        lane = "telemetry" if event is ENTERED else "alert"
        put("watch", f"al-only-{name}", watch(position("AL", status=f"{1 << bit:08x}")),
            {"kind": "alarm", "alarms": [name], "reply": watch("AL")}, {"event": event, "lane": lane})
        put("watch", f"ud-{name}", watch(position("UD_LTE", status=f"{1 << bit:08X}")),
            {"kind": "alarm", "alarms": [name], **HERE_WGS}, {"event": event, "lane": lane})
    put("watch", "al-all", watch(position("AL", status="007F0000")),
        {"alarms": sorted(bits), "reply": watch("AL")},
        {"event": ALERT("sos"), "also": [ALERT("fall"), ALERT("heart_rate"), ALERT("removed"), ALERT("fence_exit"),
                                        ALERT("low_battery"), ENTERED]})
    put("watch", "al-general", watch(position("AL", status="00000000")), {"alarms": ["general"]}, {"event": ALERT("general")})
    put("watch", "al-stationary", watch(position("AL", status="00000010")), {"alarms": ["general"]}, {"event": ALERT("general")})
    put("watch", "al-unknown-bit", watch(position("AL", status="10000000")), {"alarms": ["general"]}, {"event": ALERT("general")})
    put("watch", "al-low-state", watch(position("AL", status="00000001")), {"alarms": ["low_battery"]})
    put("watch", "al-inside", watch(position("AL", status="00000004")), {"alarms": ["fence_enter"]}, {"event": ENTERED})
    # A model that calls for help when it is unplugged rings all the same.
    put("watch", "al-sos-unplugged", watch(position("AL_LTE", status="00014000")), {"alarms": ["sos"]}, {"event": ALERT("sos"), "lane": "alert"})
    put("watch", "al-outside", watch(position("AL", status="0002")), {"alarms": ["fence_exit"]})
    put("watch", "al-unplugged", watch(position("AL", status="00004000")), {"alarms": ["unplugged"]}, {"event": OTHER("unplugged")})
    put("watch", "al-nothing-else", watch("AL"), {"kind": "alarm", "alarms": ["general"], "reply": watch("AL")},
        {"event": ALERT("general"), "doubts": [FIELD("position"), {"doubt": "no_fix"}], "lane": "alert"}, "an alarm without any field")
    put("watch", "sendsos-nothing-else", watch("SENDSOS"), {"alarms": ["sos"]}, {"event": ALERT("sos")}, "a press without any field")
    put("watch", "al-no-status", watch(position("AL", status="xyz")), {"alarms": ["general"]}, None, "a status word that is none")
    put("watch", "al-indexed", watch(position("AL", status="00010000"), maker="ZJ", seq="0012"),
        {"alarms": ["sos"], "reply": watch("AL", maker="ZJ", seq="0012")})
    put("watch", "sos-nobody-knows", watch("SOSKEY,1"), {"kind": "alarm"}, {"event": ALERT("general"), "lane": "alert"})
    # Words that no vendor's page has, and one that answers a command when it stands alone.
    for word in ("SOSKEY", "SOS", "ALARM", "FALLALARM_LTE", "ALFALL"):
        put("watch", f"{word.lower()}-with-place", watch(position(word)), {"kind": "alarm", "alarms": ["general"], **HERE_WGS}, {"event": ALERT("general"), "lane": "alert"})
        put("watch", f"{word.lower()}-with-place-and-bit", watch(position(word, status="00210000")), {"kind": "alarm", "alarms": ["sos", "fall"]}, {"event": ALERT("sos"), "lane": "alert"})
    put("watch", "sos-alone", watch("SOS"), {"kind": "reply"}, {"lane": "telemetry"})
    for maker in ("SG", "CS", "HW"):
        put("watch", f"maker-{maker.lower()}", watch(position("AL", status="00010000"), maker=maker), {"device_id": W, "alarms": ["sos"], "reply": watch("AL", maker=maker)})
    # Quirks of the numbers.
    v = "V,{},{},{},{},22.0,0,-1,0,75,92,0,0"
    zero = {"kind": "fix", "valid": False}
    put("watch", "v-zero", watch(position("UD", v.format("0.0", "N", "0.0", "E"))), zero,
        {"doubts": [{"doubt": "fix_at_zero"}]}, "0/0 is no place")
    put("watch", "al-v-zero", watch(position("AL_LTE", v.format("00.000000", "N", "000.000000", "E"), "00010000")),
        {"alarms": ["sos"]}, {"event": ALERT("sos"), "doubts": [{"doubt": "fix_at_zero"}]}, "an SOS without a place")
    put("watch", "v-old", watch(position("UD", v.format("28.256100", "N", "112.985400", "E"))),
        {"lat": 28.2561, "lon": 112.9854, "valid": False}, {"freshness": ["last_known"], "doubts": [{"doubt": "fix_old"}]})
    put("watch", "blanks", watch(position("UD", "A, 28.256100,N, 112.985400,E, 0.40, 91.5, 52.0, 9,88, 76,1204,3")),
        {"kind": "fix", **HERE_WGS}, None, "blanks in front of numbers")
    put("watch", "no-letters", watch(position("UD", "A,28.256100,,112.985400,,0.40,91.5,52.0,,88,76,1204,3")),
        {"lat": 28.2561, "lon": 112.9854}, None, "no letters of a hemisphere, no satellites")
    put("watch", "minus-east", watch(position("UD", "A,-33.448900,N,-70.669300,E,0,0,0,5,88,76,0,0")),
        {"lat": -33.4489, "lon": -70.6693}, None, "a negative number with N and E")
    put("watch", "minus-west", watch(position("UD", "A,-33.448900,S,-70.669300,W,0,0,0,5,88,76,0,0")),
        {"lat": -33.4489, "lon": -70.6693}, None, "a negative number with S and W")
    put("watch", "plus-west", watch(position("UD", "A,33.448900,S,70.669300,W,0,0,0,5,88,76,0,0")), {"lat": -33.4489, "lon": -70.6693})
    put("watch", "out-of-range", watch(position("AL", "A,128.256100,N,112.985400,E,0,0,0,5,88,76,0,0", "00010000")),
        {"alarms": ["sos"]}, {"event": ALERT("sos"), "doubts": [{"doubt": "fix_out_of_range"}]}, "no place on earth")
    put("watch", "no-clock", watch(position("AL", status="00010000", date="000000,000000")), {"alarms": ["sos"], "lat": 28.2561},
        {"event": ALERT("sos"), "doubts": [FIELD("time")]}, "no date")
    put("watch", "short-status", watch(position("UD", status="0001")), {"kind": "fix", "alarms": []}, None, "four digits of status")
    put("watch", "prefixed-status", watch(position("UD", status="0x00010000")), {"kind": "alarm", "alarms": ["sos"]}, {"event": ALERT("sos")}, "a status word with 0x")
    put("watch", "long-date", watch(position("UD", date="14032026,081530")), {"error": True}, None, "a date of eight digits")
    # Quirks of what the radio hears.
    nets = {"none": ("0,0", 0, 0), "none-accuracy": ("0,0,58.0", 0, 0), "none-zero": ("0,0,0", 0, 0),
            "none-yet-fields": ("0,1,,,,00", 0, 0), "none-yet-more": ("0,1,0,0,,10", 0, 0),
            "none-but-wifi": (f"0,{WIFI},0.0", 0, 2), "only-cells": (CELLS, 2, 0), "empty-signal": ("1,1,460,0,29524,21403,,00", 1, 0),
            "trailing-empty": (f"{CELLS},,10", 2, 0), "hex-cell": ("1,1,460,00,7354,5A3F,120,0", 1, 0),
            "cid-first": ("2,1,460,00,137984,1119,100,1119,137984,7,0", 2, 0), "network-zero": ("1,1,460,01,29524,21403,100,0,5", 1, 0),
            "no-network": ("1,1,FFFF,FFFF,FFFE,3B882A2,132,,00", 0, 0), "network-020": ("1,1,334,020,29524,21403,100,0,5", 1, 0),
            "two-trailing": (f"{CELLS},0,,10", 2, 0), "trailing-zero": (f"{CELLS},0,0.0", 2, 0), "unknown-cell": ("1,1,460,00,65534,2147483647,100,0,0", 1, 0),
            "wifi-short": (f"{CELLS},5,Kaifu-Home,a4:56:02:10:20:30,-52,Half,60:3a", 2, 1),
            "wifi-comma": (f"{CELLS},1,Tea, warm,a4:56:02:10:20:30,-52,9.5", 2, 1),
            "wifi-plain-address": (f"{CELLS},2,Kaifu-Home,a45602102030,-52,123456789012,603A7C445566,-71,9.5", 2, 2),
            "wifi-brackets": (f"{CELLS},1,[LG]-42]5,a4:56:02:10:20:30,-52,9.5", 2, 1),
            "wifi-open": (f"{CELLS},1,[LG-42,a4:56:02:10:20:30,-52,9.5", 2, 1), "nothing": ("", 0, 0)}
    for name, (net, cells, wifi) in nets.items():
        put("watch", f"net-{name}", watch(position("UD", net=net)), {"kind": "fix", "lat": 28.2561, "cells": cells, "wifi": wifi},
            None, "what the radio hears is told oddly")
    # Lengths.
    for name, wrong in (("long", 9), ("short", -7)):
        content = position("AL", status="00010000")
        put("watch", f"len-{name}", watch(content, length=len(content) + wrong), {"alarms": ["sos"], "reply": watch("AL")},
            {"event": ALERT("sos"), "doubts": [LEN_WRONG], "lane": "alert"}, "LEN is wrong")
    put("watch", "len-small-digits", watch("CONFIG,TY:g36,UL:6", small=True), {"kind": "config", "reply": watch("CONFIG,1", small=True)})
    put("watch", "signed", "[d41d8cd98f00b204e9800998ecf8427e" + watch("LK")[1:], {"device_id": W, "kind": "heartbeat"}, None, "signed")
    # The body.
    vitals = {"heart": ("heart,72", [{"vital": "heart_rate", "bpm": 72}], watch("heart")), "pulse": ("PULSE,72", [{"vital": "heart_rate", "bpm": 72}], None),
              "heart-none": ("heart,0", [], watch("heart")),
              "bphrt": ("bphrt,128,82,71,165,1,80,60", [{"vital": "blood_pressure", "systolic": 128, "diastolic": 82}, {"vital": "heart_rate", "bpm": 71}], watch("bphrt")),
              "bphrt-none": ("bphrt,0,0,0,,,,", [], watch("bphrt")),
              "blood": ("BLOOD,128,82", [{"vital": "blood_pressure", "systolic": 128, "diastolic": 82}], None),
              "oxygen": ("oxygen,0,97", [{"vital": "oxygen", "pct": 97}], watch("oxygen,1")),
              "temp": ("TEMP,36.5", [{"vital": "temperature", "celsius": 36.5}], None),
              "btemp2": ("btemp2,1,36.5", [{"vital": "temperature", "celsius": 36.5}], watch("btemp2")),
              "btemp2-error": ("btemp2,1,0", [], watch("btemp2")), "btemp2-too-high": ("btemp2,1,1", [], watch("btemp2")),
              "blood-none": ("BLOOD,0,0", [], None), "heart-large": ("HEART,72", [{"vital": "heart_rate", "bpm": 72}], watch("HEART"))}
    for name, (content, measured, reply) in vitals.items():
        put("watch", name, watch(content), {"kind": "health", **({"reply": reply} if reply else {})}, {"vitals": measured, "lane": "telemetry"})
    # Voice, questions, answers.
    put("watch", "tkq", watch("TKQ"), {"kind": "voice_request", "reply": watch("TKQ")})
    put("watch", "tkq2", watch("TKQ2"), {"kind": "voice_request", "reply": watch("TKQ2")})
    voice = "TK,#!AMR}\x02}\x03}\x04}\x05}\x01"
    put("watch", "tk", watch(voice).encode("latin-1"), {"kind": "voice", "reply": watch("TK,1")})
    put("watch", "tk-result", watch("TK,1"), {"kind": "reply"}, {"event": {"is": "command_answered", "number": None, "word": "TK", "done": True, "text": ""}})
    put("watch", "tk-failed", watch("TK,0"), {"kind": "reply"}, {"event": {"is": "command_answered", "number": None, "word": "TK", "done": False, "text": ""}})
    put("watch", "jxtk", watch("JXTK,0,kaifu_1,1,2,abc}\x04def", maker="ZJ", seq="0039"), {"kind": "voice", "reply": watch("JXTKR,1", maker="ZJ", seq="0039")})
    put("watch", "img", watch("img,5,260314081530,JFIF"), {"kind": "voice"})
    put("watch", "wad", watch(position("WAD,CH")), {"kind": "address_request", **HERE_WGS})
    put("watch", "wg", watch(position("WG")), {"kind": "location_request", **HERE_WGS})
    put("watch", "pp", watch(position("PP,081529")), {"kind": "other", **HERE_WGS})
    put("watch", "lgzone", watch("LGZONE"), {"kind": "other", "reply": watch("LGZONE,8,08:00:00,1970-01-01")})
    for word in ("CR", "FIND", "SOS1", "rcapture", "MONITOR", "RESET", "LSSET", "PHB2"):
        put("watch", f"answer-{word.lower()}", watch(word), {"kind": "reply"},
            {"event": {"is": "command_answered", "number": None, "word": word, "done": None, "text": ""}})
    put("watch", "answer-verno", watch("VERNO,G36_V1.2 2026/01/05"), {"kind": "reply"},
        {"event": {"is": "command_answered", "number": None, "word": "VERNO", "done": None, "text": "G36_V1.2 2026/01/05"}})
    put("watch", "nobody-knows", watch("WEATHER,1"), {"kind": "other", "type": "WEATHER"}, {"event": OTHER("WEATHER")})
    # What comes over the wire together, in pieces, or is none of it.
    put("watch", "stream", "\r\n" + watch("LK,1,2,76") + " ]" + watch(position("UD")) + watch(position("AL", status="00010000")),
        {"device_id": W, "kind": "stream", "frames": 3, "types": ["LK", "UD", "AL"]}, None, "junk between frames")
    put("watch", "stream-broken", watch(position("AL", status="00010000"))[:60] + watch("LK"), {"kind": "stream", "types": ["AL", "LK"]},
        None, "an alarm without its end")
    for name, frame in (("no-bracket", watch("LK")[1:]), ("no-length", f"[3G*{W}]"), ("no-content", f"[3G*{W}*0002*]"),
                        ("garbage", "GET / HTTP/1.1\r\n\r\n"), ("cut-short", watch(position("UD"))[:-40])):
        put("watch", f"error-{name}", frame, {"error": True}, None, "nobody can read it")


# ---------------------------------------------------------------- JT/T 808

J = "13907310001"


def jt(ident, body, number=J, serial=7, version=None, attributes=None, part=None, bad_sum=False, bad_length=0):
    attr = (len(body) + bad_length if attributes is None else attributes) | (0x4000 if version is not None else 0) | (0x2000 if part else 0)
    head = struct.pack(">HH", ident, attr)
    if version is not None:
        head += bytes([version]) + bytes.fromhex(number.zfill(20))
    else:
        head += bytes.fromhex(number.zfill(12)) if isinstance(number, str) else number
    head += struct.pack(">H", serial) + (struct.pack(">HH", *part) if part else b"")
    raw = head + body
    check = 0
    for byte in raw:
        check ^= byte
    raw += bytes([check ^ (0xFF if bad_sum else 0)])
    return b"\x7e" + raw.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def ack(ident, serial=7, own=0, **how):
    return jt(0x8001, struct.pack(">HHB", serial, ident, 0), serial=own, **how).hex()


def place(alarm=0, status=2, lat=28.2561, lon=112.9854, time="260314161530", items=b"", speed=4, course=91, altitude=52):
    return struct.pack(">IIIIhHH", alarm, status, round(lat * 1e6), round(lon * 1e6), altitude, speed, course) + bytes.fromhex(time) + items


def item(ident, value):
    return bytes([ident, len(value)]) + value


JHERE = {"time": "2026-03-14T08:15:30Z", "lat": 28.2561, "lon": 112.9854, "valid": True, "speed_kmh": 0.4, "course": 91}


def jt808():
    full = item(0x01, struct.pack(">I", 1204)) + item(0x30, b"\x1f") + item(0x31, b"\x09")
    put("jt808", "register-2013", jt(0x0100, struct.pack(">HH", 43, 100) + b"KFMED" + b"YDT-P1".ljust(20, b"\0") + b"0000001" + b"\0"),
        {"device_id": J, "kind": "register", "reply": jt(0x8100, b"\0\7\0" + J.encode(), serial=0).hex()})
    put("jt808", "register-2011", jt(0x0100, struct.pack(">HH", 43, 100) + b"KFMED" + b"YDT-P1  " + b"0000001" + b"\0"),
        {"kind": "register", "reply": jt(0x8100, b"\0\7\0" + J.encode(), serial=0).hex()})
    long = "861234567890123"
    put("jt808", "register-2019", jt(0x0100, struct.pack(">HH", 43, 100) + b"KFMED".ljust(11, b"\0") + b"YDT-P1".ljust(30, b"\0") + b"1".ljust(30, b"\0") + b"\0", number=long, version=1),
        {"device_id": long, "kind": "register", "reply": jt(0x8100, b"\0\7\0" + long.encode(), number=long, version=1, serial=0).hex()})
    put("jt808", "auth-2013", jt(0x0102, J.encode()), {"kind": "auth", "reply": ack(0x0102)})
    put("jt808", "auth-2019", jt(0x0102, b"\x0b" + J.encode() + long.encode() + b"V1".ljust(20, b"\0"), number=long, version=1),
        {"kind": "auth", "reply": ack(0x0102, number=long, version=1)})
    put("jt808", "heartbeat", jt(0x0002, b""), {"kind": "heartbeat", "reply": ack(0x0002)})
    put("jt808", "heartbeat-body", jt(0x0002, b"\x5d\x10\x28"), {"kind": "heartbeat", "reply": ack(0x0002)}, None, "a heartbeat with a maker's body")
    put("jt808", "logout", jt(0x0003, b""), {"kind": "offline", "reply": ack(0x0003)}, {"event": {"is": "offline"}})
    put("jt808", "time", jt(0x0109, b""), {"kind": "other", "reply": jt(0x8109, bytes.fromhex("700101080000"), serial=0).hex()})
    # Locations.
    put("jt808", "fix", jt(0x0200, place(items=full)), {"device_id": J, "kind": "fix", "alarms": [], "satellites": 9, "cells": 0, "wifi": 0, **JHERE, "reply": ack(0x0200)},
        {"lane": "telemetry", "freshness": ["live"]})
    put("jt808", "fix-2019", jt(0x0200, place(items=full), number=long, version=1), {"device_id": long, **JHERE, "reply": ack(0x0200, number=long, version=1)})
    put("jt808", "fix-bare", jt(0x0200, place()), {"kind": "fix", **JHERE})
    put("jt808", "fix-escaped", jt(0x0200, place(altitude=0x7D7E, speed=0x7E7D), serial=0x7D7E), {"kind": "fix", "speed_kmh": 3238.1, "reply": ack(0x0200, serial=0x7D7E)})
    put("jt808", "fix-old", jt(0x0200, place(status=0)), {"valid": False, "lat": 28.2561}, {"freshness": ["last_known"]})
    put("jt808", "fix-south-west", jt(0x0200, place(status=2 | 4 | 8, lat=33.4489, lon=70.6693)), {"lat": -33.4489, "lon": -70.6693})
    put("jt808", "fix-zero", jt(0x0200, place(status=0, lat=0, lon=0)), {"kind": "fix", "valid": False}, {"doubts": [{"doubt": "fix_at_zero"}]})
    put("jt808", "fix-out-of-range", jt(0x0200, place(lat=116.3, lon=40.1)), {"kind": "fix", "valid": False}, {"doubts": [{"doubt": "fix_out_of_range"}]}, "latitude and longitude swapped")
    put("jt808", "fix-no-clock", jt(0x0200, place(time="000000000000")), {"kind": "fix", "lat": 28.2561}, {"doubts": [FIELD("time")]}, "no date")
    put("jt808", "asked", jt(0x0201, struct.pack(">H", 41) + place(items=full)), {"kind": "fix", **JHERE, "reply": ack(0x0201)},
        {"event": {"is": "command_answered", "number": 41, "word": "8201", "done": True, "text": ""}})
    # Alarms.
    for name, bit, event in (("sos", 0, ALERT("sos")), ("overspeed", 1, OTHER("overspeed")), ("low_battery", 7, ALERT("low_battery")),
                             ("power_cut", 8, OTHER("power_cut")), ("fence", 20, ALERT("fence_exit")), ("collision", 29, OTHER("collision"))):
        put("jt808", f"alarm-{name}", jt(0x0200, place(1 << bit, items=full)), {"kind": "alarm", "alarms": [name], **JHERE, "reply": ack(0x0200)},
            {"event": event, "lane": "alert" if event["is"] == "alert" else "telemetry"})
    put("jt808", "alarm-fence-in", jt(0x0200, place(1 << 20, items=item(0x12, b"\1\0\0\0\1\0"))), {"alarms": ["fence", "fence_enter"]}, {"event": ENTERED, "also": [], "lane": "telemetry"})
    put("jt808", "alarm-fence-out", jt(0x0200, place(1 << 20, items=item(0x12, b"\1\0\0\0\1\1"))), {"alarms": ["fence", "fence_exit"]}, {"event": ALERT("fence_exit"), "also": [], "lane": "alert"})
    put("jt808", "alarm-several", jt(0x0200, place(1 | 1 << 7 | 1 << 8)), {"alarms": ["sos", "low_battery", "power_cut"]},
        {"event": ALERT("sos"), "also": [ALERT("low_battery"), OTHER("power_cut")], "lane": "alert"})
    put("jt808", "alarm-of-vehicles", jt(0x0200, place(1 << 10 | 1 << 12 | 1 << 17 | 1 << 18)), {"kind": "fix", "alarms": []}, {"lane": "telemetry"})
    put("jt808", "sos-no-place", jt(0x0200, place(1, 0, 0, 0)), {"alarms": ["sos"]}, {"event": ALERT("sos"), "doubts": [{"doubt": "fix_at_zero"}], "lane": "alert"})
    put("jt808", "sos-cut-short", jt(0x0200, place(1)[:20]), {"kind": "alarm", "alarms": ["sos"]}, {"event": ALERT("sos"), "lane": "alert"}, "shorter than a location can be")
    put("jt808", "sos-bad-sum", jt(0x0200, place(1, items=full), bad_sum=True), {"kind": "alarm", "alarms": ["sos"], **JHERE, "reply": ack(0x0200)},
        {"event": ALERT("sos"), "doubts": [DAMAGED("the checksum is wrong")]}, "the checksum is wrong")
    put("jt808", "sos-bad-length", jt(0x0200, place(1, items=full), bad_length=5), {"alarms": ["sos"], **JHERE}, {"doubts": [DAMAGED("the length is wrong")]}, "the length is wrong")
    # Items.
    mac = bytes.fromhex("a45602102030")
    items = {"e4": (item(0xE4, b"\0\x4c"), {"battery_pct": 76}), "d4": (item(0xD4, b"\x4c"), {"battery_pct": 76}), "fe": (item(0xFE, b"\x4c"), {"battery_pct": 76}),
             "e9": (item(0xE9, b"\x4c"), {"battery_pct": 76}), "e1-pct": (item(0xE1, b"\x4c"), {"battery_pct": 76}), "e3": (item(0xE3, b"\0\x4c\1\x7a"), {"battery_pct": 76}),
             "56": (item(0x56, b"\x07\x4c"), {"battery_pct": 76}), "56-level": (item(0x56, b"\x07\0"), {"battery_pct": 70}),
             "ec": (item(0xEC, (mac + b"\xcc") * 3), {"wifi": 3}), "f4": (item(0xF4, mac + b"\xcc"), {"wifi": 1}),
             "f0": (item(0xF0, struct.pack(">HHIIB", 460, 0, 21403, 29524, 40) * 2), {"cells": 2}),
             "e1": (item(0xE1, struct.pack(">HH", 460, 0) + b"\0\x73\x54" + struct.pack(">IB", 21403, 40)), {"cells": 1}),
             "eb-cells": (item(0xEB, struct.pack(">HB", 460, 0) + struct.pack(">HHB", 29524, 21403, 40) * 2), {"cells": 2}),
             "eb-nested": (item(0xEB, b"\0\x0c\0\xb2" + b"\x89" * 10 + b"\0\3\0\xa8\x4c" + b"\0\x0b\0\xd8" + struct.pack(">HBHI", 460, 0, 29524, 21403)), {"battery_pct": 76, "cells": 1}),
             "eb-wifi": (item(0xEB, struct.pack(">HHB", 2 + 1 + 41, 0x00B9, 2) + b"A4:56:02:10:20:30,-52,60:3A:7C:44:55:66,-71"[:41]), {"wifi": 2}),
             "eb-text": (item(0xEB, b"UTC+08:00"), {"cells": 0, "wifi": 0}), "odd": (item(0x64, b"\1\2\3") + item(0x31, b"\x09"), {"satellites": 9}),
             "short": (item(0x31, b"\x09") + b"\xe4\x20\0", {"satellites": 9}), "53": (item(0x53, b"\1" + struct.pack(">HBHHB", 460, 0, 29524, 21403, 40)), {"cells": 0})}
    for name, (value, expect) in items.items():
        put("jt808", f"item-{name}", jt(0x0200, place(items=value)), {"kind": "fix", **JHERE, **expect})
    # Batches.
    one, two = place(items=full), place(1, time="260314161600")
    both = b"".join(struct.pack(">H", len(body)) + body for body in (one, two))
    points = [{"time": "2026-03-14T08:15:30Z", "lat": 28.2561, "valid": True, "alarms": []}, {"time": "2026-03-14T08:16:00Z", "alarms": ["sos"]}]
    put("jt808", "batch", jt(0x0704, b"\0\2\0" + both), {"kind": "batch", "points": points, "reply": ack(0x0704)},
        {"event": ALERT("sos"), "lane": "alert", "freshness": ["live", "live"]})
    put("jt808", "batch-stored", jt(0x0704, b"\0\1\1" + struct.pack(">H", len(one)) + one), {"kind": "batch"}, {"freshness": ["stored"], "lane": "telemetry"})
    put("jt808", "batch-short", jt(0x0704, b"\0\3\1" + both), {"kind": "batch", "points": points}, {"doubts": [FIELD("batch")], "lane": "alert"}, "fewer than it says")
    put("jt808", "batch-inner-length", jt(0x0704, b"\0\1\0\x03\xff" + two), {"kind": "batch", "points": points[1:]}, {"event": ALERT("sos")}, "an inner length beyond the end")
    put("jt808", "short-batch", jt(0x0210, bytes([len(one)]) + one + bytes([len(two)]) + two), {"kind": "batch", "points": points, "reply": ack(0x0210)})
    put("jt808", "short-status", jt(0x0210, b"\x4c" + bytes.fromhex("260314161530")), {"kind": "status", "battery_pct": 76, "time": "2026-03-14T08:15:30Z"})
    # Parts.
    whole = b"\0\2\0" + both
    put("jt808", "parts", jt(0x0704, whole[:40], part=(2, 1), serial=7) + jt(0x0704, whole[40:], part=(2, 2), serial=8),
        {"kind": "stream", "types": ["0704", "0704"], "reply": ack(0x0704, 7, 0) + ack(0x0704, 8, 1)}, {"last_event": ALERT("sos")}, "a message in two parts")
    put("jt808", "media", jt(0x0801, struct.pack(">IBBBB", 9, 0, 0, 1, 1) + place() + b"JFIF"), {"kind": "other", "lat": 28.2561, "reply": jt(0x8800, b"\0\0\0\x09\0", serial=0).hex()})
    # Answers.
    put("jt808", "ack", jt(0x0001, struct.pack(">HHB", 41, 0x8300, 0)), {"kind": "ack"}, {"event": {"is": "command_answered", "number": 41, "word": "8300", "done": True, "text": ""}})
    put("jt808", "ack-refused", jt(0x0001, struct.pack(">HHB", 41, 0x8600, 3)), {"kind": "ack"}, {"event": {"is": "command_answered", "number": 41, "word": "8600", "done": False, "text": "not supported"}})
    put("jt808", "ack-damaged", jt(0x0001, struct.pack(">HHB", 41, 0x8300, 0), bad_sum=True), {"kind": "ack"}, {"event": None}, "the checksum is wrong")
    put("jt808", "text", jt(0x6006, b"\1" + "好的".encode("gbk")), {"kind": "reply"}, {"event": {"is": "command_answered", "number": None, "word": "8300", "done": None, "text": "好的"}})
    put("jt808", "attributes", jt(0x0107, b"\0\1KFMED"), {"kind": "attributes", "reply": ack(0x0107)})
    put("jt808", "transparent", jt(0x0900, b"\xf0ABC"), {"kind": "transparent", "reply": ack(0x0900)})
    put("jt808", "nobody-knows", jt(0x0F01, b"\1"), {"kind": "other", "type": "0f01", "reply": ack(0x0F01)})
    put("jt808", "binary-number", jt(0x0002, b"", number=bytes.fromhex("4e4d5f6a7b8c")), {"device_id": binary_identity("4e4d5f6a7b8c"), "kind": "heartbeat"})
    put("jt808", "maker", jt(0x5501, b"\x1a\0\0\0\1", number="856009001017", attributes=0x8C41), {"device_id": "856009001017", "kind": "vendor"}, None, "a lock's own header")
    put("jt808", "maker-text", b"(856009001017,1,001,BASE,2,TIME)", {"kind": "vendor_text"}, None, "plain text")
    put("jt808", "other-mark", b"\xe7" + jt(0x0002, b"")[1:-1] + b"\xe7", {"device_id": J, "kind": "heartbeat"}, None, "another mark")
    put("jt808", "encrypted", jt(0x0200, bytes(range(0x83, 0x83 + 64)), attributes=0x0400 | 64), {"error": True}, None, "encrypted")
    put("jt808", "encrypted-by-mistake", jt(0x0200, place(1), attributes=0x0400 | 28), {"kind": "alarm", "alarms": ["sos"], **JHERE, "reply": ack(0x0200)},
        {"event": ALERT("sos"), "lane": "alert"}, "calls itself encrypted, and is not")
    put("jt808", "encrypted-heartbeat", jt(0x0002, b"", attributes=0x0400), {"kind": "heartbeat", "reply": ack(0x0002)}, None, "calls itself encrypted, and is not")
    for name, bits in (("2019", 0x4000), ("parts", 0x2000), ("both", 0x6000)):
        put("jt808", f"header-not-{name}", jt(0x0200, place(1), attributes=bits | 28), {"device_id": J, "kind": "alarm", "alarms": ["sos"], **JHERE, "reply": ack(0x0200)},
            {"event": ALERT("sos"), "doubts": [], "lane": "alert"}, "bits that it does not mean")
    put("jt808", "header-yet-2019", jt(0x0200, place(1), number="01" + long.zfill(20), attributes=28),
        {"device_id": long, "kind": "alarm", "alarms": ["sos"], **JHERE, "reply": ack(0x0200, number=long, version=1)},
        {"event": ALERT("sos"), "doubts": [], "lane": "alert"}, "a header of 2019 that does not say so")
    put("jt808", "time-of-a-maker", jt(0x008A, b""), {"kind": "other", "reply": jt(0x8109, bytes.fromhex("700101080000"), serial=0).hex()})
    # Framing.
    frame, next_one = jt(0x0002, b""), jt(0x0200, place(1), serial=8)
    put("jt808", "stream-one-mark", frame + next_one[1:], {"kind": "stream", "types": ["0002", "0200"]}, None, "one mark between two frames")
    put("jt808", "stream-marks", b"\x7e\x7e" + frame + b"\x7e" + next_one, {"kind": "stream", "types": ["0002", "0200"]}, None, "empty frames")
    put("jt808", "stream-text", frame + b"(1,2)" + next_one, {"kind": "stream", "types": ["0002", "(1,2)", "0200"]}, None, "text between frames")
    put("jt808", "error-header", bytes.fromhex("7e000200000139077e"), {"error": True}, None, "the header is not complete")
    put("jt808", "error-short", jt(0x0200, place()[:20]), {"error": True}, None, "shorter than a location can be")
    put("jt808", "error-garbage", b"GET / HTTP/1.1\r\n\r\n", {"error": True}, None, "nobody can read it")


def binary_identity(number):
    value = str(int(number, 16))
    total = 0
    for at, digit in enumerate(reversed(value)):
        digit = int(digit) * (2 if at % 2 == 0 else 1)
        total += digit // 10 + digit % 10
    return value + str((10 - total % 10) % 10)


# ---------------------------------------------------------------- GT06

G = "861234567890123"


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
    return value ^ 0xFFFF


def gt(proto, body, serial=9, long=False, bad_sum=False, length=None):
    size = len(body) + 5 if length is None else length
    head = struct.pack(">H", size) if long else bytes([size])
    summed = head + bytes([proto]) + body + struct.pack(">H", serial)
    return (b"\x79\x79" if long else b"\x78\x78") + summed + struct.pack(">H", crc(summed) ^ (0xFFFF if bad_sum else 0)) + b"\r\n"


def got(proto, serial=9):
    return gt(proto, b"", serial).hex()


CLOCK = bytes([26, 3, 14, 8, 15, 30])


def spot(lat=28.2561, lon=112.9854, flags=0x1400, course=91, speed=4, satellites=9, clock=CLOCK):
    return clock + bytes([0xC0 | satellites]) + struct.pack(">II", round(lat * 1800000), round(lon * 1800000)) + bytes([speed]) + struct.pack(">H", flags | course)


CELL = struct.pack(">HBH", 460, 0, 29524) + b"\0\x53\x9b"
WIDE = struct.pack(">HBIQ", 460, 0, 29524, 21403)
GHERE = {"time": "2026-03-14T08:15:30Z", "lat": 28.2561, "lon": 112.9854, "valid": True, "speed_kmh": 4, "course": 91, "satellites": 9}


def gt06():
    imei = bytes.fromhex("0" + G)
    put("gt06", "login", gt(0x01, imei), {"device_id": G, "kind": "register", "reply": got(0x01)})
    put("gt06", "login-zone", gt(0x01, imei + b"\x10\x0b\x32\x01"), {"device_id": G, "kind": "register", "reply": got(0x01)})
    put("gt06", "login-bad-sum", gt(0x01, imei, bad_sum=True), {"device_id": G, "kind": "register", "reply": got(0x01)}, {"doubts": [DAMAGED("the checksum is wrong")]}, "the checksum is wrong")
    put("gt06", "login-clone", b"\x78\x78\x0d\x01" + imei + b"\x34\r\n", {"device_id": G, "kind": "register"}, None, "a clone without number and checksum")
    put("gt06", "heartbeat", gt(0x13, b"\x44\x06\x04\0\2"), {"kind": "heartbeat", "alarms": [], "reply": got(0x13)}, {"lane": "telemetry"})
    put("gt06", "heartbeat-long-voltage", gt(0x13, b"\x46\x0b\x12\4\0"), {"kind": "heartbeat", "alarms": [], "reply": got(0x13)}, None, "a voltage of two bytes")
    put("gt06", "heartbeat-maker", gt(0x13, b"\x02\x80\x19\0\0\x2e\x42\1\x6f\0\0\0\0\x3a"), {"kind": "heartbeat", "alarms": []}, None, "more than usual")
    put("gt06", "heartbeat-length", gt(0x13, b"\x46\x06\x02\0\2", length=8), {"kind": "heartbeat", "reply": got(0x13)}, {"doubts": [DAMAGED("the length is wrong")]}, "the length is wrong")
    put("gt06", "heartbeat-sos", gt(0x13, b"\x64\x06\x04\0\2"), {"kind": "alarm", "alarms": ["sos"], "reply": got(0x13)}, {"event": ALERT("sos"), "lane": "alert"})
    put("gt06", "heartbeat-fence", gt(0x13, b"\x06\x04\xea\x05\0"), {"kind": "alarm", "alarms": ["fence_exit"]}, {"event": ALERT("fence_exit")})
    put("gt06", "heartbeat-23", gt(0x23, b"\xc0\x01\x22\x04\0\1"), {"kind": "heartbeat", "reply": got(0x23)})
    # Positions.
    for proto in (0x10, 0x11):
        put("gt06", f"fix-{proto:02x}", gt(proto, spot()), {"kind": "fix", **GHERE, "alarms": [], "reply": got(proto)}, {"lane": "telemetry", "freshness": ["live"]})
    for proto in (0x12, 0x22, 0x2D, 0x31, 0x37, 0x38):
        put("gt06", f"fix-{proto:02x}", gt(proto, spot() + CELL), {"kind": "fix", **GHERE, "cells": 1, "reply": got(proto)})
    put("gt06", "fix-more", gt(0x22, spot() + CELL + b"\0\1\0\0\0\x04\xb4"), {"kind": "fix", **GHERE, "cells": 1})
    put("gt06", "fix-a0", gt(0xA0, spot() + WIDE + b"\0\1\0"), {"kind": "fix", **GHERE, "cells": 1, "reply": got(0xA0)})
    put("gt06", "fix-long-network", gt(0x22, spot() + struct.pack(">HHH", 460 | 0x8000, 11, 29524) + b"\0\x53\x9b"), {"kind": "fix", "cells": 1})
    put("gt06", "fix-south-west", gt(0x12, spot(33.4489, 70.6693, 0x1800) + CELL), {"lat": -33.4489, "lon": -70.6693})
    put("gt06", "fix-old", gt(0x12, spot(flags=0x0400) + CELL), {"valid": False, "lat": 28.2561}, {"freshness": ["last_known"]})
    put("gt06", "fix-zero", gt(0x12, spot(0, 0, 0) + CELL), {"kind": "fix", "valid": False}, {"doubts": [{"doubt": "fix_at_zero"}]})
    put("gt06", "fix-no-clock", gt(0x12, spot(clock=b"\0\0\0\0\0\0") + CELL), {"kind": "fix", "lat": 28.2561}, {"doubts": [FIELD("time")]}, "no date")
    put("gt06", "fix-clone", b"\x78\x78\x12\x10" + spot(flags=0x1400) + b"\r\n", {"kind": "fix", "lat": 28.2561}, None, "a clone without number and checksum")
    put("gt06", "fix-short", gt(0x12, spot()[:10]), {"error": True}, None, "too short")
    # Alarms.
    codes = [(0x01, "sos", ALERT("sos")), (0x02, "power_cut", OTHER("power_cut")), (0x03, "vibration", OTHER("vibration")), (0x04, "fence_enter", ENTERED),
             (0x05, "fence_exit", ALERT("fence_exit")), (0x06, "overspeed", OTHER("overspeed")), (0x09, "tow", OTHER("tow")), (0x0E, "low_power", OTHER("low_power")),
             (0x0F, "low_power", OTHER("low_power")), (0x10, "sim", OTHER("sim")), (0x11, "power_off", OTHER("power_off")), (0x0C, "power_on", OTHER("power_on")),
             (0x14, "door", OTHER("door")), (0x17, "fake_cell", OTHER("fake_cell")), (0x18, "tamper", ALERT("removed")), (0x20, "sleep", OTHER("sleep")),
             (0x29, "harsh", OTHER("harsh")), (0x2A, "harsh", OTHER("harsh")), (0x2B, "harsh", OTHER("harsh")), (0x30, "harsh", OTHER("harsh")),
             (0xFE, "ignition", OTHER("ignition")), (0xFF, "ignition", OTHER("ignition")), (0x13, "tamper", ALERT("removed")), (0x15, "low_battery", ALERT("low_battery")), (0x19, "low_battery", ALERT("low_battery")),
             (0x23, "fall", ALERT("fall")), (0x2C, "collision", OTHER("collision")), (0x77, "general", ALERT("general"))]
    for code, name, event in codes:
        put("gt06", f"alarm-{code:02x}", gt(0x26, spot() + b"\x09" + CELL + bytes([0x40, 4, 4, code, 2])),
            {"kind": "alarm", "alarms": [name], **GHERE, "cells": 1, "reply": got(0x26)}, {"event": event, "lane": "alert" if event["is"] == "alert" else "telemetry"})
    for state, name in ((1, "vibration"), (2, "power_cut"), (3, "low_battery"), (4, "sos")):
        put("gt06", f"alarm-state-{state}", gt(0x16, spot() + b"\x09" + CELL + bytes([0x40 | state << 3, 4, 4, 0, 2])), {"kind": "alarm", "alarms": [name], "reply": got(0x16)})
    for state in (5, 6, 7):
        put("gt06", f"alarm-state-{state}", gt(0x16, spot() + b"\x09" + CELL + bytes([0x40 | state << 3, 4, 4, 1, 2])), {"kind": "alarm", "alarms": ["sos"]})
    for code in (0x0A, 0x0B):
        put("gt06", f"alarm-{code:02x}", gt(0x26, spot() + b"\x09" + CELL + bytes([0x40, 4, 4, code, 2])), {"kind": "alarm", "alarms": [], "reply": got(0x26)}, {"lane": "telemetry"})
    put("gt06", "alarm-both", gt(0x16, spot() + b"\x09" + CELL + bytes([0x60, 4, 4, 0x19, 2])), {"alarms": ["sos", "low_battery"]}, {"event": ALERT("sos"), "also": [ALERT("low_battery")]})
    put("gt06", "alarm-none", gt(0x16, spot() + b"\x09" + CELL + bytes([0x40, 4, 4, 0, 2])), {"kind": "alarm", "alarms": [], "reply": got(0x16)}, {"lane": "telemetry"})
    layouts = {"no-length": CELL, "long-cell": b"\x09" + struct.pack(">HBHI", 460, 0, 29524, 21403), "long-network": b"\x0a" + struct.pack(">HHH", 460 | 0x8000, 11, 29524) + b"\0\x53\x9b"}
    for name, cell in layouts.items():
        put("gt06", f"alarm-{name}", gt(0x16, spot() + cell + b"\x40\x4c\4\1\2"), {"kind": "alarm", "alarms": ["sos"], **GHERE, "cells": 1})
    put("gt06", "alarm-27", gt(0x27, spot() + b"\x09" + CELL + b"\x40\4\4\5\2\3"), {"alarms": ["fence_exit"], "reply": got(0x27)})
    put("gt06", "alarm-tail", gt(0x16, spot() + b"\x09" + CELL + b"\x40\4\4\1\2" + b"\0" * 8), {"alarms": ["sos"], **GHERE}, None, "more than usual")
    put("gt06", "alarm-no-tail", gt(0x16, spot() + b"\1\2"), {"kind": "alarm", "alarms": ["general"], **GHERE}, {"event": ALERT("general"), "doubts": [FIELD("alarm")]}, "an alarm that does not say which")
    put("gt06", "alarm-no-place", gt(0x26, b"\1\2"), {"kind": "alarm", "alarms": ["general"]}, {"event": ALERT("general"), "lane": "alert"}, "too short")
    put("gt06", "alarm-bad-sum", gt(0x26, spot() + b"\x09" + CELL + b"\x40\4\4\1\2", bad_sum=True), {"alarms": ["sos"], **GHERE, "reply": got(0x26)},
        {"event": ALERT("sos"), "doubts": [DAMAGED("the checksum is wrong")]}, "the checksum is wrong")
    put("gt06", "cell-alarm-19", gt(0x19, CELL + b"\0\4\4\x19\0"), {"kind": "alarm", "alarms": ["low_battery"], "cells": 1, "reply": got(0x19)})
    put("gt06", "alarm-a4", gt(0xA4, spot() + WIDE + b"\x40\5\4\1\2\xff"), {"alarms": ["sos"], **GHERE, "cells": 1, "reply": got(0xA4)})
    put("gt06", "cell-alarm-a5", gt(0xA5, WIDE + b"\2\5\4\1\0"), {"alarms": ["sos"], "cells": 1, "reply": got(0xA5)})
    put("gt06", "alarm-95", gt(0x95, CLOCK + b"\1"), {"kind": "alarm", "alarms": ["general"], "time": "2026-03-14T08:15:30Z", "reply": got(0x95)})
    # What is heard.
    seven = struct.pack(">HB", 460, 0) + (struct.pack(">H", 29524) + b"\0\x53\x9b\x28") * 3 + b"\0" * 24
    mac = bytes.fromhex("a45602102030")
    for proto in (0x18, 0x24, 0x28, 0x2E):
        put("gt06", f"cells-{proto:02x}", gt(proto, CLOCK + seven + b"\xff\0\2"), {"kind": "lbs", "cells": 3, "wifi": 0, "time": "2026-03-14T08:15:30Z", "reply": got(proto)})
    put("gt06", "cells-2c", gt(0x2C, CLOCK + seven + b"\7\2" + (mac + b"\x38") * 2), {"kind": "lbs", "cells": 3, "wifi": 2, "reply": got(0x2C)})
    for proto in (0xA1, 0xA2):
        put("gt06", f"cells-{proto:02x}", gt(proto, CLOCK + struct.pack(">HB", 460, 0) + struct.pack(">IQB", 29524, 21403, 40) * 7 + b"\xff\1" + mac + b"\x38"), {"kind": "lbs", "cells": 7, "wifi": 1, "reply": got(proto)})
    decimals = bytes.fromhex("260314081530")
    for proto in (0x17, 0x69):
        body = decimals + (mac + b"\x38") * 2 + b"\2" + struct.pack(">HB", 460, 0) + struct.pack(">HHB", 29524, 21403, 80) * 2
        put("gt06", f"clone-{proto:02x}", b"\x78\x78\2" + bytes([proto]) + body + b"\r\n", {"kind": "wifi", "wifi": 2, "cells": 2, "time": "2026-03-14T08:15:30Z", "reply": f"787800{proto:02x}2603140815300d0a"}, None, "a clone without number and checksum")
        put("gt06", f"clone-none-{proto:02x}", b"\x78\x78\0" + bytes([proto]) + decimals + b"\1" + struct.pack(">HBHHB", 460, 0, 29524, 21403, 80) + b"\r\n", {"kind": "wifi", "wifi": 0, "cells": 1}, None, "a clone that hears no access point")
    # Answers and questions.
    put("gt06", "answer", gt(0x15, b"\x06\0\0\0\x29OK\0\1"), {"kind": "reply", "reply": got(0x15)}, {"event": {"is": "command_answered", "number": 41, "word": "80", "done": None, "text": "OK"}})
    put("gt06", "answer-long", gt(0x21, b"\0\0\0\x29\1Lat:N28.25,Lon:E112.98", long=True), {"kind": "reply"}, {"event": {"is": "command_answered", "number": 41, "word": "80", "done": None, "text": "Lat:N28.25,Lon:E112.98"}})
    put("gt06", "answer-letters", gt(0x21, b"\0\0\0\0\2" + "好的".encode("utf-16-be"), long=True), {"kind": "reply"}, {"event": {"is": "command_answered", "number": None, "word": "80", "done": None, "text": "好的"}})
    put("gt06", "answer-damaged", gt(0x15, b"\x06\0\0\0\x29OK\0\1", bad_sum=True), {"kind": "reply"}, {"event": None}, "the checksum is wrong")
    put("gt06", "time", gt(0x8A, b""), {"kind": "other", "reply": gt(0x8A, bytes([70, 1, 1, 0, 0, 0])).hex()})
    put("gt06", "address", gt(0x2A, spot() + b"13907310001".ljust(21, b"\0") + b"\0\1"), {"kind": "address_request", **GHERE})
    put("gt06", "info", gt(0x94, b"\0\4\xb4", long=True), {"kind": "info", "reply": got(0x94)})
    put("gt06", "info-identity", gt(0x94, b"\x0a" + imei + bytes.fromhex("0460001234567890") + b"\x89\x86" * 5, long=True), {"device_id": G, "kind": "info"})
    put("gt06", "nobody-knows", gt(0x61, b"\1\2\3"), {"kind": "other", "type": "61", "reply": got(0x61)})
    # Framing.
    put("gt06", "stop-inside", gt(0x12, spot(clock=bytes([26, 3, 13, 10, 13, 10])) + CELL), {"kind": "fix", "time": "2026-03-13T10:13:10Z"})
    put("gt06", "stream", gt(0x01, imei, 1) + gt(0x13, b"\x44\6\4\0\2", 2) + gt(0x26, spot() + b"\x09" + CELL + b"\x40\4\4\1\2", 3), {"device_id": G, "kind": "stream", "types": ["01", "13", "26"]}, {"last_event": ALERT("sos")}, "three frames together")
    put("gt06", "stream-noise", b"\0\x78\x11" + gt(0x01, imei, 1) + b"\x78\x78\x78\xff" + gt(0x26, spot() + b"\x09" + CELL + b"\x40\4\4\1\2", 3), {"kind": "stream", "types": ["01", "26"]}, {"last_event": ALERT("sos")}, "noise between frames")
    put("gt06", "error-short", bytes.fromhex("787801080d0a"), {"error": True}, None, "shorter than a frame can be")
    put("gt06", "error-no-stop", gt(0x01, imei)[:-1], {"error": True}, None, "not complete")
    put("gt06", "error-garbage", b"GET / HTTP/1.1\r\n\r\n", {"error": True}, None, "nobody can read it")


watches()
jt808()
gt06()
for protocol in ("watch", "jt808", "gt06"):
    write(protocol)
