#!/usr/bin/env python3
"""Redo a draw from its proof folder and name the first difference.

    python3 verify_draw.py DIR [PERSON.json]

With PERSON.json it checks one person instead: that the two lines in it are in
the trees of DIR/manifest.json and DIR/announcement.json. Needs Python 3.8 or later and nothing else. It follows docs/draw.md and shares
no code with the library that made the draw. Exit code: 0 the result follows
from the roll, the plan and the seed; 1 it does not; 2 wrong usage.

It does NOT check the signature of a beacon round, nor those of witnesses and
receipts (the standard library of Python cannot), nor when the manifest was
published: compare the values that it prints with what was published.
"""

import hashlib
import hmac
import json
import math
import os
import re
import sys

FORMAT = "gelombang-draw-2"
FLOOR = 128  # bits of entropy
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", re.ASCII)
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z", re.ASCII)
NUMBER = re.compile(r"(0|[1-9][0-9]{0,9})\Z", re.ASCII)
ROLL_HEADER = "label\tpool\ttier\tnumber\thousehold\theld\tgroups\tcommitment"
REMOVALS_HEADER = "label\treason"
RESULT_HEADER = "label\treason\tpool\tseat\tposition"
MOVES_HEADER = "round\torigin\tfrom\tseat\tto\tseats"
REQUIRED = {
    "plan.json": ["name", "ticket", "tiers", "pools"],
    "manifest.json": ["format", "program", "wave", "number", "plan", "roll", "tree", "count", "source", "frozen"],
    "seed.json": ["manifest"],
    "witnesses.json": ["attestations"],
    "announcement.json": ["seed", "removals", "result", "tree", "moves", "count", "seated"],
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


def known(value, fields, name):
    """Nothing that these rules do not know: it might be meant to change the draw."""
    unknown = sorted(set(value) - set(fields.split()))
    need(not unknown, name, 0, "unknown field %s" % ", ".join(unknown))


def read_json(folder, name):
    """The value, and the SHA-256 of the file."""
    data = read(folder, name)
    try:
        value = json.loads(data.decode("utf-8"), parse_float=no_fraction, parse_constant=no_fraction)
    except ValueError as e:
        raise Difference(name, 0, "not JSON: %s" % e)
    need(isinstance(value, dict), name, 0, "not an object")
    for field in REQUIRED.get(name, []):
        need(field in value, name, 0, field + " is missing")
    # One text for one value: no field twice, no other spelling of the same.
    canonical = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    need(data == canonical.encode("utf-8"), name, 0, "not canonical JSON")
    return value, sha256(data)


def read_plan(folder):
    plan, digest = read_json(folder, "plan.json")
    known(plan, "name groups order household_cap ticket tiers key counting waiting smallest_cell small_cells witnesses pools", "plan.json")
    for group in plan.get("groups", []):
        known(group, "code meaning public within", "plan.json")
    for pool in plan["pools"]:
        known(pool, "id parent seats reserves spill", "plan.json")
        for r in pool.get("reserves", []):
            known(r, "group seats kind unfilled", "plan.json")
    # Fields that may be left out.
    plan.setdefault("groups", [])
    plan.setdefault("order", "")
    plan.setdefault("household_cap", 0)
    plan.setdefault("waiting", 0)
    plan.setdefault("key", "lottery")
    plan.setdefault("counting", "once")
    plan.setdefault("smallest_cell", 0)
    plan.setdefault("witnesses", 0)
    need(plan.get("small_cells", "refuse") in ("refuse", "merge"), "plan.json", 0, "unknown small_cells")
    need("small_cells" not in plan or plan["smallest_cell"] > 1, "plan.json", 0, "small_cells without smallest_cell")
    need(0 <= plan["witnesses"] <= 100, "plan.json", 0, "witnesses must be 0 to 100")
    need(plan["key"] in ("lottery", "score", "arrival"), "plan.json", 0, "unknown key")
    need(plan["counting"] in ("once", "all"), "plan.json", 0, "unknown counting")
    need(plan["key"] == "lottery" or plan["ticket"] == "person", "plan.json", 0, "key must be lottery")
    for pool in plan["pools"]:
        pool.setdefault("parent", "")
        pool.setdefault("reserves", [])
        pool.setdefault("spill", [])
        reserved = sum(r["seats"] for r in pool["reserves"])
        need(reserved <= pool["seats"], "plan.json", 0, "more reserves than seats in " + pool["id"])
        for r in pool["reserves"]:
            need(r["seats"] >= 0, "plan.json", 0, "negative seats")
            need(r["kind"] in ("guarantee", "set-aside"), "plan.json", 0, "unknown kind")
            if r["kind"] == "set-aside":
                need(plan["order"] in ("open-first", "reserved-first"), "plan.json", 0, "order is missing")
                need(r.get("unfilled") in ("keep", "open", "spill"), "plan.json", 0, "unfilled is missing")
    ids = [pool["id"] for pool in plan["pools"]]
    codes = [group["code"] for group in plan["groups"]]
    before = []
    for group in plan["groups"]:
        group.setdefault("within", "")
        need(not group["within"] or group["within"] in before, "plan.json", 0, "within is not a group before")
        before.append(group["code"])
    need(len(set(ids)) == len(ids), "plan.json", 0, "two pools of one ID")
    need(len(set(codes)) == len(codes), "plan.json", 0, "two groups of one code")
    need(all(ID.match(x) for x in ids + codes), "plan.json", 0, "a name with other letters")
    need(plan["ticket"] in ("person", "household"), "plan.json", 0, "unknown ticket")
    for pool in plan["pools"]:
        for other in pool["spill"] + ([pool["parent"]] if pool["parent"] else []):
            need(other in ids, "plan.json", 0, "unknown pool " + other)
    check_tree(plan)
    return plan, digest


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
    lines = read(folder, "removals.tsv").decode("utf-8", "replace").split("\n")
    need(lines[0] == REMOVALS_HEADER and lines[-1] == "", "removals.tsv", 1, "not the header, or no newline at the end")
    labels, removed = {p["label"] for p in roll}, set()
    for number, line in enumerate(lines[1:-1], start=2):
        label, _, reason = line.partition("\t")
        need(label in labels and label not in removed, "removals.tsv", number, "not on the roll, or removed twice")
        need(reason and all(c >= " " and c not in "\x7f\u2028\u2029\ufffd" for c in reason), "removals.tsv", number, "no reason")
        removed.add(label)
    return removed


def read_witnesses(folder, manifest, digest):
    """Everything but the signatures."""
    given, _ = read_json(folder, "witnesses.json")
    given, named = given["attestations"] or [], manifest.get("witnesses", [])
    need(len(given) == len(named), "witnesses.json", 0, "not one attestation for each witness")
    for a, w in zip(given, named):
        need(a["witness"] == w["name"] and a["manifest"] == digest, "witnesses.json", 0, "not of this witness and this manifest")
        need(INSTANT.match(a["at"]), "witnesses.json", 0, "not an instant")
        need(manifest["frozen"] <= a["at"] < manifest["due"], "witnesses.json", 0, "not between the freeze and the seed")
    return named


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


def verify_person(folder, path):
    manifest, digest = read_json(folder, "manifest.json")
    announcement, announced = read_json(folder, "announcement.json")
    person, _ = read_json(os.path.dirname(path) or ".", os.path.basename(path))
    need(announcement["count"] == manifest["count"], path, 0, "the result has not as many lines as the roll")
    root = path_root(manifest["count"], person["at"], person["roll"], person["roll_path"] or [])
    need(root == manifest["tree"], path, 0, "not a line of the roll at this place")
    root = path_root(announcement["count"], person["at"], person["result"], person["result_path"] or [])
    need(root == announcement["tree"], path, 0, "not a line of the result at this place")
    need(person["roll"].split("\t")[0] == person["result"].split("\t")[0], path, 0, "two labels")
    print("OK this line is on the roll:   " + person["roll"])
    print("OK this line is in the result: " + person["result"])
    print("manifest %s   compare with what was published before the draw" % digest)
    print("announcement %s   compare with what was published with the result" % announced)


# --- 2. The seed -------------------------------------------------------------


def check_source(source):
    """The source named in advance must have enough entropy."""
    beacon, witnessed = source.get("beacon"), source.get("witnessed", [])
    need(bool(beacon) != bool(witnessed), "manifest.json", 0, "one source: a beacon or witnessed numbers")
    fallback = source.get("fallback")
    if fallback is not None:
        need(fallback["condition"] == "not-published", "manifest.json", 0, "unknown condition of the fallback")
        other = fallback["beacon"]
        check_beacon(other)
        later = not beacon or other["chain"] != beacon["chain"] or other["round"] > beacon["round"]
        need(later, "manifest.json", 0, "the fallback must be another beacon or a later round")
    if beacon:
        check_beacon(beacon)
        return
    bits = 0
    for drawer in witnessed:
        span = drawer["high"] - drawer["low"] + 1
        need(0 <= drawer["low"] and drawer["high"] < 1 << 32 and drawer["bits"] <= 32000, "manifest.json", 0, "impossible numbers")
        need(0 < span and 1 <= drawer["count"] <= 1000, "manifest.json", 0, "impossible numbers")
        outcomes = span ** drawer["count"] if drawer["ordered"] else math.comb(span, drawer["count"])
        need(drawer["bits"] >= 0 and outcomes >= 2 ** drawer["bits"], "manifest.json", 0,
             "states more bits than such numbers can have")
        bits += drawer["bits"]
    need(bits >= FLOOR, "manifest.json", 0, "only %d bits of stated entropy" % bits)


def check_beacon(beacon):
    need(ID.match(beacon["name"]) and ID.match(beacon["chain"]), "manifest.json", 0, "a beacon needs name and chain")
    need(0 < beacon["round"] < 1 << 64, "manifest.json", 0, "a beacon needs a round")


def spoke(source, seed):
    """The beacon that the seed is of; None is witnessed numbers."""
    if "fallback" in seed:
        need(seed["fallback"] is True and "fallback" in source, "seed.json", 0, "the manifest names no fallback")
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
        need(reading["witnesses"], "seed.json", 0, "no witness")
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
        person.update(reason=None, seat="-", position=0)
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
        person.update(reason=reason, seat=seat, pool=pool)
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

    def wait(self):
        length = {p["id"]: 0 for p in self.pools}
        for person in self.waiting:
            pool = person["pool"]
            if not self.fits(person):
                person["reason"] = "household-full"
            elif length[pool] < self.plan["waiting"]:
                length[pool] += 1
                person.update(reason="waiting", position=length[pool])
            else:
                person["reason"] = "seats-exhausted"

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
    known(manifest, "format program wave number reason plan roll tree count source code frozen due witnesses", "manifest.json")
    known(manifest["source"], "beacon witnessed fallback", "manifest.json")
    number, reason = manifest["number"], manifest.get("reason", "")
    need(type(number) is int and 1 <= number <= 1000000, "manifest.json", 0, "number must be 1 to 1000000")
    need((number > 1) == bool(reason), "manifest.json", 0, "a draw after the first needs a reason, and no other")
    frozen, due, fallback = manifest["frozen"], manifest.get("due", ""), manifest["source"].get("fallback")
    need(INSTANT.match(frozen), "manifest.json", 0, "frozen must be UTC in whole seconds")
    need(not due or INSTANT.match(due) and frozen < due, "manifest.json", 0, "due must be UTC in whole seconds, after frozen")
    if fallback is not None:
        need(due and INSTANT.match(fallback["until"]) and due <= fallback["until"], "manifest.json", 0, "fallback before due")
    witnesses = manifest.get("witnesses", [])
    names, keys = {w["name"] for w in witnesses}, {w["key"] for w in witnesses}
    need(len(names) == len(keys) == len(witnesses) <= 100, "manifest.json", 0, "a witness named twice")
    need(all(is_hex(k, 64) and k != "0" * 64 for k in keys), "manifest.json", 0, "a witness without a key")
    need(due or not witnesses, "manifest.json", 0, "witnesses, and no due")


def verify(folder):
    manifest, manifest_digest = read_json(folder, "manifest.json")
    need(manifest.get("format") == FORMAT, "manifest.json", 0, "unknown format")
    check_manifest(manifest)
    check_source(manifest["source"])
    plan, plan_digest = read_plan(folder)
    seed, seed_digest = read_json(folder, "seed.json")
    known(seed, "manifest beacon signature previous witnessed fallback code", "seed.json")
    need(plan_digest == manifest["plan"], "plan.json", 0, "its digest is not that in manifest.json")
    need(len(manifest.get("witnesses", [])) >= plan["witnesses"], "manifest.json", 0, "fewer witnesses than the plan demands")
    need(seed.get("manifest") == manifest_digest, "seed.json", 0, "manifest is not the digest of manifest.json")
    roll, roll_digest, tree = read_roll(folder, plan)
    need(roll_digest == manifest["roll"], "roll.tsv", 0, "its digest is not that in manifest.json")
    need(tree == manifest["tree"], "manifest.json", 0, "tree is not the root over the lines of the roll")
    need(len(roll) == manifest["count"], "manifest.json", 0, "count is not the number of lines of the roll")
    announcement, announced = read_json(folder, "announcement.json")
    need(announcement.get("seed") == seed_digest, "seed.json", 0, "its digest is not that in announcement.json")
    removals = sha256(read(folder, "removals.tsv"))
    need(announcement.get("removals") == removals, "removals.tsv", 0, "its digest is not that in announcement.json")
    witnesses = read_witnesses(folder, manifest, manifest_digest)
    removed = read_removals(folder, roll)

    # HKDF-Extract of RFC 5869, with SHA-256.
    prk = hmac.new(salt(manifest, seed), randomness(manifest["source"], seed), "sha256").digest()
    ordered = rank(roll, plan, prk)
    selection = Selection(plan, [p for p in ordered if p["label"] not in removed])
    selection.run()
    for person in roll:
        if person["label"] in removed:
            person["reason"] = "removed"

    result = ["\t".join([p["label"], p["reason"], p["pool"], p["seat"], str(p["position"])]) for p in roll]
    compare(folder, "result.tsv", [RESULT_HEADER] + result)
    moves = [MOVES_HEADER] + ["\t".join(str(x) for x in move) for move in selection.moves]
    compare(folder, "moves.tsv", moves)
    want = {
        "seed": seed_digest,
        "removals": removals,
        "result": sha256(read(folder, "result.tsv")),
        "tree": tree_root([line.encode("ascii") for line in result]),
        "moves": sha256(read(folder, "moves.tsv")),
        "count": len(roll),
        "seated": sum(p["seat"] != "-" for p in roll),
    }
    for field, value in want.items():
        need(announcement.get(field) == value, "announcement.json", 0, field + " differs from the draw done again")
    need(list(announcement) == list(want), "announcement.json", 0, "other fields, or another order")
    return manifest, manifest_digest, seed, announced, witnesses, len(removed)


def main(args):
    if len(args) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if len(args) == 2:
            verify_person(args[0], args[1])
            return 0
        manifest, digest, seed, announced, witnesses, removed = verify(args[0])
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
        print("witness %s: the signature was NOT checked here" % w["name"])
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
    else:
        print("seed numbers   compare with what the witnesses published")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
