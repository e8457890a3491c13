#!/usr/bin/env python3
"""Composes the project's own frames of eview, owntracks, mapped and scaip: invented terminals in Kaifu, Changsha.

    gateway/frames/compose_more.py        writes eview.jsonl, owntracks.jsonl, mapped.jsonl and scaip.jsonl beside itself

What a frame means is written here by hand, not taken from a codec. A line has id, protocol, frame, encoding, topic and key
as in files of captured frames, `expect` (what `yidiantong decode` says of it; only what is named is compared, or
{"error": true}) and `reply` (to the byte).
"""
import json, os, struct

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
# What OwnTracks encrypts, made with libsodium: the message, the secret and the number of the nonce stand where it is used.
SEALED = {
    7: "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHw8sLOzsQUClxy/cmSXvJznZGSMqG/QaLQh95prb93h0j9VuIsJslY+3U+h/n2yY3hhmvWzFiugvF/icF7TaLJ82Fu1bOxisd4xQFrdmos2HZabwU6ib5h0Cws6FCMUd9snYhQiffW3Quxkfxj/QNSw==",
    8: "CAgICAgICAgICAgICAgICAgICAgICAgIyVxVTj1OpA5YE66avRT6k8xyKxM0j717EpNPtOk2LR75CXZ6NKbtZgnjHz5M90Vi66N/NlihPvnR7JgfUMNCGZ4PExMjULwTNCRYc4wKkRaUGzPIIdjklUiKaNEZDSNE9xmL9QUPnRDAYCERA9bxKC1hRBZVwC7+OFbmFMIgPkLDbtmCx6rv0qXNdk7Jiq0EfmhpZDPKbf5rhrTXWyqasLazYt3MxrUoY+7e1KsEVqmmrBY4ckCpOQ==",
    9: "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJFf73swfWPXRk+RxtBICB0E0EdBwRg7tjK8aqfa96nErFjKy0mgXDCHZbk0fcRkRJDRUKTsgnvAdFJR9+PLkhO6lLwhBGKrOin2xFF9bg/I0pRDfsV/O373s=",
    10: "CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKxfiB3QkKdzMQwhSjN2/Zc3Rv2bPNUdwaT+dyTSem/aOrNCAM0CaZZG+XrNRyElQlV8cnHtI45f0rrGEvMF+MCG4q6jRwHcwSxcMS+SUyohG+9TsS0Je3844=",
    11: "CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLMdX3oXKylRiF6EgUyg1dtXTacqaQvC4r8bdEyzD9AibvH5/YXnTqCxaRyfqQGTwts0XvzZ26",
}
def crc(b):
    c=0
    for x in b:
        c^=x<<8
        for _ in range(8): c=((c<<1)^0x1021)&0xffff if c&0x8000 else (c<<1)&0xffff
    return c
IMEI='861000000000017'
T=1767254400 # 2026-01-01T08:00:00Z
def key(k,v): return bytes([len(v)+1,k])+v
def frame(seq,body,flags=0x10,bad_crc=False,add=0):
    return bytes([0xab,flags])+struct.pack('<HHH',len(body)+add,crc(body)^(1 if bad_crc else 0),seq)+body
def data(seq,*keys,**kw): return frame(seq,b'\x01'+key(1,IMEI.encode())+b''.join(keys),**kw)
def ack(seq): return frame(seq,b'\x7f\x01\x00',flags=0).hex()
def gen(t=T,batt=64,bits=0): return key(0x24,struct.pack('<II',t,bits|batt<<24))
def alarm(bits,t=T): return key(2,struct.pack('<II',bits,t))
LAT,LON=28.2282,112.9388
def place(lat=LAT,lon=LON): return struct.pack('<ii',round(lat*1e7),round(lon*1e7))
def gnss(lat=LAT,lon=LON,speed=4,course=90,alt=44,hdop=12,sat=9): return key(0x20,place(lat,lon)+struct.pack('<HHhHIB',speed,course,alt,hdop,1234,sat))
def mac(s): return bytes.fromhex(s)
ev=[]
def e(frame,expect,reply=None,note=None):
    o={"id":"eview-own-%03d"%(len(ev)+1),"protocol":"eview","frame":frame.hex() if isinstance(frame,bytes) else frame,"encoding":"hex","expect":expect}
    if reply: o["reply"]=reply
    if note: o["note"]=note
    ev.append(o)
POS={"time":"2026-01-01T08:00:00Z","lat":LAT,"lon":LON,"valid":True,"speed_kmh":4,"course":90}
D={"device_id":IMEI}
e(data(1,gen(),alarm(1<<12),gnss()),{**D,**POS,"kind":"alarm","alarms":["sos"],"battery_pct":64,"satellites":9},ack(1),"SOS with a fix")
e(data(2,gen(),alarm(1<<12)),{**D,"kind":"alarm","alarms":["sos"],"valid":False},ack(2),"SOS without a place")
e(data(3,gen(),alarm(1<<2|1<<0),gnss()),{**D,**POS,"kind":"alarm","alarms":["fall","low_battery"]},ack(3),"two alarms at once")
e(data(4,gen(),alarm(1<<4),gnss()),{**D,**POS,"kind":"alarm","alarms":["fence_exit"]},ack(4))
e(data(5,gen(),alarm(1<<5|1<<27),gnss()),{**D,**POS,"kind":"alarm","alarms":["fence_enter"]},ack(5),"bit 27 says that fence 2 was entered")
e(data(6,gen(),alarm(1<<31)),{**D,"kind":"fix","alarms":[],"time":"2026-01-01T08:00:00Z"},ack(6),"bit 31 alone is no alarm")
e(data(7,gen(),alarm(1<<8)),{**D,"kind":"alarm","alarms":["power_off"]},ack(7))
e(data(8,gen(),alarm(1<<13),gnss()),{**D,"kind":"alarm","alarms":["general"]},ack(8),"a side key: somebody has to look")
e(data(9,gen(),gnss(hdop=0)),{**D,"kind":"fix","valid":False,"lat":LAT,"lon":LON},ack(9),"no dilution of precision: the last known place")
e(data(10,gen(),gnss(lat=0,lon=0,hdop=0)),{**D,"kind":"fix","valid":False,"alarms":[]},ack(10),"0/0 is no place")
e(data(11,gen(),key(0x21,struct.pack('<HB',460,0)+b''.join(struct.pack('<bHH',-70-i,0x1a2b,0x3c40+i) for i in range(3))),key(0x22,b''.join(bytes([0xca-i])+mac('d076e7000014') for i in range(2)))),{**D,"kind":"fix","valid":False,"cells":3,"wifi":2},ack(11))
e(data(12,gen(),key(0x29,struct.pack('<HB',460,0)+struct.pack('<bHI',-70,0x1a2b,0x0f00ff))),{**D,"kind":"fix","cells":1,"wifi":0},ack(12),"an LTE cell has a long identity")
e(data(13,gen(),key(0x2b,struct.pack('<HH',460,1)+struct.pack('<bHI',-70,0x1a2b,0x0f00ff))),{**D,"kind":"fix","cells":1},ack(13))
e(data(14,gen(),key(0x19,bytes([0xca])+mac('d076e7000014')+b'\x06'+'客厅'.encode()+bytes([0xb0])+mac('0ccf89000096')+b'\x00')),{**D,"kind":"fix","wifi":2},ack(14),"names of access points, one of them empty")
e(data(15,gen(),key(0x23,mac('14539bc60102')+place()+b'Kaifu')),{**D,"kind":"fix","lat":LAT,"lon":LON,"valid":True},ack(15),"the beacon at home")
e(data(16,gen(),key(0x28,b'\xc0'+mac('14539bc60102')+b'\xc0\xb5'+place()+b'door')),{**D,"kind":"fix","lat":LAT,"lon":LON,"valid":True},ack(16))
e(data(17,gen(),key(0x28,b'\x40'+mac('14539bc60102')+b'\xc0\xb5door')),{**D,"kind":"fix","valid":False},ack(17),"a beacon without a place")
e(data(18,gen(),key(0x2c,b'\xc0'+mac('14539bc60102')+b'\xd1\xc3\x64'+place()+b'\x04door\x00\x00')),{**D,"kind":"fix","lat":LAT,"lon":LON,"valid":True},ack(18))
e(data(19,gen(),key(0x2a,b'\x80'+mac('d076e7000014')+b'\xc0'+place())),{**D,"kind":"fix","lat":LAT,"lon":LON,"valid":True},ack(19),"an access point with a place")
e(data(20,gen(),key(0x27,place()+struct.pack('<H',650))),{**D,"kind":"fix","lat":LAT,"lon":LON,"accuracy_m":650},ack(20),"a place of the network's")
e(data(21,key(0x30,struct.pack('<II',T,1618)),gen()),{**D,"kind":"fix","steps":1618},ack(21))
e(data(22,key(0x40,struct.pack('<IB',T,71)),key(0x41,struct.pack('<IB',T,97))),{**D,"kind":"status","valid":False,"alarms":[]},ack(22))
e(data(23,gen(T-600,66,1<<7),gnss(lat=28.2290),gen(T-300,65,1<<7),gnss(lat=28.2286),gen(),gnss()),{**D,"kind":"fix","points":[{"time":"2026-01-01T07:50:00Z","lat":28.2290,"lon":LON,"valid":True,"alarms":[]},{"time":"2026-01-01T07:55:00Z","lat":28.2286,"lon":LON,"valid":True,"alarms":[]},{"time":"2026-01-01T08:00:00Z","lat":LAT,"lon":LON,"valid":True,"alarms":[]}]},ack(23),"a key that comes again begins a new point")
e(data(24,gen(),alarm(1<<12),gnss(),bad_crc=True),{**D,**POS,"kind":"alarm","alarms":["sos"]},ack(24),"a damaged SOS is an SOS")
e(frame(25,b'\x03'+key(1,IMEI.encode())+key(0x12,b'')),{**D,"kind":"status"},frame(25,b'\x03'+key(0x12,struct.pack('<I',0)),flags=0).hex(),"it asks for the time")
e(frame(26,b'\x7f\x01\x00',flags=0),{"kind":"ack"},None,"an acknowledgement is not acknowledged")
e(frame(27,b'\x02'+key(3,IMEI.encode())+key(0x14,b'\x40\xa0\x0f'),flags=0),{**D,"kind":"config"})
e(frame(28,b'\x7e\x01\x00'),{"kind":"other"},ack(28))
e(b'\x00\xff\xab'+data(29,gen(),gnss()),{**D,**POS,"kind":"fix"},ack(29),"noise before a frame, with a false beginning in it")
e(data(30,gen(),gnss())+data(31,gen(),alarm(1<<12)),{**D,"kind":"stream"},ack(30)+ack(31))
e(data(32,gen(),key(0x77,b'\x01\x02\x03'),gnss()),{**D,**POS,"kind":"fix"},ack(32),"a key that nobody knows")
e(data(33,gen(),alarm(1<<12))[:-3],{"error":True},None,"broken off")
e(bytes.fromhex('ab10ffff00000000'),{"error":True})
e(data(34,gen(),alarm(1<<12),add=40)+data(35,gen(),gnss()),{"kind":"stream","device_id":IMEI},ack(34)+ack(35),"a length that is too long costs nothing when the keys are whole")
open(OUT+'eview.jsonl','w').write(''.join(json.dumps(o,ensure_ascii=False)+'\n' for o in ev))

ot=[]
def o(msg,expect,topic="owntracks/chen/phone",key=None,note=None):
    x={"id":"owntracks-own-%03d"%(len(ot)+101),"protocol":"owntracks","frame":msg if isinstance(msg,str) else json.dumps(msg,ensure_ascii=False,separators=(',',':')),"encoding":"json","expect":expect}
    if topic: x["topic"]=topic
    if key: x["key"]=key
    if note: x["note"]=note
    ot.append(x)
W={"device_id":"chen/phone"}
L={"_type":"location","lat":LAT,"lon":LON,"tst":T}
F={**W,"kind":"fix","time":"2026-01-01T08:00:00Z","lat":LAT,"lon":LON,"valid":True,"alarms":[]}
for t in ['p','c','C','b','r','u','t','v','m','f','k','a','i']: o({**L,"t":t},F)
o({**L,"t":"9"},{**F,"kind":"alarm","alarms":["low_battery"]},note="a bridged tracker")
o({**L,"t":9},{**F,"kind":"alarm","alarms":["low_battery"]})
o({**L,"t":"l"},{**F,"valid":False},note="the last known place of a tracker without a fix")
o({**L,"t":"2","imei":"861000000000017","batt":80},{**F,"battery_pct":80})
o({**L,"vel":-1,"cog":-1,"acc":5000,"batt":-1},{**F,"accuracy_m":5000})
o({**L,"vel":61,"cog":271,"acc":5,"alt":44,"vac":3,"batt":67,"bs":2,"conn":"m","inregions":["家"],"inrids":["a1"],"p":101.3,"created_at":T+5,"m":1,"tid":"CP","poi":"x","tag":"y"},{**F,"speed_kmh":61,"course":271,"accuracy_m":5,"battery_pct":67})
o({**L,"SSID":"客厅","BSSID":"0:cf:89:e0:c1:96"},{**F,"wifi":1},note="iOS leaves zeros out of an address")
o({**L,"BSSID":"02:00:00:00:00:00"},{**F,"wifi":0},note="what Android says when it may not tell")
o({**L,"mcc":460,"mnc":0,"lac":"1A2B","cid":"0F00FF"},{**F,"cells":1})
o({**L,"tst":"1767254400"},F,note="a number as a text")
o({**L,"created_at":T+900},F,note="an old fix in a new message")
o({**L,"lat":0,"lon":0},{**W,"kind":"fix","alarms":[]},note="0/0 is no place")
o({**L,"lat":128.2},{"error":True})
o({**L,"lat":None},{"error":True})
o({**L,"topic":"owntracks/li/red-phone"},{**F,"device_id":"li/red-phone"},topic=None,note="over HTTP")
o({**L},{k:v for k,v in F.items() if k!="device_id"},topic=None)
o({**L},{**F,"device_id":"chen/phone"},topic="/home/chen/phone",note="another first level")
E2={"_type":"transition","tst":T,"wtst":1,"acc":60,"desc":"开福寺","lat":LAT,"lon":LON,"t":"c","tid":"CP"}
o({**E2,"event":"leave"},{**W,"kind":"alarm","alarms":["fence_exit"],"lat":LAT,"lon":LON,"time":"2026-01-01T08:00:00Z"},"owntracks/chen/phone/event")
o({**E2,"event":"enter","t":"l"},{**W,"kind":"alarm","alarms":["fence_enter"]},"owntracks/chen/phone/event")
o({**E2,"event":"enter","t":"b","lat":0,"lon":0},{**W,"kind":"alarm","alarms":["fence_enter"]},"owntracks/chen/phone/event",note="at a beacon")
o({"_type":"transition","tst":T,"event":"enter","rid":"a1"},{**W,"kind":"alarm","alarms":["fence_enter"]},"owntracks/chen/phone/event")
o({"_type":"transition","tst":T,"event":"hover","desc":"x"},{"error":True},"owntracks/chen/phone/event")
o({"_type":"lwt","tst":str(T)},{**W,"kind":"offline","time":"2026-01-01T08:00:00Z"})
o({"_type":"steps","tst":T,"steps":1618,"from":T-3600,"to":T},{**W,"kind":"status","steps":1618},"owntracks/chen/phone/step")
o({"_type":"steps","tst":T,"steps":-1},{**W,"kind":"status"},"owntracks/chen/phone/step")
o({"_type":"waypoint","desc":"家","lat":LAT,"lon":LON,"rad":100,"tst":T},{**W,"kind":"waypoint"},"owntracks/chen/phone/waypoint")
o({"_type":"waypoints","waypoints":[{"_type":"waypoint","desc":"家","tst":T}]},{**W,"kind":"waypoints"},"owntracks/chen/phone/waypoints")
o({"_type":"beacon","desc":"door","uuid":"F00","major":1,"minor":2,"tst":T,"acc":1,"rssi":-60,"prox":1},{**W,"kind":"beacon"},"owntracks/chen/phone/beacon")
o({"_type":"card","name":"陈阿姨","face":"iVBORw0KGgo=","tid":"CP"},{**W,"kind":"card"},"owntracks/chen/phone/info")
o({"_type":"status","android":{"hib":0,"bo":1,"loc":0}},{**W,"kind":"status"},"owntracks/chen/phone/status")
o({"_type":"configuration","deviceId":"phone"},{**W,"kind":"config"},"owntracks/chen/phone/dump")
o({"_type":"request","request":"tour","tour":{}},{**W,"kind":"other"},"owntracks/chen/phone/request")
def enc(msg,key,i,lines=False):
    d=SEALED[i]
    return {"_type":"encrypted","data":d[:76]+"\n"+d[76:] if lines else d}
o(enc({**L,"t":"u","tid":"CP"},"kaifu-2026",7),F,key="kaifu-2026")
o(enc({**E2,"event":"leave"},"密钥",8,True),{**W,"kind":"alarm","alarms":["fence_exit"]},"owntracks/chen/phone/event",key="密钥",note="base64 in lines, a secret in Chinese")
o(enc(L,"kaifu-2026",9),{"error":True},key="kaifu-2027",note="another key")
o(enc(L,"kaifu-2026",10),{**W,"kind":"encrypted"},note="nobody here has the key")
o({"_type":"encrypted","data":"AAAA"},{"error":True},key="kaifu-2026")
o(enc({"_type":"encrypted","data":"AAAA"},"k",11),{"error":True},key="k",note="a box in a box")
o('',{**W,"kind":"other"},note="a retained message was cleared")
o('{"_type":"location","lat":28.2282,"lon":112.9388,"tst":1767254400,"acc":nan}',{**F},note="printf knows no JSON")
o('[1,2]',{"error":True})
open(OUT+'owntracks.jsonl','w').write(''.join(json.dumps(x,ensure_ascii=False)+'\n' for x in ot))

mp=[]
def m(msg,expect,topic="atom/g616/status/860000000000017",note=None):
    x={"id":"mapped-own-%03d"%(len(mp)+1),"protocol":"mapped","frame":msg if isinstance(msg,str) else json.dumps(msg,ensure_ascii=False,separators=(',',':')),"encoding":"json","topic":topic,"expect":expect}
    if note: x["note"]=note
    mp.append(x)
G={"imei":"860000000000017","stepCount":"1618","calories":"34.9","temperature":"36.4","heartRate":"96","bpSystolic":"122","bpDiastolic":"83","bloodOxygen":"98","battery":"36","sos":False,"speed":"0.00","direction":"0.0","rolls":"0","locationDate":"260101","locationTime":"160000","location":"112.944249776,28.224692417","positionWifi":"d0:76:e7:00:00:14,-54;0c:cf:89:00:00:96,-55;","isWearing":True,"isOnline":True}
GF={"device_id":"860000000000017","kind":"fix","time":"2026-01-01T08:00:00Z","lat":LAT,"lon":LON,"speed_kmh":0,"course":0,"battery_pct":36,"alarms":[],"wifi":2,"steps":1618}
m(G,GF,note="all is well; the maker's coordinates are GCJ-02")
m({**G,"sos":True},{**GF,"kind":"alarm","alarms":["sos"]})
m({**G,"sos":"true"},{**GF,"kind":"alarm","alarms":["sos"]})
m({**G,"sos":"pressed"},{**GF,"kind":"alarm","alarms":["general"]},note="an alarm, and nobody knows which")
m({**G,"sos":True,"location":"","positionWifi":""},{"kind":"alarm","alarms":["sos"],"wifi":0})
m({**G,"location":"0,0"},{"kind":"fix","alarms":[],"battery_pct":36})
m({**G,"isOnline":False},{"kind":"offline"})
m({**G,"battery":"??","heartRate":"--"},{"kind":"fix","lat":LAT,"lon":LON,"alarms":[]})
m({"imei":"860000000000017","sos":True},{"kind":"alarm","alarms":["sos"]})
m('{"imei":"860000000000017","sos":true,"temperature":nan}',{"kind":"alarm","alarms":["sos"]})
m('MESSAGE',{"device_id":"860000000000017","kind":"reply"},"atom/g616/cmd/860000000000017/MESSAGE",note="the answer to a command is its flag")
m(G,{"error":True},"atom/g617/status/860000000000017",note="no profile reads it")
m('{"hello":1}',{"error":True})
m('{',{"error":True})
open(OUT+'mapped.jsonl','w').write(''.join(json.dumps(x,ensure_ascii=False)+'\n' for x in mp))

sc=[]
def s(frame,expect,reply=None,note=None):
    x={"id":"scaip-own-%03d"%(len(sc)+1),"protocol":"scaip","frame":frame,"encoding":"text","expect":expect}
    if reply: x["reply"]=reply
    if note: x["note"]=note
    sc.append(x)
def q(inner,ref="k1",cid="26000017"): return f"<mrq><ref>{ref}</ref><cid>{cid}</cid>{inner}</mrq>"
ok="<mrs><ref>k1</ref><snu>0</snu></mrs>"
C={"device_id":"26000017"}
for dty,stc,a in [("0003","0010","sos"),("4","10","sos"),("0051","0110","sos"),("0005","0009","fall"),("23","9","smoke"),("25","9","smoke"),("26","9","gas"),("21","9","gas"),("19","9","heart_rate"),("15","9","fence_exit"),("14","9","door"),("38","9","tamper"),("3","16","low_battery"),("3","14","low_battery"),("2","85","power_cut"),("2","67","fault"),("11","81","general"),("12","9","general"),("3","777","general")]:
    s(q(f"<dty>{dty}</dty><mty>ME</mty><stc>{stc}</stc>"),{**C,"kind":"alarm","alarms":[a]},ok)
s(q("<dty>3</dty>"),{**C,"kind":"alarm","alarms":["sos"]},ok,"no code: a call by hand")
for dty,stc in [("2","70"),("2","102"),("2","15"),("2","86"),("32","112")]: s(q(f"<dty>{dty}</dty><stc>{stc}</stc>"),{**C,"kind":"status","alarms":[]},ok)
s(q("<dty>3</dty><stc>19</stc>"),{**C,"kind":"status","alarms":[]},ok,"a cancel is an entry, and no alarm")
s(q("<dty>2</dty><mty>PI</mty><stc>0009</stc>"),{**C,"kind":"heartbeat","alarms":[]},ok,"mty decides")
s(q("<dty>3</dty><mty>RE</mty><stc>0092</stc>"),{**C,"kind":"status","alarms":[]},ok)
s(q("<dty>51</dty><mty>in</mty><lge><geo>28.2282,112.9388</geo><tim>2026-01-01T08:00:00Z</tim></lge>"),{**C,"kind":"status","lat":LAT,"lon":LON,"time":"2026-01-01T08:00:00Z"},ok,"more about an alarm: where it is")
s(q("<dty>51</dty><stc>10</stc><gga>$GPGGA,080000,2813.692,N,11256.328,E,1,08,0.9,44,M,,M,,*47</gga>"),{**C,"kind":"alarm","alarms":["sos"],"lat":LAT,"lon":LON},ok)
s(q("<dty>3</dty><crd>gsm:+8613000000001</crd><crd>sip:26000017@10.0.0.5</crd><cha>1</cha>"),{**C,"kind":"alarm","alarms":["sos"]},ok)
s('<?xml version="1.0" encoding="UTF-8"?>\r\n<!-- x --><scaip>\n<ver>01.00</ver>\n<cid> 26000017 </cid>\n<DTY>0004</DTY><dco/><ref>k1</ref></scaip>\n',{**C,"kind":"alarm","alarms":["sos"]},ok)
s(q("<dty>3</dty>",ref="a&amp;b"),{**C,"kind":"alarm"},"<mrs><ref>a&amp;b</ref><snu>0</snu></mrs>")
for bad in ["<mrq><cid>26000017</cid><stc>0010</stc></mrq>",q("<dty>3</dty>")[:-6],q("<dty>x</dty>"),"<other/>","<not-xml","",'<!DOCTYPE mrq [<!ENTITY a "b">]><mrq><ref>&a;</ref></mrq>']: s(bad,{"error":True})
b=q("<dty>3</dty><stc>10</stc>")
s(f"MESSAGE sip:alarm@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKa1\r\nFrom: <sip:26000017@10.0.0.5>;tag=77\r\nTo: <sip:alarm@192.0.2.10>\r\nCall-ID: c1\r\nCSeq: 1 MESSAGE\r\nContent-Type: application/scaip+xml\r\nContent-Length: {len(b)}\r\n\r\n{b}",{**C,"kind":"alarm","alarms":["sos"]},None,"with SIP around it")
open(OUT+'scaip.jsonl','w').write(''.join(json.dumps(x,ensure_ascii=False)+'\n' for x in sc))
