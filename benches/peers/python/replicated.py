"""A replicated document of nested maps in Python, beside loro and pycrdt: the scenario of `benches/replicated`.

16 groups of 8 services hold text values. Two replicas write KEYS (10000) distinct keys in turns, each write a transaction
of its own, then sync, send single writes one by one, and save and load. Medians of ROUNDS (3), in processor time.
"""

import gc
import os
import statistics
import time

import confmesh
import loro
import pycrdt

KEYS = int(os.environ.get("KEYS", "10000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
GROUPS, SERVICES, LIVE = 16, 8, 500
SLOTS = [(f"group-{at // SERVICES:02}", f"service-{at % SERVICES:02}") for at in range(GROUPS * SERVICES)]
WRITES = [(at % len(SLOTS), f"key-{at:06}", f"value-{at}") for at in range(KEYS)]


class Confmesh:
    def __init__(self, state):
        self.replica = confmesh.Replica.load(state)
        self.paths = [f"{group}.{service}." for group, service in SLOTS]

    @staticmethod
    def skeleton():
        first = confmesh.Replica()
        for group, service in SLOTS:
            first.set(f"{group}.{service}", {})
        return first.save()

    def put(self, slot, key, value):
        self.replica.set(self.paths[slot] + key, value)

    def get(self, slot, key):
        return self.replica.get(self.paths[slot] + key)

    def version(self):
        return self.replica.version()

    def delta(self, since):
        return self.replica.delta(since)

    def apply(self, delta):
        self.replica.apply(delta)

    def save(self):
        return self.replica.save()

    def value(self):
        return self.replica.value


class Loro:
    def __init__(self, state):
        self.doc = loro.LoroDoc()
        self.doc.import_(state)
        self.maps = self.containers(self.doc)

    @staticmethod
    def containers(doc):
        root = doc.get_map("root")
        maps = []
        for group, service in SLOTS:
            found = root.get_or_create_container(group, loro.LoroMap())
            maps.append(found.get_or_create_container(service, loro.LoroMap()))
        return maps

    @staticmethod
    def skeleton():
        doc = loro.LoroDoc()
        Loro.containers(doc)
        doc.commit()
        return doc.export(loro.ExportMode.Snapshot())

    def put(self, slot, key, value):
        self.maps[slot].insert(key, value)
        self.doc.commit()

    def get(self, slot, key):
        return self.maps[slot].get(key).value

    def version(self):
        return self.doc.oplog_vv

    def delta(self, since):
        return self.doc.export(loro.ExportMode.Updates(since))

    def apply(self, delta):
        self.doc.import_(delta)

    def save(self):
        return self.doc.export(loro.ExportMode.Snapshot())

    def value(self):
        return self.doc.get_deep_value()["root"]


class Pycrdt:
    def __init__(self, state):
        self.doc = pycrdt.Doc()
        self.doc.apply_update(state)
        self.root = self.doc.get("root", type=pycrdt.Map)
        self.maps = [self.root[group][service] for group, service in SLOTS]

    @staticmethod
    def skeleton():
        doc = pycrdt.Doc()
        root = doc.get("root", type=pycrdt.Map)
        for at in range(GROUPS):
            services = {service: pycrdt.Map({}) for _, service in SLOTS[at * SERVICES : (at + 1) * SERVICES]}
            root[SLOTS[at * SERVICES][0]] = pycrdt.Map(services)
        return doc.get_update()

    def put(self, slot, key, value):
        self.maps[slot][key] = value

    def get(self, slot, key):
        return self.maps[slot][key]

    def version(self):
        return self.doc.get_state()

    def delta(self, since):
        return self.doc.get_update(since)

    def apply(self, delta):
        self.doc.apply_update(delta)

    def save(self):
        return self.doc.get_update()

    def value(self):
        return self.root.to_py()


def timed(job):
    gc.collect()
    began = time.process_time()
    done = job()
    return done, time.process_time() - began


def measure(kind):
    skeleton = kind.skeleton()
    one, two = kind(skeleton), kind(skeleton)
    both, started = (one, two), one.version()

    def write():
        for at, (slot, key, value) in enumerate(WRITES):
            both[at & 1].put(slot, key, value)

    def sync():
        there = two.delta(started)
        one.apply(there)
        back = one.delta(two.version())
        two.apply(back)
        return len(there) + len(back)

    def live():
        sent = 0
        for at in range(LIVE):
            slot, key, _ = WRITES[at * 31 % KEYS]
            since = one.version()
            one.put(slot, key, f"live-{at}")
            delta = one.delta(since)
            two.apply(delta)
            sent += len(delta)
        return sent / LIVE

    _, writing = timed(write)
    sync_bytes, syncing = timed(sync)
    assert one.value() == two.value(), kind
    delta_bytes, living = timed(live)
    value = one.value()
    assert value == two.value() and sum(len(s) for g in value.values() for s in g.values()) == KEYS, kind
    state, saving = timed(one.save)
    slot, key, _ = WRITES[1]

    def load():
        loaded = kind(state)
        return loaded, loaded.get(slot, key)

    (loaded, _), loading = timed(load)
    assert loaded.value() == value, kind
    return (writing / KEYS * 1e6, syncing * 1e3, sync_bytes, living / LIVE * 1e6, delta_bytes, len(state), saving * 1e3, loading * 1e3)


COLUMNS = ("write µs", "sync ms", "sync B", "live µs", "delta B", "state B", "save ms", "load ms")
print(f"{KEYS} distinct writes, 2 replicas")
print(f"  {'':<10}" + "".join(f"{name:>11}" for name in COLUMNS))
rounds = [[measure(kind) for kind in (Confmesh, Loro, Pycrdt)] for _ in range(ROUNDS)]
for at, kind in enumerate((Confmesh, Loro, Pycrdt)):
    figures = [statistics.median(row[at][column] for row in rounds) for column in range(len(COLUMNS))]
    shown = (f"{figure:>11.2f}" if figure < 100 else f"{figure:>11,.0f}" for figure in figures)
    print(f"  {kind.__name__.lower():<10}" + "".join(shown), flush=True)
