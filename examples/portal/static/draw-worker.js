// Redoes a draw from its proof, as docs/draw.md has it, and names the first difference. It shares no
// code with the library that made the draw. It runs beside the page, so that the page stays usable.
"use strict";

const FORMAT = "gelombang-draw-3";
const MOST = 200000; // people on a roll that a browser is asked to draw again
const ROLL_HEADER = "label\tpool\ttier\tnumber\thousehold\theld\tgroups\tcommitment";
const RESULT_HEADER = "label\treason\tpool\tseat\tposition";
const MOVES_HEADER = "round\torigin\tfrom\tseat\tto\tseats";
const CHAINS = {
  "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971": [1692803367, 3],
  "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce": [1595431050, 30],
};

class Difference extends Error {}
const need = (ok, file, rule) => { if (!ok) throw new Difference(file + ": " + rule); };
const utf8 = new TextEncoder();
const hexOf = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) || [], (h) => parseInt(h, 16));
const isHex = (text, digits) => typeof text === "string" && text.length === digits && /^[0-9a-f]*$/.test(text);

// --- SHA-256 ---------------------------------------------------------------------------------
// Web Crypto answers each question later, which is slow for millions of short ones. So short ones are
// hashed here, and whole files with both, which must agree.

const K = new Uint32Array(64);
const START = new Uint32Array(8);
(() => {
  const fraction = (x) => Math.floor((x - Math.floor(x)) * 4294967296);
  let n = 0;
  for (let p = 2; n < 64; p++) {
    let prime = true;
    for (let d = 2; d * d <= p; d++) if (p % d === 0) { prime = false; break; }
    if (!prime) continue;
    if (n < 8) START[n] = fraction(Math.sqrt(p));
    K[n++] = fraction(Math.cbrt(p));
  }
})();
const W = new Uint32Array(64);

function block(state, data, at) {
  for (let i = 0; i < 16; i++, at += 4) W[i] = (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3];
  for (let i = 16; i < 64; i++) {
    const x = W[i - 15], y = W[i - 2];
    W[i] = W[i - 16] + W[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ (x >>> 3)) + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ (y >>> 10));
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const t = (h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const u = (((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t) | 0; d = c; c = b; b = a; a = (t + u) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

// finish hashes data after `before` bytes that are in the state already.
function finish(state, data, before) {
  state = state.slice();
  let at = 0;
  for (; at + 64 <= data.length; at += 64) block(state, data, at);
  const rest = data.length - at, size = rest < 56 ? 64 : 128, tail = new Uint8Array(size);
  tail.set(data.subarray(at));
  tail[rest] = 0x80;
  const bits = (before + data.length) * 8, view = new DataView(tail.buffer);
  view.setUint32(size - 8, Math.floor(bits / 4294967296));
  view.setUint32(size - 4, bits >>> 0);
  for (at = 0; at < size; at += 64) block(state, tail, at);
  const out = new Uint8Array(32), o = new DataView(out.buffer);
  for (let i = 0; i < 8; i++) o.setUint32(4 * i, state[i]);
  return out;
}
const sha256 = (data) => finish(START, data, 0);

// hmac returns a function that computes HMAC-SHA256 with a key.
function hmac(key) {
  if (key.length > 64) key = sha256(key);
  const pad = (byte) => {
    const state = START.slice(), data = new Uint8Array(64).fill(byte);
    key.forEach((k, i) => { data[i] ^= k; });
    block(state, data, 0);
    return state;
  };
  const inner = pad(0x36), outer = pad(0x5c);
  return (data) => finish(outer, finish(inner, data, 64), 64);
}

async function digestOf(data, name) {
  const web = hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
  need(web === hexOf(sha256(data)), name, "two ways of hashing it do not agree");
  return web;
}

// --- The files -------------------------------------------------------------------------------

const SCHEMA = {
  "plan.json": "name:str groups?:[]group order?:str household_cap?:int limits?:[]str ticket:str tiers:int key?:str counting?:str waiting?:int smallest_cell?:int small_cells?:str witnesses?:int pools:[]pool",
  group: "code:str meaning:str public?:str within?:str",
  pool: "id:str parent?:str seats:int reserves?:[]reserve spill?:[]str",
  reserve: "group:str seats:int kind:str unfilled?:str",
  "manifest.json": "format:str program:str wave:str number:int reason?:str plan:digest roll:digest tree:digest count:int source:source code?:digest frozen:instant due?:instant witnesses?:[]witness",
  source: "beacon?:beacon witnessed?:[]drawer fallback?:fallback",
  beacon: "name:str chain:str round:int",
  drawer: "name:str count:int low:int high:int ordered:bool bits:int",
  fallback: "condition:str until:instant beacon:beacon",
  witness: "name:str key:digest",
  "witnesses.json": "attestations:[]attestation",
  attestation: "witness:str manifest:digest at:instant signature:str",
  "seed.json": "manifest:digest beacon?:str signature?:str previous?:str witnessed?:[]reading fallback?:bool code?:str",
  reading: "numbers:[]int witnesses:[]str",
  "announcement.json": "manifest:digest witnesses:digest seed:digest removals:digest result:digest tree:digest moves:digest count:int seated:int",
  person: "at:int roll:str roll_path:[]digest result:str result_path:[]digest",
};

function shape(value, kind, name, where) {
  if (kind.startsWith("[]")) {
    need(value === null || Array.isArray(value), name, where + " is not a list");
    (value || []).forEach((item, i) => shape(item, kind.slice(2), name, where + "[" + i + "]"));
  } else if (SCHEMA[kind]) {
    need(value !== null && typeof value === "object" && !Array.isArray(value), name, where + " is not an object");
    const fields = SCHEMA[kind].split(" ").map((f) => f.split(":")), names = fields.map(([f]) => f.replace("?", ""));
    need(Object.keys(value).every((k) => names.includes(k)), name, "unknown field in " + where);
    need(Object.keys(value).join() === names.filter((f) => f in value).join(), name, where + ": fields in another order");
    fields.forEach(([field, inner], i) => {
      if (names[i] in value) shape(value[names[i]], inner, name, where + "." + names[i]);
      else need(field !== names[i], name, where + "." + names[i] + " is missing");
    });
  } else if (kind === "int") need(Number.isSafeInteger(value), name, where + " is not a whole number");
  else if (kind === "bool") need(typeof value === "boolean", name, where + " is not true or false");
  else {
    need(typeof value === "string", name, where + " is not a text");
    need(kind !== "digest" || isHex(value, 64), name, where + " is not a digest");
    need(kind !== "instant" || seconds(value) !== null, name, where + " is not an instant");
  }
}

const seconds = (text) => {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text || "")) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at / 1000;
};

function textOf(files, name) {
  need(files[name], name, "missing");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(files[name]);
  } catch {
    throw new Difference(name + ": not UTF-8");
  }
}

function readJSON(files, name, kind) {
  const text = textOf(files, name);
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Difference(name + ": not JSON");
  }
  shape(value, kind || name, name, "it");
  need(JSON.stringify(value, null, 2) + "\n" === text, name, "not canonical JSON");
  return value;
}

function linesOf(files, name, header) {
  const text = textOf(files, name);
  need(text.endsWith("\n"), name, "no newline at the end");
  const lines = text.slice(0, -1).split("\n");
  need(lines.shift() === header, name, "not the header");
  return lines;
}

// --- The Merkle tree of RFC 6962 -------------------------------------------------------------

const pair = new Uint8Array(65);
pair[0] = 1;
function join(left, right) {
  pair.set(left, 1);
  pair.set(right, 33);
  return sha256(pair);
}
function leaf(line) {
  const text = utf8.encode(line), data = new Uint8Array(text.length + 1);
  data.set(text, 1);
  return sha256(data);
}
function treeRoot(lines, progress) {
  let level = lines.map((line, i) => {
    if (progress && i % 4096 === 0) progress(i / lines.length);
    return leaf(line);
  });
  if (level.length === 0) return hexOf(sha256(new Uint8Array()));
  while (level.length > 1) {
    const next = [];
    for (let i = 0; i + 1 < level.length; i += 2) next.push(join(level[i], level[i + 1]));
    if (level.length % 2) next.push(level[level.length - 1]);
    level = next;
  }
  return hexOf(level[0]);
}
function pathRoot(count, at, line, path) {
  if (!(at >= 0 && at < count)) return null;
  const steps = [];
  for (let low = at, size = count; size > 1;) {
    let half = 1;
    while (half * 2 < size) half *= 2;
    const left = low < half;
    steps.push(left);
    [low, size] = left ? [low, half] : [low - half, size - half];
  }
  if (steps.length !== path.length) return null;
  let node = leaf(line);
  steps.reverse().forEach((left, i) => { node = left ? join(node, bytesOf(path[i])) : join(bytesOf(path[i]), node); });
  return hexOf(node);
}

// --- The seed --------------------------------------------------------------------------------

function speaks(beacon) {
  const chain = CHAINS[beacon.chain];
  return chain ? chain[0] + (beacon.round - 1) * chain[1] : null;
}

function checkManifest(m) {
  const must = (ok, rule) => need(ok, "manifest.json", rule);
  must(m.format === FORMAT, "unknown format");
  must(m.number >= 1 && (m.number > 1) === Boolean(m.reason), "a draw after the first needs a reason, and no other");
  const frozen = seconds(m.frozen), due = m.due ? seconds(m.due) : null;
  must(due === null || frozen < due, "due must be after frozen");
  const named = m.witnesses || [];
  must(new Set(named.map((w) => w.name)).size === named.length && new Set(named.map((w) => w.key)).size === named.length, "a witness named twice");
  must(due !== null || named.length === 0, "witnesses, and no due");
  const { beacon, witnessed = [], fallback } = m.source;
  must(Boolean(beacon) !== witnessed.length > 0, "one source: a beacon or witnessed numbers");
  if (beacon) {
    const at = speaks(beacon);
    must(at === null || (frozen < at && (due === null || due <= at)), "the round speaks too early");
  } else {
    must(!fallback, "a fallback of witnessed numbers");
    let bits = 0;
    for (const d of witnessed) {
      const span = d.high - d.low + 1;
      must(span > 0 && d.low >= 0 && d.count >= 1 && d.count <= 1000, "impossible numbers");
      let most = 0; // bits that such numbers can have
      for (let i = 0; i < d.count; i++) most += d.ordered ? Math.log2(span) : Math.log2((span - i) / (d.count - i));
      must(d.bits <= most + 1e-6, "states more bits than such numbers can have");
      bits += d.bits;
    }
    must(bits >= 128, "too little stated entropy");
  }
}

function randomness(source, seed) {
  const must = (ok, rule) => need(ok, "seed.json", rule);
  const beacon = seed.fallback ? source.fallback && source.fallback.beacon : source.beacon;
  must(!seed.fallback || source.fallback, "the manifest names no fallback");
  if (beacon) {
    must(!seed.witnessed && /^([0-9a-f]{2}){16,1024}$/.test(seed.beacon || ""), "beacon value");
    if (seed.signature) must(hexOf(sha256(bytesOf(seed.signature))) === seed.beacon, "the beacon is not the SHA-256 of the signature");
    return bytesOf(seed.beacon);
  }
  must(!seed.beacon && !seed.signature && !seed.previous, "the source is witnessed numbers");
  const readings = seed.witnessed || [];
  must(readings.length === source.witnessed.length, "not one reading for each source");
  let text = "";
  source.witnessed.forEach((d, i) => {
    let numbers = readings[i].numbers || [];
    must((readings[i].witnesses || []).length > 0, "no witness");
    must(numbers.length === d.count && numbers.every((n) => n >= d.low && n <= d.high), "not the numbers that were announced");
    if (!d.ordered) {
      must(new Set(numbers).size === numbers.length, "the same number twice");
      numbers = numbers.slice().sort((a, b) => a - b);
    }
    text += numbers.map((n) => n + ".").join("") + "/";
  });
  return utf8.encode(text);
}

function keyMaker(manifest, seed) {
  let salt = utf8.encode([manifest.format, manifest.program, manifest.wave, manifest.number].join("/"));
  if (manifest.code) {
    need(isHex(seed.code, 64) && hexOf(sha256(bytesOf(seed.code))) === manifest.code, "seed.json", "not the one-time code of the manifest");
    salt = bytesOf(seed.code);
  } else need(!seed.code, "seed.json", "the manifest names no one-time code");
  const expand = hmac(hmac(salt)(randomness(manifest.source, seed))); // HKDF, RFC 5869
  return (info) => {
    const data = new Uint8Array(info.length + 1);
    data.set(info);
    data[info.length] = 1;
    return hexOf(expand(data));
  };
}

function infoOf(person, plan) {
  if (plan.ticket !== "household" || !person.household) return bytesOf(person.label);
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, person.household);
  return data;
}

// --- The roll --------------------------------------------------------------------------------

function personOf(line, number, plan, pools, around) {
  const f = line.split("\t"), must = (ok, rule) => need(ok, "roll.tsv line " + number, rule);
  must(f.length === 8, "not eight fields");
  const [label, pool, tier, count, household, held, groups, commitment] = f;
  must(isHex(label, 32) && isHex(commitment, 64), "label or commitment not hexadecimal");
  must(pools.has(pool), "unknown pool");
  must([tier, count, household, held].every((x) => /^(0|[1-9][0-9]{0,9})$/.test(x)), "not a canonical number");
  const list = groups === "-" ? [] : groups.split(",");
  must(list.join() === plan.groups.map((g) => g.code).filter((c) => list.includes(c)).join(), "groups are not codes of the plan in its order");
  const p = { label, pool, tier: Number(tier), number: Number(count), household: Number(household), held: Number(held), groups: new Set(list), reason: "", seat: "-", seatPool: pool, position: 0 };
  must(p.tier < plan.tiers && p.number < 4294967296 && p.household < 4294967296 && p.held < 256, "number out of range");
  must(p.number === 0 || plan.key !== "lottery", "a number in a lottery");
  for (const g of list) must([...around.get(g)].every((a) => p.groups.has(a)), "groups do not nest as the plan says");
  return p;
}

function readPlan(files) {
  const plan = readJSON(files, "plan.json");
  const defaults = { groups: [], order: "", household_cap: 0, limits: [], key: "lottery", counting: "once", waiting: 0, smallest_cell: 0, witnesses: 0 };
  for (const k in defaults) if (!plan[k]) plan[k] = defaults[k];
  const ids = new Set(plan.pools.map((p) => p.id)), must = (ok, rule) => need(ok, "plan.json", rule);
  must(ids.size === plan.pools.length, "a pool twice");
  for (const p of plan.pools) {
    p.parent = p.parent || ""; p.reserves = p.reserves || []; p.spill = p.spill || [];
    must(!p.parent || ids.has(p.parent), "unknown parent of " + p.id);
    must(p.spill.every((x) => ids.has(x) && x !== p.id), "unknown pool in a spill list");
    must(p.reserves.every((r) => plan.groups.some((g) => g.code === r.group)) && p.reserves.reduce((s, r) => s + r.seats, 0) <= p.seats, "reserves of " + p.id);
  }
  const parent = new Map(plan.pools.map((p) => [p.id, p.parent]));
  for (const p of plan.pools) for (let at = p.id, n = 0; at; at = parent.get(at), n++) must(n <= plan.pools.length, "a pool is its own ancestor");
  return plan;
}

function groupsAround(plan) {
  const around = new Map();
  for (const g of plan.groups) around.set(g.code, g.within ? new Set([...around.get(g.within), g.within]) : new Set());
  return around;
}

// --- The seats -------------------------------------------------------------------------------

class Selection {
  constructor(plan, ordered) {
    this.plan = plan;
    this.parent = new Map(plan.pools.map((p) => [p.id, p.parent]));
    this.waiting = ordered;
    this.taken = new Map();
    this.moves = [];
    this.open = new Map();
    this.asides = new Map();
    for (const p of plan.pools) {
      const asides = p.reserves.filter((r) => r.kind === "set-aside").map((r) => ({ group: r.group, left: r.seats, unfilled: r.unfilled }));
      this.asides.set(p.id, asides);
      this.open.set(p.id, p.seats - asides.reduce((s, a) => s + a.left, 0));
    }
  }
  fits(p) {
    return !this.plan.household_cap || !p.household || p.held + (this.taken.get(p.household) || 0) < this.plan.household_cap;
  }
  accept(p, pool, seat, reason) {
    p.reason = reason; p.seat = seat; p.seatPool = pool;
    this.taken.set(p.household, (this.taken.get(p.household) || 0) + 1);
    return true;
  }
  offer(take) {
    this.waiting = this.waiting.filter((p) => !this.fits(p) || !take(p));
  }
  guarantees() {
    if (this.plan.counting === "all") return this.nested();
    const all = new Map();
    for (const p of this.plan.pools) {
      const some = p.reserves.filter((r) => r.kind === "guarantee");
      if (some.length) all.set(p.id, new Matching(some));
    }
    if (all.size === 0) return;
    this.offer((p) => {
      const matching = all.get(p.pool);
      if (!matching || !matching.add(p)) return false;
      this.open.set(p.pool, this.open.get(p.pool) - 1);
      return this.accept(p, p.pool, "?", "drawn-guarantee");
    });
    for (const matching of all.values()) for (const [group, people] of matching.holders) for (const p of people) p.seat = group;
  }
  nested() {
    const around = groupsAround(this.plan), missing = new Map();
    for (const p of this.plan.pools) missing.set(p.id, new Map(p.reserves.filter((r) => r.kind === "guarantee").map((r) => [r.group, r.seats])));
    const depths = [...new Set([...around.values()].map((a) => a.size))].sort((a, b) => b - a);
    for (const depth of depths) {
      this.offer((p) => {
        const here = missing.get(p.pool);
        const fills = [...around.keys()].filter((g) => around.get(g).size === depth && p.groups.has(g) && (here.get(g) || 0) > 0);
        if (!fills.length) return false;
        for (const g of p.groups) here.set(g, Math.max((here.get(g) || 0) - 1, 0));
        this.open.set(p.pool, this.open.get(p.pool) - 1);
        return this.accept(p, p.pool, fills[fills.length - 1], "drawn-guarantee");
      });
    }
  }
  takeOpen(p, reason) {
    if (this.open.get(p.pool) === 0) return false;
    this.open.set(p.pool, this.open.get(p.pool) - 1);
    return this.accept(p, p.pool, "open", reason);
  }
  takeAside(p) {
    const aside = this.asides.get(p.pool).find((a) => a.left > 0 && p.groups.has(a.group));
    if (!aside) return false;
    aside.left--;
    return this.accept(p, p.pool, aside.group, "drawn-set-aside");
  }
  release() {
    for (const p of this.plan.pools) for (const a of this.asides.get(p.id)) {
      if (a.unfilled !== "open" || a.left === 0) continue;
      this.moves.push([0, p.id, p.id, a.group, p.id, a.left]);
      this.open.set(p.id, this.open.get(p.id) + a.left);
      a.left = 0;
    }
    this.offer((p) => this.takeOpen(p, "drawn-released"));
  }
  spill() {
    const lots = [];
    for (const p of this.plan.pools) {
      if (!p.spill.length) continue;
      let total = 0;
      for (const a of [{ group: "open", left: this.open.get(p.id), unfilled: "spill" }, ...this.asides.get(p.id)]) {
        if (a.unfilled !== "spill" || a.left === 0) continue;
        this.moves.push([1, p.id, p.id, a.group, p.spill[0], a.left]);
        total += a.left;
        a.left = 0;
      }
      this.open.set(p.id, 0);
      lots.push({ origin: p.id, at: p.spill[0], left: total, list: p.spill });
    }
    this.offerSpilled(lots);
    const rounds = Math.max(0, ...this.plan.pools.map((p) => p.spill.length));
    for (let step = 1; step < rounds; step++) {
      const moving = lots.filter((lot) => lot.list.length > step);
      for (const lot of moving) {
        if (lot.left > 0) this.moves.push([step + 1, lot.origin, lot.at, "open", lot.list[step], lot.left]);
        lot.at = lot.list[step];
      }
      this.offerSpilled(moving);
    }
  }
  offerSpilled(lots) {
    const here = new Map();
    for (const lot of lots) if (lot.left > 0) here.set(lot.at, [...(here.get(lot.at) || []), lot]);
    this.offer((p) => {
      let pool = p.pool;
      while (pool && !(here.get(pool) || []).length) pool = this.parent.get(pool);
      if (!pool) return false;
      const lot = here.get(pool)[0];
      if (--lot.left === 0) here.get(pool).shift();
      return this.accept(p, pool, "open", "drawn-spilled");
    });
  }
  wait() {
    const own = new Map(this.plan.pools.map((p) => [p.id, p.reserves.map((r) => r.group)])), reserving = new Map();
    for (const p of this.plan.pools) {
      const groups = new Set();
      for (let at = p.id; at; at = this.parent.get(at)) own.get(at).forEach((g) => groups.add(g));
      reserving.set(p.id, this.plan.groups.map((g) => g.code).filter((g) => groups.has(g)));
    }
    const length = new Map();
    for (const p of this.waiting) {
      const lists = [p.pool + " open", ...reserving.get(p.pool).filter((g) => p.groups.has(g)).map((g) => p.pool + " " + g)];
      const room = lists.filter((x) => (length.get(x) || 0) < this.plan.waiting);
      if (!this.fits(p)) { p.reason = "household-full"; continue; }
      for (const x of room) length.set(x, (length.get(x) || 0) + 1);
      if (!room.length) p.reason = "seats-exhausted";
      else {
        p.reason = room[0] === lists[0] ? "waiting" : "waiting-reserve";
        p.position = length.get(room[0]);
      }
    }
  }
  run() {
    const reservedFirst = this.plan.order === "reserved-first";
    this.guarantees();
    this.offer((p) => (reservedFirst ? this.takeAside(p) || this.takeOpen(p, "drawn-open") : this.takeOpen(p, "drawn-open") || this.takeAside(p)));
    this.release();
    this.spill();
    this.wait();
  }
}

// Matching matches people to the guarantees of one pool; each fills one.
class Matching {
  constructor(reserves) {
    this.size = new Map(reserves.map((r) => [r.group, r.seats]));
    this.holders = new Map(reserves.map((r) => [r.group, []]));
    this.full = new Set();
  }
  add(p) {
    const queue = [...this.size.keys()].filter((g) => p.groups.has(g) && !this.full.has(g)), from = new Map(queue.map((g) => [g, null]));
    for (let i = 0; i < queue.length; i++) {
      const group = queue[i];
      if (this.holders.get(group).length < this.size.get(group)) { this.along(group, from, p); return true; }
      for (const other of this.size.keys()) if (!from.has(other) && this.latest(group, other)) { from.set(other, group); queue.push(other); }
    }
    for (const g of from.keys()) this.full.add(g);
    return false;
  }
  latest(group, other) { return this.holders.get(group).findLast((p) => p.groups.has(other)); }
  along(group, from, p) {
    while (from.get(group) !== null) {
      const before = from.get(group), mover = this.latest(before, group);
      this.holders.set(before, this.holders.get(before).filter((x) => x !== mover));
      this.holders.get(group).push(mover);
      group = before;
    }
    this.holders.get(group).push(p);
  }
}

// --- The checks ------------------------------------------------------------------------------

async function checkWitnesses(files, manifest, digest, notes) {
  const given = readJSON(files, "witnesses.json").attestations || [], named = manifest.witnesses || [];
  const must = (ok, rule) => need(ok, "witnesses.json", rule);
  must(given.length === named.length, "not one attestation for each witness");
  for (let i = 0; i < named.length; i++) {
    const a = given[i], at = seconds(a.at);
    must(a.witness === named[i].name && a.manifest === digest, "not of this witness and this manifest");
    must(seconds(manifest.frozen) <= at && at < seconds(manifest.due), "not between the freeze and the seed");
    const text = utf8.encode("gelombang-witness-1\n" + digest + "\n" + a.at + "\n");
    let ok = null;
    try {
      const key = await crypto.subtle.importKey("raw", bytesOf(named[i].key), "Ed25519", false, ["verify"]);
      ok = await crypto.subtle.verify("Ed25519", key, bytesOf(a.signature), text);
    } catch {
      notes.push("This browser cannot check the signature of witness " + named[i].name + ".");
    }
    must(ok !== false, "the signature is not that of the witness");
  }
  if (!named.length) notes.push("No witness signed the manifest: compare its digest with what was published before the draw.");
}

async function checkWhole(files, progress) {
  const notes = [], digest = {};
  const manifest = readJSON(files, "manifest.json"), seed = readJSON(files, "seed.json"), announced = readJSON(files, "announcement.json");
  for (const name of Object.keys(files)) digest[name] = await digestOf(files[name], name);
  checkManifest(manifest);
  need(digest["manifest.json"] === seed.manifest, "seed.json", "manifest is not the digest of manifest.json");
  need(digest["manifest.json"] === announced.manifest, "announcement.json", "manifest is not the digest of manifest.json");
  need(manifest.count <= MOST, "roll.tsv", "too large for a browser");
  const plan = readPlan(files);
  need(digest["plan.json"] === manifest.plan, "plan.json", "its digest is not that in manifest.json");
  need((manifest.witnesses || []).length >= plan.witnesses, "manifest.json", "fewer witnesses than the plan demands");
  const keyOf = keyMaker(manifest, seed), rollLines = linesOf(files, "roll.tsv", ROLL_HEADER);
  need(digest["roll.tsv"] === manifest.roll, "roll.tsv", "its digest is not that in manifest.json");
  need(rollLines.length === manifest.count, "manifest.json", "count is not the number of lines of the roll");
  need(treeRoot(rollLines, (x) => progress(5 + 20 * x)) === manifest.tree, "manifest.json", "tree is not the root over the lines of the roll");
  const pools = new Set(plan.pools.map((p) => p.id)), around = groupsAround(plan), cells = new Map(), held = new Map();
  let last = "";
  const roll = rollLines.map((line, i) => {
    const p = personOf(line, i + 2, plan, pools, around);
    need(p.label > last, "roll.tsv line " + (i + 2), "label not in order");
    last = p.label;
    const cell = p.pool + "\t" + line.split("\t")[6];
    cells.set(cell, (cells.get(cell) || 0) + 1);
    if (p.household && plan.household_cap) {
      need((held.get(p.household) ?? p.held) === p.held, "roll.tsv line " + (i + 2), "held differs inside a household");
      held.set(p.household, p.held);
    }
    if (i % 2048 === 0) progress(25 + (40 * i) / rollLines.length);
    p.key = keyOf(infoOf(p, plan));
    return p;
  });
  need([...cells.values()].every((n) => n >= plan.smallest_cell), "roll.tsv", "a cell smaller than smallest_cell");
  for (const [name, field] of [["seed.json", "seed"], ["removals.tsv", "removals"], ["witnesses.json", "witnesses"], ["result.tsv", "result"], ["moves.tsv", "moves"]])
    need(digest[name] === announced[field], name, "its digest is not that in announcement.json");
  await checkWitnesses(files, manifest, digest["manifest.json"], notes);
  const labels = new Map(roll.map((p) => [p.label, p])), removed = new Set();
  for (const line of linesOf(files, "removals.tsv", "label\treason")) {
    const [label, reason] = line.split("\t");
    need(labels.has(label) && !removed.has(label) && reason, "removals.tsv", "not on the roll, removed twice, or no reason");
    removed.add(label);
  }
  const sign = plan.key === "score" ? -1 : 1, less = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const ordered = roll.filter((p) => !removed.has(p.label)).sort((a, b) => a.tier - b.tier || sign * (a.number - b.number) || less(a.key, b.key) || less(a.label, b.label));
  progress(72);
  const selection = new Selection(plan, ordered);
  selection.run();
  progress(80);
  const want = roll.map((p) => [p.label, removed.has(p.label) ? "removed" : p.reason, p.seatPool, p.seat, p.position].join("\t"));
  const compare = (name, header, wanted) => {
    const have = linesOf(files, name, header);
    wanted.forEach((line, i) => need(have[i] === line, name + " line " + (i + 2), "differs from the draw done again: want " + JSON.stringify(line)));
    need(have.length === wanted.length, name, "too much at the end");
  };
  compare("result.tsv", RESULT_HEADER, want);
  compare("moves.tsv", MOVES_HEADER, selection.moves.map((m) => m.join("\t")));
  need(treeRoot(want, (x) => progress(82 + 17 * x)) === announced.tree, "announcement.json", "tree differs from the draw done again");
  need(announced.count === roll.length && announced.seated === roll.filter((p) => p.seat !== "-").length, "announcement.json", "count or seated differs");
  if (removed.size) notes.push(removed.size + " people were removed after the roll was frozen; the reasons are in removals.tsv.");
  if (seed.beacon) notes.push("The signature of the beacon was not checked here: compare the seed with its source.");
  progress(100);
  return { people: roll.length, seated: announced.seated, manifest: digest["manifest.json"], notes };
}

// checkPerson checks one line: that it is on the roll and in the result, its key, and where that stands
// against the last who was drawn for an open seat of the same pool.
async function checkPerson(files, progress) {
  const manifest = readJSON(files, "manifest.json"), seed = readJSON(files, "seed.json"), announced = readJSON(files, "announcement.json"), person = readJSON(files, "person.json", "person");
  checkManifest(manifest);
  const digest = await digestOf(files["manifest.json"], "manifest.json");
  need(digest === announced.manifest && digest === seed.manifest, "announcement.json", "manifest is not the digest of manifest.json");
  need((await digestOf(files["seed.json"], "seed.json")) === announced.seed, "seed.json", "its digest is not that in announcement.json");
  need(announced.count === manifest.count, "announcement.json", "the result has not as many lines as the roll");
  need(pathRoot(manifest.count, person.at, person.roll, person.roll_path || []) === manifest.tree, "person.json", "not a line of the roll at this place");
  need(pathRoot(announced.count, person.at, person.result, person.result_path || []) === announced.tree, "person.json", "not a line of the result at this place");
  const mine = person.roll.split("\t"), result = person.result.split("\t");
  need(mine[0] === result[0], "person.json", "two labels");
  const plan = readPlan(files);
  need((await digestOf(files["plan.json"], "plan.json")) === manifest.plan, "plan.json", "its digest is not that in manifest.json");
  const keyOf = keyMaker(manifest, seed), pools = new Set(plan.pools.map((p) => p.id)), around = groupsAround(plan);
  const me = personOf(person.roll, person.at + 2, plan, pools, around), key = keyOf(infoOf(me, plan)), notes = ["label " + mine[0], "key " + key, "result " + result[1] + (result[3] === "-" ? "" : ", seat " + result[2] + "/" + result[3])];
  if (files["roll.tsv"] && files["result.tsv"] && plan.key === "lottery" && plan.tiers === 1) {
    need((await digestOf(files["roll.tsv"], "roll.tsv")) === manifest.roll, "roll.tsv", "its digest is not that in manifest.json");
    need((await digestOf(files["result.tsv"], "result.tsv")) === announced.result, "result.tsv", "its digest is not that in announcement.json");
    const lines = linesOf(files, "roll.tsv", ROLL_HEADER), results = linesOf(files, "result.tsv", RESULT_HEADER);
    let cut = "";
    lines.forEach((line, i) => {
      const r = results[i].split("\t");
      if (r[2] !== me.pool || (r[1] !== "drawn-open" && r[1] !== "drawn-released")) return;
      const theirs = keyOf(infoOf(personOf(line, i + 2, plan, pools, around), plan));
      if (theirs > cut) cut = theirs;
    });
    if (cut) {
      notes.push("cut-off " + cut + " (the last key with an open seat of pool " + me.pool + ")");
      if (result[1] === "drawn-open" || result[1] === "drawn-released") need(key <= cut, "person.json", "drawn behind the cut-off");
      if (/^(waiting|waiting-reserve|seats-exhausted)$/.test(result[1])) need(key > cut, "person.json", "before the cut-off, and not drawn");
    }
  }
  progress(100);
  return { manifest: digest, notes };
}

if (typeof WorkerGlobalScope !== "undefined") {
  onmessage = async ({ data }) => {
    try {
      const check = data.what === "person" ? checkPerson : checkWhole;
      const done = await check(data.files, (percent) => postMessage({ progress: percent }));
      postMessage({ ok: done });
    } catch (e) {
      postMessage({ bad: e instanceof Difference ? e.message : "a file lacks something: " + e.message });
    }
  };
} else globalThis.drawCheck = { checkWhole, checkPerson, sha256, hexOf };
