"""Merging, comparing and hashing in Python, beside what people use today: `algebra.py DOCUMENTS`."""

import copy
import functools
import hashlib
import json
import pathlib
import sys

import confmesh
import deepdiff
import deepmerge
import dictdiffer
import jsondiff
import jsonpatch
import mergedeep
import orjson
import rfc8785
from dynaconf import Dynaconf
from omegaconf import OmegaConf
from timing import SIZES, compare

OVERRIDE = deepmerge.Merger([(dict, ["merge"]), (list, ["override"])], ["override"], ["override"])


def merged_pair(below, above):
    out = dict(below)
    for key, value in above.items():
        held = out.get(key)
        out[key] = merged_pair(held, value) if isinstance(value, dict) and isinstance(held, dict) else value
    return out


def naive(layers):
    return functools.reduce(merged_pair, layers)


def naive_changes(old, new, path=(), found=None):
    """What differs; lists by index, then the tail."""
    found = [] if found is None else found
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            if key not in new:
                found.append(("remove", (*path, key), None))
            elif value != new[key]:
                naive_changes(value, new[key], (*path, key), found)
        found.extend(("add", (*path, key), value) for key, value in new.items() if key not in old)
    elif isinstance(old, list) and isinstance(new, list):
        for at, (a, b) in enumerate(zip(old, new)):
            if a != b:
                naive_changes(a, b, (*path, at), found)
        found.extend(("remove", (*path, at), None) for at in range(len(old) - 1, len(new) - 1, -1))
        found.extend(("add", (*path, at), new[at]) for at in range(len(old), len(new)))
    elif old != new:
        found.append(("replace", path, new))
    return found


def omegaconf(layers):
    return OmegaConf.to_container(OmegaConf.merge(*[OmegaConf.create(layer) for layer in layers]))


def dynaconf(layers):
    settings = Dynaconf(environments=False, load_dotenv=False)
    for layer in copy.deepcopy(layers):
        settings.update(layer, merge=True)
    return settings


def sha256(text):
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def merging(size, texts):
    layers = [json.loads(text) for text in texts]
    # The first of the list is the lowest for the others; confmesh is told so by the priority.
    values = [{"id": f"layer{at}", "value": layer, "priority": 9 - at} for at, layer in enumerate(layers)]
    sources = [{"id": f"layer{at}.json", "text": text, "priority": 9 - at} for at, text in enumerate(texts)]
    raw = [text.encode() for text in texts]
    want = naive(layers)
    assert confmesh.merge(values).value == want and omegaconf(layers[:2]) == naive(layers[:2])
    slow = {} if size == "large" else {
        "OmegaConf create, merge, to_container": lambda: omegaconf(layers),
        "dynaconf update(merge=True)": (lambda: dynaconf(layers), "lists are appended; keeps a history"),
    }
    compare(f"A. five layers, plain objects in, {size}", {
        "naive recursive merge": lambda: naive(layers),
        "confmesh.merge, with provenance": (lambda: confmesh.merge(values), "a native document"),
        "confmesh.merge(...).value": (lambda: confmesh.merge(values).value, "a dict"),
        "deepmerge": (lambda: functools.reduce(OVERRIDE.merge, layers[1:], copy.deepcopy(layers[0])), "copies the base: it merges in place"),
        "mergedeep": lambda: mergedeep.merge({}, *layers),
        **slow,
    })
    compare(f"A. five layers from JSON texts, {size}", {
        "json + naive": lambda: naive([json.loads(text) for text in texts]),
        "confmesh.merge, with provenance": (lambda: confmesh.merge(sources), "a native document, places kept"),
        "confmesh.merge(...).value": (lambda: confmesh.merge(sources).value, "a dict"),
        "orjson + naive": lambda: naive([orjson.loads(text) for text in raw]),
        "json + mergedeep": lambda: mergedeep.merge({}, *[json.loads(text) for text in texts]),
    })


def comparing(size, old_text, new_text):
    old, new, same = json.loads(old_text), json.loads(new_text), json.loads(old_text)
    assert confmesh.patch(old, confmesh.diff(old, new)) == new
    slow = {} if size == "large" else {
        "deepdiff": lambda: deepdiff.DeepDiff(old, new),
        "jsondiff": lambda: jsondiff.diff(old, new),
    }
    compare(f"B. what changed, 1 %, {size}", {
        "naive": lambda: naive_changes(old, new),
        "confmesh.diff": (lambda: confmesh.diff(old, new), "RFC 6902, minimal for lists"),
        "a == b, nothing changed": (lambda: old == same, "visits every leaf, in C"),
        "jsonpatch": lambda: jsonpatch.make_patch(old, new),
        "dictdiffer": lambda: list(dictdiffer.diff(old, new)),
        **slow,
    })
    patch, other = confmesh.diff(old, new), jsonpatch.make_patch(old, new)
    compare(f"B. apply 1 %, {size}", {
        "jsonpatch": (lambda: other.apply(old), "copies first"),
        "confmesh.patch": lambda: confmesh.patch(old, patch),
        "deepcopy only": lambda: copy.deepcopy(old),
    })
    print(f"  bytes of the patch: confmesh {len(json.dumps(patch))}, jsonpatch {len(other.to_string())}")


def hashing(size, text):
    value = json.loads(text)
    assert confmesh.canonical(value).encode() == rfc8785.dumps(value)
    compare(f"C. canonical bytes and SHA-256, {size}", {
        "json.dumps(sort_keys) + sha256": (lambda: sha256(json.dumps(value, sort_keys=True, separators=(",", ":"))), "not canonical"),
        "confmesh.hash": (lambda: confmesh.hash(value), "RFC 8785"),
        "orjson + sha256": (lambda: sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)), "not canonical"),
        "rfc8785 + sha256": lambda: sha256(rfc8785.dumps(value)),
    })


for size in SIZES:
    folder = pathlib.Path(sys.argv[1]) / size
    texts = [(folder / f"layer{at}.json").read_text() for at in range(5)]
    merging(size, texts)
    comparing(size, texts[0], (folder / "changed1.json").read_text())
    hashing(size, texts[0])
