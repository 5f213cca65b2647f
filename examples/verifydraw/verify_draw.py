#!/usr/bin/env python3
"""Redo a draw from its proof folder and name the first difference.

    python3 verify_draw.py DIR
    python3 verify_draw.py DIR PERSON.json
    python3 verify_draw.py DIR PERSON.json RECEIPT.json KEY
    python3 verify_draw.py DIR --next POOL SEAT

With PERSON.json it checks one person instead: that the two lines in it are in
the trees of DIR/manifest.json and DIR/announcement.json; with RECEIPT.json also
that this is the receipt of that line, signed with KEY (64 hexadecimal digits,
as the agency has published them). With --next it prints, after the draw, in
which order a seat that comes back is offered: SEAT is "open" or a group code.

Needs Python 3.8 or later and nothing else. It follows docs/draw.md and shares
no code with the library that made the draw. Exit code: 0 the result follows
from the roll, the plan and the seed; 1 it does not; 2 wrong usage.

It does NOT check the signature of a beacon round (the standard library of
Python cannot), nor when the manifest was published, nor that the keys in the
manifest are those of the witnesses: compare what it prints with what they and
the beacon have published.
"""

import datetime
import hashlib
import hmac
import json
import math
import os
import re
import sys

FORMAT = "gelombang-draw-3"
RECEIPT_FORMAT = "gelombang-receipt-1"
FLOOR = 128  # bits of entropy
MOST_SEATS = 1 << 40
# When round 1 of a known chain was, and how far rounds are apart, in seconds of
# Unix time: quicknet and the default chain of the League of Entropy.
CHAINS = {
    "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971": (1692803367, 3),
    "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce": (1595431050, 30),
}
MOST_ROUNDS = 1 << 40  # of a known chain
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", re.ASCII)
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z", re.ASCII)
NUMBER = re.compile(r"(0|[1-9][0-9]{0,9})\Z", re.ASCII)
ROLL_HEADER = "label\tpool\ttier\tnumber\thousehold\theld\tgroups\tcommitment"
REMOVALS_HEADER = "label\treason"
RESULT_HEADER = "label\treason\tpool\tseat\tposition"
MOVES_HEADER = "round\torigin\tfrom\tseat\tto\tseats"
# The fields of each object in their order. "?" may be left out, and then must be
# left out where it is zero or empty. "[]" is a list.
SCHEMA = {
    "plan.json": "name:str groups?:[]group order?:str household_cap?:int limits?:[]str ticket:str tiers:int key?:str counting?:str"
                 " waiting?:int smallest_cell?:int small_cells?:str witnesses?:int pools:[]pool",
    "group": "code:str meaning:str public?:str within?:str",
    "pool": "id:str parent?:str seats:int reserves?:[]reserve spill?:[]str",
    "reserve": "group:str seats:int kind:str unfilled?:str",
    "manifest.json": "format:str program:str wave:str number:int reason?:str plan:digest roll:digest tree:digest count:int"
                     " source:source code?:digest frozen:instant due?:instant witnesses?:[]witness",
    "source": "beacon?:beacon witnessed?:[]drawer fallback?:fallback",
    "beacon": "name:str chain:str round:int",
    "drawer": "name:str count:int low:int high:int ordered:bool bits:int",
    "fallback": "condition:str until:instant beacon:beacon",
    "witness": "name:str key:digest",
    "witnesses.json": "attestations:[]attestation",
    "attestation": "witness:str manifest:digest at:instant signature:str",
    "seed.json": "manifest:digest beacon?:str signature?:str previous?:str witnessed?:[]reading fallback?:bool code?:str",
    "reading": "numbers:[]int witnesses:[]str",
    "announcement.json": "manifest:digest witnesses:digest seed:digest removals:digest result:digest tree:digest moves:digest"
                         " count:int seated:int",
    "person": "at:int roll:str roll_path:[]digest result:str result_path:[]digest",
    "receipt": "format:str program:str wave:str label:str commitment:digest issued:instant signature?:str",
}


class Difference(Exception):
    """The first thing that is wrong: a file, a line (0: the whole file), a rule."""

    def __init__(self, file, line, rule):
        where = file if line == 0 else "%s line %d" % (file, line)
        super().__init__("%s: %s" % (where, rule))


def need(condition, file, line, rule):
    if not condition:
        raise Difference(file, line, rule)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def is_hex(text, digits):
    return len(text) == digits and all(c in "0123456789abcdef" for c in text)


# --- 1. The files ------------------------------------------------------------


LAST_READ = ["a file"]  # the JSON file that was looked at last


def read(folder, name):
    LAST_READ[0] = name
    path = os.path.join(folder, name)
    need(os.path.isfile(path), name, 0, "missing")
    with open(path, "rb") as f:
        return f.read()


def no_fraction(text):
    raise ValueError("%s is not a whole number" % text)


def shape(value, kind, name, where):
    """The value has the fields of its kind and no others, in their order."""
    if kind.startswith("[]"):
        value = [] if value is None else value  # an empty list may be null
        need(isinstance(value, list), name, 0, where + " is not a list")
        for i, item in enumerate(value):
            shape(item, kind[2:], name, "%s[%d]" % (where, i))
    elif kind in SCHEMA:
        need(isinstance(value, dict), name, 0, where + " is not an object")
        fields = [f.split(":") for f in SCHEMA[kind].split()]
        names = [f.rstrip("?") for f, _ in fields]
        unknown = sorted(set(value) - set(names))
        need(not unknown, name, 0, "unknown field %s in %s" % (", ".join(unknown), where))
        need(list(value) == [f for f in names if f in value], name, 0, where + ": fields in another order")
        for (field, inner), bare in zip(fields, names):
            if bare in value:
                shape(value[bare], inner, name, where + "." + bare)
                need(field == bare or value[bare] not in ("", 0, [], None), name, 0, "%s.%s is empty: it is left out" % (where, bare))
            else:
                need(field != bare, name, 0, "%s.%s is missing" % (where, bare))
    elif kind == "int":
        need(type(value) is int and -(1 << 63) <= value < 1 << 64, name, 0, where + " is not a whole number")
    elif kind == "bool":
        need(type(value) is bool, name, 0, where + " is not true or false")
    else:
        need(isinstance(value, str), name, 0, where + " is not a text")
        need(kind != "digest" or is_hex(value, 64), name, 0, where + " is not a digest")
        need(kind != "instant" or seconds(value) is not None, name, 0, where + " is not an instant in UTC and whole seconds")


def seconds(text):
    """Unix time of an instant; None if it is none."""
    if not INSTANT.match(text) or text == "0001-01-01T00:00:00Z":
        return None
    try:
        at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None
    return int((at - datetime.datetime(1970, 1, 1)).total_seconds())


def is_text(text):
    """One line of text."""
    return len(text.encode("utf-8")) <= 4096 and all(c >= " " and c not in "\x7f\u2028\u2029" for c in text)


def read_json(folder, name, kind=None):
    """The value, and the SHA-256 of the file."""
    data = read(folder, name)
    try:
        value = json.loads(data.decode("utf-8"), parse_float=no_fraction, parse_constant=no_fraction)
    except (ValueError, RecursionError) as e:
        raise Difference(name, 0, "not JSON: %s" % e)
    shape(value, kind or name, name, "it")
    # One text for one value: no field twice, no other spelling of the same.
    need(data == canonical(value), name, 0, "not canonical JSON")
    return value, sha256(data)


def canonical(value):
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def read_plan(folder):
    plan, digest = read_json(folder, "plan.json")
    defaults = {"groups": [], "order": "", "household_cap": 0, "limits": [], "key": "lottery", "counting": "once", "waiting": 0,
                "smallest_cell": 0, "small_cells": "refuse", "witnesses": 0}
    merging = "small_cells" in plan
    for field, value in defaults.items():
        plan.setdefault(field, value)
    for group in plan["groups"]:
        group.setdefault("public", "")
        group.setdefault("within", "")
    for pool in plan["pools"] or []:
        for field, value in (("parent", ""), ("reserves", []), ("spill", [])):
            pool.setdefault(field, value)

    def must(condition, rule):
        need(condition, "plan.json", 0, rule)

    def one_of(field, *words):
        must(plan[field] in words, "%s is not one of %s" % (field, ", ".join(words)))

    must(ID.match(plan["name"]), "name")
    one_of("order", "", "open-first", "reserved-first")
    one_of("ticket", "person", "household")
    one_of("key", "lottery", "score", "arrival")
    one_of("counting", "once", "all")
    one_of("small_cells", "refuse", "merge")
    must(not merging or plan["smallest_cell"] > 1, "small_cells without smallest_cell")
    for field, low, high in (("household_cap", 0, 255), ("tiers", 1, 1 << 16), ("waiting", 0, (1 << 32) - 1),
                             ("smallest_cell", 0, (1 << 31) - 1), ("witnesses", 0, 100)):
        must(low <= plan[field] <= high, "%s must be %d to %d" % (field, low, high))
    must(plan["ticket"] == "person" or plan["key"] == "lottery", "key must be lottery where each household has one ticket")
    must(plan["ticket"] == "person" or plan["household_cap"] > 0, "one ticket for each household needs a household_cap")
    must(len(plan["limits"]) <= 100 and all(ID.match(x) for x in plan["limits"]), "limits")
    must(len(set(plan["limits"])) == len(plan["limits"]), "a limit twice")
    check_groups(plan, must)
    check_pools(plan, must)
    check_tree(plan)
    return plan, digest


def check_groups(plan, must):
    must(len(plan["groups"]) <= 32, "more than 32 groups")
    before = []
    for group in plan["groups"]:
        code = group["code"]
        must(ID.match(code) and code != "open" and code not in before, "a group code twice, or none: " + code)
        must(group["meaning"] in ("public", "auditors"), "meaning of " + code)
        must((group["meaning"] == "public") == bool(group["public"]) and is_text(group["public"]), "public meaning of " + code)
        must(not group["within"] or group["within"] in before, "within is not a group before " + code)
        before.append(code)


def check_pools(plan, must):
    must(0 < len(plan["pools"] or []) <= 100000, "pools must be 1 to 100000")
    codes = {group["code"] for group in plan["groups"]}
    ids = {pool["id"] for pool in plan["pools"]}
    must(len(ids) == len(plan["pools"]) and all(ID.match(x) for x in ids), "a pool ID twice, or none")
    for pool in plan["pools"]:
        here = pool["id"]
        must(not pool["parent"] or pool["parent"] in ids, "unknown parent of " + here)
        must(0 <= pool["seats"] <= MOST_SEATS, "seats of " + here)
        must(len(pool["spill"]) <= 100 and set(pool["spill"]) <= ids, "unknown pool in the spill list of " + here)
        must(len(set(pool["spill"])) == len(pool["spill"]) and here not in pool["spill"], "a pool twice in the spill list of " + here)
        groups = [r["group"] for r in pool["reserves"]]
        must(set(groups) <= codes and len(set(groups)) == len(groups), "a group twice, or unknown, in the reserves of " + here)
        must(all(r["seats"] >= 0 for r in pool["reserves"]), "negative seats in " + here)
        must(sum(r["seats"] for r in pool["reserves"]) <= pool["seats"], "more reserves than seats in " + here)
        for r in pool["reserves"]:
            unfilled = r.get("unfilled", "")
            must(r["kind"] in ("guarantee", "set-aside"), "unknown kind in " + here)
            if r["kind"] == "guarantee":
                must(not unfilled, "unfilled for a guarantee in " + here)
                continue
            must(plan["order"] != "", "order is missing")
            must(unfilled in ("keep", "open", "spill"), "unfilled is missing in " + here)
            must(unfilled != "spill" or pool["spill"], "spill without a spill list in " + here)


def check_tree(plan):
    parent = {pool["id"]: pool["parent"] for pool in plan["pools"]}
    for start in parent:
        at, steps = start, 0
        while at:
            at, steps = parent[at], steps + 1
            need(steps <= len(parent), "plan.json", 0, "a pool is its own ancestor")


def read_roll(folder, plan):
    data = read(folder, "roll.tsv")
    need(data.endswith(b"\n"), "roll.tsv", data.count(b"\n") + 1, "no newline at the end")
    lines = data[:-1].split(b"\n")
    need(lines[0] == ROLL_HEADER.encode(), "roll.tsv", 1, "not the header")
    pools = {pool["id"]: pool for pool in plan["pools"]}
    codes = [group["code"] for group in plan["groups"]]
    around = groups_around(plan)
    guaranteed = {
        p["id"]: {r["group"] for r in p["reserves"] if r["kind"] == "guarantee"} if plan["counting"] == "all" else set()
        for p in plan["pools"]
    }
    roll, last, held_by = [], "", {}
    for number, raw in enumerate(lines[1:], start=2):
        try:
            fields = raw.decode("ascii").split("\t")
        except ValueError:
            raise Difference("roll.tsv", number, "not ASCII")
        need(len(fields) == 8, "roll.tsv", number, "not eight fields")
        label, pool, tier, count, household, held, groups, commitment = fields
        need(is_hex(label, 32) and label > last, "roll.tsv", number, "label not hexadecimal, or not in order")
        need(pool in pools, "roll.tsv", number, "unknown pool")
        need(all(NUMBER.match(x) for x in (tier, count, household, held)), "roll.tsv", number, "not a canonical number")
        groups = [] if groups == "-" else groups.split(",")
        need(groups == [c for c in codes if c in groups], "roll.tsv", number, "groups are not codes of the plan in its order")
        need(is_hex(commitment, 64), "roll.tsv", number, "commitment not hexadecimal")
        person = {
            "label": label, "pool": pool, "tier": int(tier), "number": int(count), "household": int(household),
            "held": int(held), "groups": set(groups),
        }
        need(person["tier"] < plan["tiers"], "roll.tsv", number, "tier not in the plan")
        need(person["household"] < 1 << 32 and person["held"] < 256, "roll.tsv", number, "number out of range")
        need(person["number"] < 2 ** 32, "roll.tsv", number, "number out of range")
        need(not person["number"] or plan["key"] != "lottery", "roll.tsv", number, "a number in a lottery")
        for group in groups:
            need(around[group] <= person["groups"], "roll.tsv", number, "groups do not nest as the plan says")
            if group in guaranteed[pool]:
                inside = [g for g in groups[: groups.index(group)] if g in guaranteed[pool]]
                need(set(inside) <= around[group], "roll.tsv", number, "groups do not nest as the plan says")
        need(person["household"] or not person["held"], "roll.tsv", number, "held without a household")
        if person["household"] and plan["household_cap"]:
            known = held_by.setdefault(person["household"], person["held"])
            need(known == person["held"], "roll.tsv", number, "held differs inside a household")
        roll.append(person)
        last = label
    cells = {}
    for person in roll:
        cell = (person["pool"], frozenset(person["groups"]))
        cells[cell] = cells.get(cell, 0) + 1
    # Merged or not: what was published has no small cell.
    need(all(n >= plan["smallest_cell"] for n in cells.values()), "roll.tsv", len(lines), "a cell smaller than smallest_cell")
    return roll, sha256(data), tree_root(lines[1:])


def groups_around(plan):
    """For each group the groups that it is within."""
    around = {}
    for group in plan["groups"]:
        up = group["within"]
        around[group["code"]] = around[up] | {up} if up else set()
    return around


def read_removals(folder, roll):
    data = read(folder, "removals.tsv")
    try:
        lines = data.decode("utf-8").split("\n")
    except ValueError:
        raise Difference("removals.tsv", 0, "not UTF-8")
    need(lines[0] == REMOVALS_HEADER and lines[-1] == "", "removals.tsv", 1, "not the header, or no newline at the end")
    labels, removed = {p["label"] for p in roll}, set()
    for number, line in enumerate(lines[1:-1], start=2):
        label, _, reason = line.partition("\t")
        need(label in labels and label not in removed, "removals.tsv", number, "not on the roll, or removed twice")
        need(reason and is_text(reason), "removals.tsv", number, "no reason")
        removed.add(label)
    return removed


def read_witnesses(folder, manifest, digest):
    """The witnesses, each of whom signed in time; and the digest of the file."""
    given, file_digest = read_json(folder, "witnesses.json")
    given, named = given["attestations"] or [], manifest.get("witnesses", [])
    need(len(given) == len(named), "witnesses.json", 0, "not one attestation for each witness")
    for a, w in zip(given, named):
        need(a["witness"] == w["name"] and a["manifest"] == digest, "witnesses.json", 0, "not of this witness and this manifest")
        in_time = seconds(manifest["frozen"]) <= seconds(a["at"]) < seconds(manifest["due"])
        need(in_time, "witnesses.json", 0, "not between the freeze and the seed")
        text = "gelombang-witness-1\n%s\n%s\n" % (digest, a["at"])
        need(is_hex(a["signature"], 128) and signed(w["key"], text.encode("ascii"), a["signature"]), "witnesses.json", 0,
             "the signature is not that of the witness")
    return named, file_digest


# --- Ed25519 of RFC 8032, section 5.1: slow, and only to verify --------------


PRIME = 2 ** 255 - 19
ORDER = 2 ** 252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME
ROOT = pow(2, (PRIME - 1) // 4, PRIME)  # of -1


def add_points(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % PRIME, (p[1] + p[0]) * (q[1] + q[0]) % PRIME
    c, d = 2 * p[3] * q[3] * CURVE % PRIME, 2 * p[2] * q[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def times_point(n, p):
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = add_points(total, p)
        p, n = add_points(p, p), n >> 1
    return total


def point(data):
    """The point that 32 bytes are; None if they are none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y % (1 << 255) % PRIME
    square = (y * y - 1) * pow(CURVE * y * y + 1, PRIME - 2, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT % PRIME
    if (x * x - square) % PRIME:
        return None
    if x & 1 != sign:
        x = -x % PRIME
    return x, y, 1, x * y % PRIME


def point_bytes(p):
    inverse = pow(p[2], PRIME - 2, PRIME)
    x, y = p[0] * inverse % PRIME, p[1] * inverse % PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")


def signed(key, text, signature):
    """Is the signature (hexadecimal) one of the key (hexadecimal) over the text?"""
    key, signature = bytes.fromhex(key), bytes.fromhex(signature)
    public, s = point(key), int.from_bytes(signature[32:], "little")
    if public is None or s >= ORDER:
        return False
    base = point((4 * pow(5, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little"))
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % ORDER
    minus = (-public[0] % PRIME, public[1], 1, -public[3] % PRIME)
    return point_bytes(add_points(times_point(s, base), times_point(h, minus))) == signature[:32]


# --- The Merkle tree of RFC 6962, section 2.1 --------------------------------


def hash_pair(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(lines):
    level = [hashlib.sha256(b"\x00" + line).digest() for line in lines]
    if not level:
        return sha256(b"")
    while len(level) > 1:
        pairs = [hash_pair(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0].hex()


def path_root(count, at, line, path):
    """The root that a line at a place has with an audit path."""
    if not 0 <= at < count:
        return None
    steps = []  # from the root down: is the line in the left part?
    low, size = at, count
    while size > 1:
        half = 1 << (size - 1).bit_length() - 1
        left = low < half
        steps.append(left)
        low, size = (low, half) if left else (low - half, size - half)
    if len(steps) != len(path):
        return None
    node = hashlib.sha256(b"\x00" + line.encode("utf-8")).digest()
    for left, other in zip(reversed(steps), path):
        other = bytes.fromhex(other)
        node = hash_pair(node, other) if left else hash_pair(other, node)
    return node.hex()


def verify_person(folder, path, receipt_path=None, key=None):
    manifest, digest = read_json(folder, "manifest.json")
    check_manifest(manifest)
    announcement, announced = read_json(folder, "announcement.json")
    person, _ = read_json(os.path.dirname(path) or ".", os.path.basename(path), "person")
    need(announcement["manifest"] == digest, "announcement.json", 0, "manifest is not the digest of manifest.json")
    need(announcement["count"] == manifest["count"], path, 0, "the result has not as many lines as the roll")
    root = path_root(manifest["count"], person["at"], person["roll"], person["roll_path"] or [])
    need(root == manifest["tree"], path, 0, "not a line of the roll at this place")
    root = path_root(announcement["count"], person["at"], person["result"], person["result_path"] or [])
    need(root == announcement["tree"], path, 0, "not a line of the result at this place")
    need(person["roll"].split("\t")[0] == person["result"].split("\t")[0], path, 0, "two labels")
    print("OK this line is on the roll:   " + person["roll"])
    print("OK this line is in the result: " + person["result"])
    if receipt_path is not None:
        verify_receipt(manifest, person, receipt_path, key)
        print("OK this is the receipt of that line, signed before the seed; compare the key with the one that the agency has published")
    print("manifest %s   compare with what was published before the draw" % digest)
    print("announcement %s   compare with what was published with the result" % announced)


def verify_receipt(manifest, person, path, key):
    receipt, _ = read_json(os.path.dirname(path) or ".", os.path.basename(path), "receipt")
    need(receipt["format"] == RECEIPT_FORMAT, path, 0, "unknown format")
    text = canonical({field: value for field, value in receipt.items() if field != "signature"})
    signature = receipt.get("signature", "")
    need(is_hex(key, 64) and is_hex(signature, 128) and signed(key, text, signature), path, 0, "the signature is not of this key and this receipt")
    draw = (manifest["program"], manifest["wave"])
    need((receipt["program"], receipt["wave"]) == draw, path, 0, "of another program or wave")
    issued = seconds(receipt["issued"])
    if "due" in manifest:
        need(issued < seconds(manifest["due"]), path, 0, "issued not before the seed")
    else:
        need(issued <= seconds(manifest["frozen"]), path, 0, "issued not before the seed")
    fields = person["roll"].split("\t")
    need((receipt["label"], receipt["commitment"]) == (fields[0], fields[-1]), path, 0, "not the label and the commitment of the line")


# --- 2. The seed -------------------------------------------------------------


def check_source(source):
    """The source named in advance must have enough entropy."""
    beacon, witnessed = source.get("beacon"), source.get("witnessed", [])
    need(bool(beacon) != bool(witnessed), "manifest.json", 0, "one source: a beacon or witnessed numbers")
    fallback = source.get("fallback")
    if fallback is not None:
        need(beacon, "manifest.json", 0, "a fallback of witnessed numbers")
        need(fallback["condition"] == "not-published", "manifest.json", 0, "unknown condition of the fallback")
        other = fallback["beacon"]
        check_beacon(other)
        later = other["chain"] != beacon["chain"] or other["round"] > beacon["round"]
        need(later, "manifest.json", 0, "the fallback must be another beacon or a later round")
    if beacon:
        check_beacon(beacon)
        return
    bits = 0
    for drawer in witnessed:
        span = drawer["high"] - drawer["low"] + 1
        need(ID.match(drawer["name"]), "manifest.json", 0, "a source without a name")
        need(0 <= drawer["low"] and drawer["high"] < 1 << 32 and 0 <= drawer["bits"] <= 32000, "manifest.json", 0, "impossible numbers")
        need(0 < span and 1 <= drawer["count"] <= 1000, "manifest.json", 0, "impossible numbers")
        outcomes = span ** drawer["count"] if drawer["ordered"] else math.comb(span, drawer["count"])
        need(outcomes >= 2 ** drawer["bits"], "manifest.json", 0, "states more bits than such numbers can have")
        bits += drawer["bits"]
    need(bits >= FLOOR, "manifest.json", 0, "only %d bits of stated entropy" % bits)


def check_beacon(beacon):
    need(ID.match(beacon["name"]) and ID.match(beacon["chain"]), "manifest.json", 0, "a beacon needs name and chain")
    need(0 < beacon["round"] < 1 << 64, "manifest.json", 0, "a beacon needs a round")
    need(beacon["chain"] not in CHAINS or beacon["round"] <= MOST_ROUNDS, "manifest.json", 0, "a round more than 2^40")


def speaks(beacon):
    """When a round is published, in Unix time; None where nobody here can tell."""
    if beacon["chain"] not in CHAINS:
        return None
    genesis, period = CHAINS[beacon["chain"]]
    return genesis + (beacon["round"] - 1) * period


def spoke(source, seed):
    """The beacon that the seed is of; None is witnessed numbers."""
    if "fallback" in seed:
        need("fallback" in source, "seed.json", 0, "the manifest names no fallback")
        return source["fallback"]["beacon"]
    return source.get("beacon")


def randomness(source, seed):
    """The bytes that the key is extracted from."""
    if spoke(source, seed):
        text = seed.get("beacon", "")
        need("witnessed" not in seed, "seed.json", 0, "the source is a beacon")
        need(32 <= len(text) <= 2048 and is_hex(text, len(text) // 2 * 2), "seed.json", 0, "beacon value")
        previous = seed.get("previous", "")
        need(is_hex(previous, len(previous) // 2 * 2), "seed.json", 0, "previous not hexadecimal")
        need("signature" in seed or not previous, "seed.json", 0, "previous without a signature")
        if "signature" in seed:  # of a drand round: the randomness is its digest
            signature = seed["signature"]
            need(is_hex(signature, len(signature) // 2 * 2), "seed.json", 0, "signature not hexadecimal")
            need(sha256(bytes.fromhex(signature)) == text, "seed.json", 0, "the beacon is not the SHA-256 of the signature")
        return bytes.fromhex(text)
    need(not {"beacon", "signature", "previous"} & set(seed), "seed.json", 0, "the source is witnessed numbers")
    drawers, readings = source["witnessed"], seed.get("witnessed", [])
    need(len(drawers) == len(readings), "seed.json", 0, "not one reading for each source")
    text = ""
    for drawer, reading in zip(drawers, readings):
        numbers = reading["numbers"]
        need(reading["witnesses"] and all(w and is_text(w) for w in reading["witnesses"]), "seed.json", 0, "no witness")
        numbers = numbers or []
        need(len(numbers) == drawer["count"], "seed.json", 0, "not as many numbers as announced")
        need(all(drawer["low"] <= n <= drawer["high"] for n in numbers), "seed.json", 0, "a number out of range")
        if not drawer["ordered"]:
            need(len(set(numbers)) == len(numbers), "seed.json", 0, "the same number twice")
            numbers = sorted(numbers)
        text += "".join("%d." % n for n in numbers) + "/"
    return text.encode("ascii")


def salt(manifest, seed):
    if "code" in manifest:
        code = seed.get("code", "")
        need(is_hex(code, 64), "seed.json", 0, "one-time code not hexadecimal")
        need(sha256(bytes.fromhex(code)) == manifest["code"], "seed.json", 0, "not the one-time code of the manifest")
        return bytes.fromhex(code)
    need("code" not in seed, "seed.json", 0, "the manifest names no one-time code")
    name = "%s/%s/%s/%d" % (manifest["format"], manifest["program"], manifest["wave"], manifest["number"])
    return name.encode("utf-8")


# --- 3. The order ------------------------------------------------------------


def rank(roll, plan, prk):
    """Everybody in the order of (tier, number, key, label)."""

    def key(person):
        info = bytes.fromhex(person["label"])
        if plan["ticket"] == "household" and person["household"]:
            info = person["household"].to_bytes(4, "big")
        return hmac.new(prk, info + b"\x01", "sha256").digest()

    for person in roll:
        person["key"] = key(person)
        person.update(reason=None, seat="-", position=0, seat_pool=person["pool"])
    sign = -1 if plan["key"] == "score" else 1  # a higher score comes first
    return sorted(roll, key=lambda p: (p["tier"], sign * p["number"], p["key"], p["label"]))


# --- 4. The seats ------------------------------------------------------------


class Selection:
    """Applies the plan. `waiting` is everybody without a seat, in order."""

    def __init__(self, plan, ordered):
        self.plan = plan
        self.pools = plan["pools"]
        self.parent = {p["id"]: p["parent"] for p in self.pools}
        self.waiting = ordered
        self.cap = plan["household_cap"]
        self.taken = {}  # seats accepted now, by household
        self.moves = []
        self.open = {}  # open seats left, by pool
        self.asides = {}  # set-asides, by pool: [group, left, unfilled]
        for p in self.pools:
            asides = [[r["group"], r["seats"], r["unfilled"]] for r in p["reserves"] if r["kind"] == "set-aside"]
            self.asides[p["id"]] = asides
            self.open[p["id"]] = p["seats"] - sum(a[1] for a in asides)

    def fits(self, person):
        """May the household have one more seat?"""
        household = person["household"]
        if not self.cap or not household:
            return True
        return person["held"] + self.taken.get(household, 0) < self.cap

    def accept(self, person, pool, seat, reason):
        person.update(reason=reason, seat=seat, seat_pool=pool)
        household = person["household"]
        self.taken[household] = self.taken.get(household, 0) + 1

    def offer(self, take):
        """One pass: offer a seat to everybody without one, in order."""
        left = []
        for person in self.waiting:
            if not self.fits(person) or not take(person):
                left.append(person)
        self.waiting = left

    # Step A: guarantees.

    def guarantees(self):
        if self.plan["counting"] == "all":
            self.nested()
            return
        matchings = {}
        for p in self.pools:
            reserves = [r for r in p["reserves"] if r["kind"] == "guarantee"]
            if reserves:
                matchings[p["id"]] = Matching(reserves)

        def take(person):
            matching = matchings.get(person["pool"])
            if matching is None or not matching.add(person):
                return False
            self.open[person["pool"]] -= 1
            self.accept(person, person["pool"], "?", "drawn-guarantee")
            return True

        self.offer(take)
        for matching in matchings.values():
            for group, people in matching.holders.items():
                for person in people:
                    person["seat"] = group

    def nested(self):
        """Each person counts for all groups; the innermost come first."""
        around = groups_around(self.plan)
        missing = {}  # seats still missing, by pool and group
        for p in self.pools:
            missing[p["id"]] = {r["group"]: r["seats"] for r in p["reserves"] if r["kind"] == "guarantee"}
        for depth in sorted({len(a) for a in around.values()}, reverse=True):

            def take(person):
                here = missing[person["pool"]]
                fills = [g for g in around if len(around[g]) == depth and g in person["groups"] and here.get(g, 0) > 0]
                if not fills:
                    return False
                for group in person["groups"]:
                    here[group] = max(here.get(group, 0) - 1, 0)
                self.open[person["pool"]] -= 1
                self.accept(person, person["pool"], fills[-1], "drawn-guarantee")
                return True

            self.offer(take)

    # Step B: seats of the home pool.

    def take_open(self, person, reason):
        pool = person["pool"]
        if self.open[pool] == 0:
            return False
        self.open[pool] -= 1
        self.accept(person, pool, "open", reason)
        return True

    def take_set_aside(self, person):
        for aside in self.asides[person["pool"]]:
            if aside[1] > 0 and aside[0] in person["groups"]:
                aside[1] -= 1
                self.accept(person, person["pool"], aside[0], "drawn-set-aside")
                return True
        return False

    def home(self, person):
        if self.plan["order"] == "reserved-first":
            return self.take_set_aside(person) or self.take_open(person, "drawn-open")
        return self.take_open(person, "drawn-open") or self.take_set_aside(person)

    # Step C: set-aside seats that the group left, opened to the pool.

    def release(self):
        for p in self.pools:
            pool = p["id"]
            for aside in self.asides[pool]:
                if aside[2] == "open" and aside[1] > 0:
                    self.moves.append((0, pool, pool, aside[0], pool, aside[1]))
                    self.open[pool] += aside[1]
                    aside[1] = 0
        self.offer(lambda person: self.take_open(person, "drawn-released"))

    # Step D: unfilled seats move along the spill list.

    def spill(self):
        lots = []  # [origin, where the seats are, how many]
        for p in self.pools:
            if not p["spill"]:
                continue
            pool, total = p["id"], 0
            leaving = [["open", self.open[pool], "spill"]] + self.asides[pool]
            for seat, left, unfilled in leaving:
                if unfilled == "spill" and left > 0:
                    self.moves.append((1, pool, pool, seat, p["spill"][0], left))
                    total += left
            self.open[pool] = 0
            for aside in self.asides[pool]:
                if aside[2] == "spill":
                    aside[1] = 0
            lots.append([pool, p["spill"][0], total])
        self.offer_spilled(lots)
        lists = {p["id"]: p["spill"] for p in self.pools}
        for step in range(1, max([len(x) for x in lists.values()], default=0)):
            moving = [lot for lot in lots if len(lists[lot[0]]) > step]
            for lot in moving:
                to = lists[lot[0]][step]
                if lot[2] > 0:
                    self.moves.append((step + 1, lot[0], lot[1], "open", to, lot[2]))
                lot[1] = to
            self.offer_spilled(moving)

    def offer_spilled(self, lots):
        here = {}  # lots with seats, by the pool where they are, in the order of the plan
        for lot in lots:
            if lot[2] > 0:
                here.setdefault(lot[1], []).append(lot)

        def take(person):
            pool = person["pool"]
            while pool and not here.get(pool):  # the home pool, then each pool above it
                pool = self.parent[pool]
            if not pool:
                return False
            lot = here[pool][0]
            lot[2] -= 1
            if lot[2] == 0:
                here[pool].pop(0)
            self.accept(person, pool, "open", "drawn-spilled")
            return True

        self.offer(take)

    # Step E: waiting lists.

    def reserving(self):
        """By pool: the groups, in plan order, with a reserve in it or above it."""
        own = {p["id"]: {r["group"] for r in p["reserves"]} for p in self.pools}
        all_groups = {}
        for p in self.pools:
            pool, groups = p["id"], set()
            while pool:
                groups |= own[pool]
                pool = self.parent[pool]
            all_groups[p["id"]] = [g["code"] for g in self.plan["groups"] if g["code"] in groups]
        return all_groups

    def wait(self):
        length = {}  # of the list of a pool, and of a group in a pool
        depth, groups = self.plan["waiting"], self.reserving()
        self.queues = {"open": []}  # who may be offered a seat that comes back
        for person in self.waiting:
            pool = person["pool"]
            lists = [(pool, "open")] + [(pool, g) for g in groups[pool] if g in person["groups"]]
            room = [x for x in lists if length.get(x, 0) < depth]
            if room and room[0] == lists[0]:
                self.queues["open"].append(person)
            if room:
                for group in person["groups"]:
                    self.queues.setdefault(group, []).append(person)
            if not self.fits(person):
                person["reason"] = "household-full"
                continue
            for x in room:
                length[x] = length.get(x, 0) + 1
            if not room:
                person["reason"] = "seats-exhausted"
            elif room[0] == lists[0]:
                person.update(reason="waiting", position=length[room[0]])
            else:
                person.update(reason="waiting-reserve", position=length[room[0]])

    def next(self, pool, seat):
        """Whom a seat that comes back is offered to, in order."""
        found = []
        for person in self.queues.get(seat, []):
            at = person["pool"]
            while at and at != pool:
                at = self.parent[at]
            if at:
                found.append(person)
        return found

    def run(self):
        self.guarantees()
        self.offer(self.home)
        self.release()
        self.spill()
        self.wait()


class Matching:
    """People matched to the guarantees of one pool; each fills one."""

    def __init__(self, reserves):
        self.size = {r["group"]: r["seats"] for r in reserves}  # in the order of the plan
        self.holders = {group: [] for group in self.size}  # the latest last
        self.full = set()  # guarantees that no move can make room in, ever

    def add(self, person):
        """Match the person if that fills one more guarantee (an augmenting path)."""
        queue = [g for g in self.size if g in person["groups"] and g not in self.full]
        came_from = {g: None for g in queue}
        for group in queue:  # grows while we go through it: breadth first
            if len(self.holders[group]) < self.size[group]:
                self.move_along(group, came_from, person)
                return True
            for other in self.size:
                if other not in came_from and self.latest(group, other) is not None:
                    came_from[other] = group
                    queue.append(other)
        self.full.update(came_from)
        return False

    def latest(self, group, other):
        """Whoever came last to `group` of those who could fill `other`."""
        for person in reversed(self.holders[group]):
            if other in person["groups"]:
                return person
        return None

    def move_along(self, group, came_from, person):
        while came_from[group] is not None:
            before = came_from[group]
            mover = self.latest(before, group)
            self.holders[before] = [p for p in self.holders[before] if p is not mover]
            self.holders[group].append(mover)
            group = before
        self.holders[group].append(person)


# --- 5. The comparison -------------------------------------------------------


def compare(folder, name, want):
    have = read(folder, name)
    if have == "".join(line + "\n" for line in want).encode("ascii"):
        return
    lines = have.split(b"\n")
    for number, line in enumerate(want, start=1):
        if number > len(lines) or lines[number - 1] != line.encode("ascii"):
            raise Difference(name, number, "differs from the draw done again: want %r" % line)
    raise Difference(name, len(want) + 1, "differs from the draw done again: too much or too little at the end")


def check_manifest(manifest):
    def must(condition, rule):
        need(condition, "manifest.json", 0, rule)

    must(manifest["format"] == FORMAT, "unknown format")
    must(ID.match(manifest["program"]) and ID.match(manifest["wave"]), "program and wave must be names")
    number, reason = manifest["number"], manifest.get("reason", "")
    must(1 <= number <= 1000000, "number must be 1 to 1000000")
    must((number > 1) == bool(reason) and is_text(reason), "a draw after the first needs a reason, and no other")
    must(manifest["count"] >= 0, "count is negative")
    frozen, due = seconds(manifest["frozen"]), seconds(manifest.get("due", ""))
    must(due is None or frozen < due, "due must be after frozen")
    witnesses = manifest.get("witnesses", [])
    names, keys = {w["name"] for w in witnesses}, {w["key"] for w in witnesses}
    must(len(names) == len(keys) == len(witnesses) <= 100, "a witness named twice")
    must(all(ID.match(n) for n in names), "a witness without a name")
    must("0" * 64 not in keys, "a witness without a key")
    must(due is not None or not witnesses, "witnesses, and no due")
    source = manifest["source"]
    check_source(source)
    if "beacon" in source:
        at = speaks(source["beacon"])
        must(at is None or frozen < at, "the round speaks before the roll is frozen")
        must(at is None or due is None or due <= at, "the round speaks before due")
    if "fallback" in source:
        until, at = seconds(source["fallback"]["until"]), speaks(source["fallback"]["beacon"])
        must(due is not None and due <= until, "fallback before due")
        must(at is None or until < at, "the round of the fallback speaks before until")


def one_manifest(have, seed, announced):
    """Of the manifest and of those that two other files name: which stands alone?"""
    if have == seed == announced:
        return
    need(seed != announced, "manifest.json", 0, "its digest is not that in seed.json and announcement.json")
    need(have != announced, "seed.json", 0, "manifest is not the digest of manifest.json")
    need(have != seed, "announcement.json", 0, "manifest is not the digest of manifest.json")
    raise Difference("manifest.json", 0, "its digest, and those in seed.json and announcement.json, are three")


def verify(folder):
    """Redoes the draw. What it returns is all that there is to say of it."""
    manifest, manifest_digest = read_json(folder, "manifest.json")
    check_manifest(manifest)
    seed, seed_digest = read_json(folder, "seed.json")
    announcement, announced = read_json(folder, "announcement.json")
    one_manifest(manifest_digest, seed["manifest"], announcement["manifest"])
    plan, plan_digest = read_plan(folder)
    need(plan_digest == manifest["plan"], "plan.json", 0, "its digest is not that in manifest.json")
    need(len(manifest.get("witnesses", [])) >= plan["witnesses"], "manifest.json", 0, "fewer witnesses than the plan demands")
    # HKDF-Extract of RFC 5869, with SHA-256.
    prk = hmac.new(salt(manifest, seed), randomness(manifest["source"], seed), "sha256").digest()
    roll, roll_digest, tree = read_roll(folder, plan)
    need(roll_digest == manifest["roll"], "roll.tsv", 0, "its digest is not that in manifest.json")
    need(tree == manifest["tree"], "manifest.json", 0, "tree is not the root over the lines of the roll")
    need(len(roll) == manifest["count"], "manifest.json", 0, "count is not the number of lines of the roll")
    need(announcement["seed"] == seed_digest, "seed.json", 0, "its digest is not that in announcement.json")
    removals = sha256(read(folder, "removals.tsv"))
    need(announcement["removals"] == removals, "removals.tsv", 0, "its digest is not that in announcement.json")
    witnesses, witnesses_digest = read_witnesses(folder, manifest, manifest_digest)
    need(announcement["witnesses"] == witnesses_digest, "witnesses.json", 0, "its digest is not that in announcement.json")
    removed = read_removals(folder, roll)

    selection = Selection(plan, [p for p in rank(roll, plan, prk) if p["label"] not in removed])
    selection.run()
    for person in roll:
        if person["label"] in removed:
            person["reason"] = "removed"

    result = ["\t".join([p["label"], p["reason"], p["seat_pool"], p["seat"], str(p["position"])]) for p in roll]
    compare(folder, "result.tsv", [RESULT_HEADER] + result)
    moves = [MOVES_HEADER] + ["\t".join(str(x) for x in move) for move in selection.moves]
    compare(folder, "moves.tsv", moves)
    want = {
        "manifest": manifest_digest,
        "witnesses": witnesses_digest,
        "seed": seed_digest,
        "removals": removals,
        "result": sha256(read(folder, "result.tsv")),
        "tree": tree_root([line.encode("ascii") for line in result]),
        "moves": sha256(read(folder, "moves.tsv")),
        "count": len(roll),
        "seated": sum(p["seat"] != "-" for p in roll),
    }
    for field, value in want.items():
        need(announcement[field] == value, "announcement.json", 0, field + " differs from the draw done again")
    return manifest, manifest_digest, seed, announced, witnesses, len(removed), selection


def main(args):
    asked = args[1:2] == ["--next"]
    if asked and len(args) != 4 or not asked and len(args) not in (1, 2, 4):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if asked:
            for person in verify(args[0])[-1].next(args[2], args[3]):
                print("%s\t%s\t%d" % (person["label"], person["reason"], person["household"]))
            return 0
        if len(args) > 1:
            verify_person(*args)
            return 0
        manifest, digest, seed, announced, witnesses, removed, _ = verify(args[0])
    except Difference as e:
        print("REFUSED " + str(e))
        return 1
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        print("REFUSED %s: it lacks a field or has one of another type: %r" % (LAST_READ[0], e))
        return 1
    print("OK draw %d of wave %s: the result follows from the roll, the plan and the seed" % (manifest["number"], manifest["wave"]))
    print("manifest %s   compare with what was published before the draw" % digest)
    print("announcement %s   compare with what was published with the result" % announced)
    for w in witnesses:
        print("witness %s: signed in time with the key %s   compare with the witness's published key" % (w["name"], w["key"]))
    if not witnesses:
        print("witnesses: none, and the plan demands none: nothing here shows that the roll was there before the seed")
    if removed:
        print("removals: %d after the roll was frozen, each with its reason in removals.tsv" % removed)
    if manifest["number"] > 1:
        print("draw %d of the wave, because: %s" % (manifest["number"], manifest["reason"]))
    if "fallback" in seed:
        print("FALLBACK: check that the source published nothing until %s" % manifest["source"]["fallback"]["until"])
    if "beacon" in seed:
        beacon = spoke(manifest["source"], seed)
        print("seed %s   compare with round %d of %s (its signature was NOT checked here)" % (seed["beacon"], beacon["round"], beacon["name"]))
        if speaks(beacon) is None:
            after = manifest["source"]["fallback"]["until"] if "fallback" in seed else manifest.get("due", manifest["frozen"])
            print("time: NOT checked, the chain is not known here: look up that the round was not published before %s" % after)
    else:
        print("seed numbers   compare with what the witnesses published")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
