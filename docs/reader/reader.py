#!/usr/bin/env python3
"""reader.py DEPOT KEY-FILE [MANIFEST-NUMBER [SOURCE-ID]]: prints the records of a snapshot as JSON lines.

Written from docs/repository-format.md alone; sections are those of that page. Signatures, chain, seals and ids are
checked on the way; the first that does not hold ends the run. Short, not fast: packs and classes are held in memory.
What was read is counted on stderr. The passphrase comes from STRONGROOM_PASSPHRASE."""
import hashlib, hmac, json, os, struct, sys, uuid
from collections import Counter
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

READ, SAME = Counter(), lambda cell: cell
FULL_LEAF, DELTA_LEAF, FULL_NODE, DELTA_NODE, BLOB, CHUNK_LIST, CHUNK = range(1, 8)
DYNAMIC = {1: "number", 2: "double", 3: "text", 4: "bytes"}

def need(truth, what): return truth or sys.exit(f"damaged: {what}")
class Cursor:
    """Reads bytes from the front (section 1)."""
    def __init__(self, data): self.data, self.at = data, 0
    def take(self, n):
        need(0 <= n <= len(self.data) - self.at, "a length beyond the bytes at hand")
        self.at += n
        return self.data[self.at - n:self.at]
    def rest(self): return self.take(len(self.data) - self.at)
    def uint(self, n): return int.from_bytes(self.take(n), "big")
    def varint(self):
        value = shift = 0
        while (byte := self.uint(1)) > 127:
            value, shift = value | (byte & 127) << shift, shift + 7
            need(shift < 70, "a varint of more than ten bytes")
        need(byte or not shift, "a varint that is not the shortest")
        return value | byte << shift
    def sized(self): return self.take(self.varint())
    def times(self, read): return [read() for _ in range(self.varint())]
    def packed(self, n, width):
        data = self.take((n * width + 7) // 8)
        return [data[i * width // 8] >> i * width % 8 & (1 << width) - 1 for i in range(n)]
    def varints(self): return (self.varint() for _ in range(self.varint()))

def varint(n): return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)
def sized(data): return varint(len(data)) + data

def unzip(data, limit):
    """The plaintext of an envelope (section 5)."""
    cursor = Cursor(data[1:])
    if data[:1] == b"\0":
        return cursor.rest()
    need(data[:1] == b"\1" and (length := cursor.varint()) <= limit, "an envelope")
    plain = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(cursor.rest()).read(length + 1)
    need(len(plain) == length, "the length of an envelope")
    return plain

class Profile:
    """The algorithms of the two profiles (section 1), and what is built of them (section 4)."""
    def __init__(self, name):
        self.fips = {"blake3": False, "fips": True}[name]
        self.byte, self.kem, self.enc, self.trailer = (2, 0x0010, 65, 52) if self.fips else (1, 0x0020, 32, 40)
    def keyed(self, key, data):
        return hmac.digest(key, data, "sha256") if self.fips else blake3(data, key=key).digest()
    def labelled(self, label, data):
        message = b"strongroom v1 " + label.encode() + b"\0" + data
        return hashlib.sha256(message).digest() if self.fips else blake3(message).digest()
    def unseal(self, key, number, context, data):
        nonce, data = (data[:12], data[12:]) if self.fips else (number.to_bytes(12, "big"), data)
        return AESGCM(key).decrypt(nonce, data, context)
    def verify(self, public, signature, message):
        if not self.fips:
            return ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        numbers = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        self.p256(public).verify(utils.encode_dss_signature(*numbers), message, ec.ECDSA(hashes.SHA256()))
    def p256(self, public): return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    def key_pair(self, private):
        if not self.fips:
            key = x25519.X25519PrivateKey.from_private_bytes(private)
            return key, key.public_key().public_bytes_raw()
        key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
        return key, key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    def hpke(self, private, info, aad, enc, data):
        """Opens one message of RFC 9180 in base mode."""
        def extract(suite, salt, label, ikm):
            return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")
        def expand(suite, key, label, info, n):  # no more than 32 bytes are ever asked for
            return hmac.digest(key, struct.pack(">H", n) + b"HPKE-v1" + suite + label + info + b"\1", "sha256")[:n]
        key, public = self.key_pair(private)
        peer = (ec.ECDH(), self.p256(enc)) if self.fips else (x25519.X25519PublicKey.from_public_bytes(enc),)
        kem, suite = struct.pack(">3sH", b"KEM", self.kem), struct.pack(">4s3H", b"HPKE", self.kem, 1, 2)
        secret = expand(kem, extract(kem, b"", b"eae_prk", key.exchange(*peer)), b"shared_secret", enc + public, 32)
        context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
        secret = extract(suite, secret, b"secret", b"")
        key, nonce = expand(suite, secret, b"key", context, 32), expand(suite, secret, b"base_nonce", context, 12)
        return AESGCM(key).decrypt(nonce, data, aad)

def open_key_file(text, passphrase):
    """Gives the profile, the key's name and the master key (section 4.5)."""
    doc = json.loads(text)
    need(doc["format"] == "strongroom key file" and doc["version"] == 1, "not a key file of version 1")
    profile, how, name = Profile(doc["profile"]), doc["protection"], bytes.fromhex(doc["key_id"])
    key, salt = bytes.fromhex(how.get("key") or how["sealed"]), bytes.fromhex(how.get("salt", ""))
    kind = ["none", "argon2id", "pbkdf2-hmac-sha-256"].index(how["kind"])
    cost = [how.get(word, 0) for word in ("memory_kib" if kind == 1 else "iterations", "passes", "lanes")]
    check = struct.pack(">B8sB3IQ", profile.byte, name, kind, *cost, len(salt)) + salt + struct.pack(">Q", len(key))
    need(profile.labelled("key file", check + key).hex() == doc["check"], "the key file")
    need(cost[0] <= (1 << 20 if kind == 1 else 10**8) and cost[1] <= 64 and cost[2] <= 16, "the passphrase's cost")
    if kind:
        argon2id = lambda: Argon2id(salt=salt, length=32, memory_cost=cost[0], iterations=cost[1], lanes=cost[2])
        wrap = argon2id().derive(passphrase) if kind == 1 else hashlib.pbkdf2_hmac("sha256", passphrase, salt, cost[0])
        key = AESGCM(wrap).decrypt(key[:12], key[12:], b"strongroom v1 key file")
    need(profile.keyed(key, b"strongroom v1 host key id")[:8] == name, "the key of the key file")
    return profile, doc["key_id"], key

class Depot:
    """A depot's folder (section 2) with its keys (section 4.4) and the objects of its packs by hint (section 8)."""
    def __init__(self, folder, key_file, passphrase):
        self.folder, self.objects, self.private = folder, {}, {}
        self.profile, service, master = open_key_file(key_file, passphrase)
        form = json.loads((folder / "format").read_text())
        need(form["format"] == "strongroom depot" and form["version"] == 1 and not form["incompatible"], "format")
        ring = json.loads((folder / "keys" / (form["domain"] + ".keyring")).read_text())
        self.bound = bytes([self.profile.byte]) + bytes.fromhex(form["domain"])
        self.sources = {entry["source"]: entry for entry in ring["sources"]}
        for epoch in ring["epochs"]:
            public, number = bytes.fromhex(epoch["public_key"]), struct.pack(">I", epoch["epoch"])
            for wrap in epoch["private_key"]:
                if (wrap["service"], wrap["service_id"]) == ("key-file", service):
                    context = b"strongroom v1 epoch private key" + self.bound + number + public
                    context, sealed = context + wrap["jurisdiction"].encode(), bytes.fromhex(wrap["ciphertext"])
                    private = AESGCM(master).decrypt(sealed[:12], sealed[12:], context)
                    need(self.profile.key_pair(private)[1] == public, "an epoch's private key")
                    key_id = self.profile.labelled("public key", public)[:8]
                    self.private[epoch["epoch"]] = self.private[key_id] = private
        need(self.private, "a keyring that the key file does not open")
    def id_key(self, source):
        entry = self.sources[source.hex()]
        sealed = (bytes.fromhex(entry["id_key"][field]) for field in ("enc", "ciphertext"))
        return self.profile.hpke(self.private[entry["epoch"]], b"strongroom v1 id key", self.bound + source, *sealed)
    def data_key(self, cursor):
        kind, _, key_id = cursor.uint(1), cursor.uint(4), cursor.take(8)
        need(kind == 1 and key_id in self.private, "a data key that the key file does not open")
        sealed = cursor.take(self.profile.enc), cursor.take(48)
        return lambda context: self.profile.hpke(self.private[key_id], b"strongroom v1 data key", context, *sealed)
    def check_version(self, cursor):
        version, _, _, flags = struct.unpack(">H3I", cursor.take(14))
        need(version == 1 and flags == self.profile.byte - 1, "an unknown version or feature")
    def add_pack(self, pack, size):
        data = (self.folder / "packs" / pack.hex()[:2] / f"{pack.hex()}.pack").read_bytes()
        cursor = Cursor(data)
        need(len(data) == size and cursor.take(8) == b"SRPACK\r\n", "the size or magic of a pack")
        self.check_version(cursor)
        ids, scope = cursor.take(32), bytes([self.profile.byte]) + cursor.take(80)
        key = self.data_key(cursor)(data[:cursor.at - self.profile.enc - 48])
        def part(byte, number, start, length):
            context = b"strongroom pack v1" + bytes([byte]) + scope + ids[:16] + struct.pack(">Q", number)
            return self.profile.unseal(key, number, context, data[start:start + length])
        tail = size - 32 - self.profile.trailer
        at, length, padding = struct.unpack(">3Q", part(4, 2**64 - 1, tail, self.profile.trailer))
        need(ids[:16] == pack and at + length + padding == tail, "the parts of a pack")
        footer, offset = Cursor(unzip(part(2, 2**64 - 3, at, length), 1 << 25)), cursor.at
        frames = range(footer.varint())
        lengths, plain, objects = ([footer.varint() for _ in frames] for _ in range(3))
        kinds, hints = Cursor(footer.take(sum(objects))), Cursor(footer.take(6 * sum(objects)))
        @cache
        def bodies(frame, start):
            cursor = Cursor(unzip(part(1, frame, start, lengths[frame]), (64 << 20) + 16))
            return [(cursor.uint(1), cursor.sized()) for _ in range(objects[frame]) if cursor.at < plain[frame]]
        for frame in frames:
            for slot in range(objects[frame]):
                self.objects.setdefault(hints.take(6), []).append((kinds.uint(1), bodies, frame, offset, slot))
            offset += lengths[frame]
        need(offset == at, "the frames of a pack")
    def find(self, hint, *wanted):
        """The objects under a hint that are of a wanted kind (section 5)."""
        for kind, bodies, frame, offset, slot in self.objects.get(hint, []):
            if kind in wanted:
                found, body = bodies(frame, offset)[slot]
                READ[f"kind {need(found == kind and kind, 'a directory that does not fit its frame')}"] += 1
                yield kind, Cursor(body)
    def head(self, data, signers):
        """A manifest's head, once its signature and the hash of its body hold, and its body (section 10)."""
        profile, outer = self.profile, Cursor(data)
        need(outer.take(8) == b"SRMANI\r\n", "the magic of a manifest")
        raw = outer.take(outer.uint(4))
        signed, signature, body, head = data[:outer.at], outer.take(64), outer.rest(), Cursor(raw)
        self.check_version(head)
        domain, source, labels = head.take(16), head.take(16), head.take(64)
        data_key, signer = self.data_key(head), head.take(8)
        need(signer in signers, "a signer that the keyring does not name")
        profile.verify(signers[signer], signature, signed)
        need(head.take(32) == profile.labelled("manifest body", body) and head.uint(8) == len(body), "a body's hash")
        sequence, previous, snapshot, root, flags = (head.take(n) for n in (8, 32, 16, 32, 1))
        head.take(32 if flags[0] & 4 else 16), head.varint(), head.varint()
        classes = head.times(lambda: (head.take(16), head.take(2), head.take(32)))
        added = head.times(lambda: (head.take(16), head.varint(), head.take(32)))
        dropped = head.times(lambda: head.take(16))
        names = domain, labels, source, snapshot, sequence
        context = b"strongroom manifest v1" + raw[:2] + bytes([profile.byte]) + b"".join(names)
        opened = lambda: json.loads(unzip(profile.unseal(data_key(context), 0, context, body), 64 << 20))
        place = source, int.from_bytes(sequence, "big"), previous
        return place, profile.labelled("manifest head", raw), flags[0] & 2, added, dropped, classes, root, opened
    def chain(self, source, last):
        """Follows the heads of a source: classes, root and body of a snapshot, and the packs that it needs."""
        previous, packs, rest = bytes(32), {}, None
        keys = [bytes.fromhex(key) for key in self.sources[source.hex()]["signing_keys"]]
        signers = {self.profile.labelled("public key", key)[:8]: key for key in keys}
        paths = sorted((self.folder / "manifests" / source.hex()).glob("*.manifest"))[:last]
        for number, path in enumerate(paths, 1):
            place, own, anew, added, dropped, *rest = self.head(path.read_bytes(), signers)
            need(place == (source, number, previous), "the chain of heads")
            packs, previous = {} if anew else {pack: packs[pack] for pack in packs if pack not in dropped}, own
            packs.update((pack, size) for pack, size, _ in added)
        need(rest and last in (None, len(paths)), "a missing manifest")
        return *rest, packs
    def blob(self, id_of, blob):
        """A blob's content (section 9)."""
        for kind, cursor in self.find(blob[:6], BLOB, CHUNK_LIST):
            content = cursor.rest() if kind == BLOB else b""
            chunk_list = kind == CHUNK_LIST and cursor.varint()
            for size, chunk in cursor.times(lambda: (cursor.varint(), cursor.take(32))) if chunk_list else []:
                bodies = (body.rest() for _, body in self.find(chunk[:6], CHUNK))
                content += next((it for it in bodies if len(it) == size and id_of("chunk", it) == chunk), b"")
            if id_of("blob", content) == blob:
                return content
        sys.exit(f"damaged: blob {blob.hex()} is missing")

def unzigzag(data): return (n := Cursor(data).varint()) >> 1 ^ -(n & 1)
def key_component(codec, kind, data):
    """One column's part of a key (section 6)."""
    if codec == "dynamic" and kind == 0:
        codec, data = DYNAMIC[data[0]], data[1:]
    if kind == 1 or codec in ("text", "bytes", "hex_bytes"):
        tag = 0x32 if kind == 1 else 0x30 if codec == "text" else 0x31
        return bytes([tag]) + data.replace(b"\0", b"\0\xff") + b"\0\0"
    if codec in ("integer", "number"):
        return b"\x10" + struct.pack(">Q", unzigzag(data) + 2**63)
    if codec == "double" and data[0] > 127:
        return b"\x18" + bytes(255 - byte for byte in data)
    tag = {"double": 0x18, "uuid": 0x20, "date": 0x29}.get(codec, 0x28)
    return bytes([tag]) + (data if codec == "uuid" else bytes([data[0] ^ 128]) + data[1:])

def value(codec, kind, data):
    """A cell's value for JSON (section 6)."""
    if codec == "dynamic" and not kind & 1:
        codec, data = DYNAMIC[data[0]], data[1:]
    if kind & 1 or codec == "text":
        text = data.decode(errors="replace")
        return text if text.encode() == data else "\\x" + data.hex()
    if codec in ("integer", "number"):
        return str(unzigzag(data)) if codec == "integer" else unzigzag(data)
    if codec == "double":
        number = struct.unpack(">d", data)[0]
        return number if number - number == 0 else str(number).replace("nan", "NaN")
    if codec in ("bytes", "hex_bytes", "uuid"):
        return str(uuid.UUID(bytes=data)) if codec == "uuid" else "\\x" + data.hex()
    number, end = int.from_bytes(data, "big", signed=True), 2 ** (8 * len(data) - 1)
    if number in (end - 1, -end):
        return "infinity" if number > 0 else "-infinity"
    days, micros = (number, 0) if codec == "date" else divmod(number, 86_400_000_000)
    cycle, days = divmod(days, 146_097)  # the calendar repeats itself after 400 years
    day, (seconds, micros) = date.fromordinal(730_120 + days), divmod(micros, 1_000_000)
    year = day.year + 400 * cycle
    clock = f" {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + f".{micros:06}".rstrip("0").rstrip(".")
    clock = "" if codec == "date" else clock + ("+00" if codec == "timestamp_zone" else "")
    return f"{year if year > 0 else 1 - year:04}-{day:%m-%d}" + clock + ("" if year > 0 else " BC")

def operations(cursor):
    """Reads operations on columns (section 7), and gives a function that does them to a record."""
    done, column = {}, 0
    splice = lambda start, end, new: lambda old: (old[0], old[1][:start] + new + old[1][len(old[1]) - end:])
    put = lambda length: lambda _, cell=(length & 3, cursor.take(length >> 2)): cell
    for head in cursor.varints():
        column += head >> 2
        done[column] = [lambda: put(cursor.varint()), lambda: lambda _: None,
                        lambda: splice(cursor.varint(), cursor.varint(), cursor.sized())][head & 3]()
    change = lambda record, column: done.get(column, SAME)(record.get(column))
    return len(done), lambda record: {at: cell for at in {*record, *done} if (cell := change(record, at))}

def positions(cursor, read, shift=0):
    found, at = {}, -1
    for head in cursor.varints():
        at += (head >> shift) + 1
        found[at] = read(head)
    return found

def base_of(n, step=1): return base_of(n, step * 4) if n // step % 4 == 0 else n - step
def block(cursor):
    records, column = [{} for _ in range(cursor.varint())], 0
    for gap in cursor.varints():
        column, flags = column + gap, cursor.uint(1)
        present = [1] * len(records) if flags & 1 else cursor.packed(len(records), 1)
        rows = [record for record, there in zip(records, present) if there]
        kinds = [0] * len(rows) if flags & 2 else cursor.packed(len(rows), 2)
        lengths = [cursor.varint()] * len(rows) if flags & 4 else [cursor.varint() for _ in rows]
        for record, kind, length in zip(rows, kinds, lengths):
            record[column] = kind, cursor.take(length)
    return records

class Class:
    """One class of a snapshot and its tree (section 7). Records are dictionaries of cells (kind, bytes) by column."""
    def __init__(self, depot, id_of, entry, schema):
        self.depot, self.id_of, self.columns, top = depot, id_of, schema["columns"], entry["top"]
        self.codecs = {column["id"]: column["codec"] for column in self.columns}
        self.key = None if schema["key"] == "keyless" else schema["key"]["columns"]
        texts = [[column[field] for field in ("id", "name", "source_type", "codec")]
                 + ["null" if column["nullable"] else "not null"] for column in self.columns]
        texts = [schema["name"], *sum(texts, []), "key", *(self.key or ["keyless"])]
        message = varint(entry["leaf_records_target"]) + varint(entry["node_children_target"])
        message += id_of("schema", b"".join(sized(str(text).encode()) for text in texts))
        message += bytes([top["level"]]) + bytes.fromhex(top["id"]) + varint(entry["records"]) if top else b""
        need(id_of("class", message).hex() == entry["root"], "a class root")
    def keyed(self, records, first):
        """Records as (key, digest, record), by key."""
        out = []
        for record in records:
            cells = [(column - before, *record[column]) for before, column in pairwise([0, *sorted(record)])]
            data = b"".join(varint(gap) + varint(len(cell) << 2 | kind) + cell for gap, kind, cell in cells)
            digest = self.id_of("record", data)[:16]
            parts = [key_component(self.codecs[c], *record[c]) if c in record else b"\x05" for c in self.key or []]
            out.append((b"".join(parts) if self.key else digest, digest, record))
        out.sort(key=lambda item: item[0])
        for at, (_, digest, record) in enumerate([] if self.key else out):
            first = 0 if at and out[at - 1][1] != digest else first + (at > 0)
            out[at] = digest + struct.pack(">I", first), digest, record
        return out
    def leaves(self, hint, wanted=None):
        """What the forms under a hint give: full ones, and deltas of the generation that is wanted."""
        for kind, cursor in self.depot.find(hint, FULL_LEAF, DELTA_LEAF):
            generation, base, first = cursor.varint(), cursor.take(6 * (kind == DELTA_LEAF)), cursor.varint()
            if kind == FULL_LEAF:
                yield self.keyed(block(cursor), first)
            elif wanted in (None, generation):
                (swept, sweep), gone = operations(cursor), positions(cursor, SAME)
                changed, new = positions(cursor, lambda _: operations(cursor)[1]), block(cursor)
                READ["sweeps"] += swept
                for old in self.leaves(base, base_of(generation)):
                    kept = ((at, sweep(record)) for at, (_, _, record) in enumerate(old) if at not in gone)
                    yield self.keyed([changed.get(at, SAME)(record) for at, record in kept] + new, first)
    def nodes(self, hint, wanted=None):
        """The same for nodes: level and children, each with first key, id and count."""
        for kind, cursor in self.depot.find(hint, FULL_NODE, DELTA_NODE):
            generation, base, level = cursor.varint(), cursor.take(6 * (kind == DELTA_NODE)), cursor.uint(1)
            if kind == FULL_NODE:
                keys = [b""]
                cursor.times(lambda: keys.append(keys[-1][:cursor.varint()] + cursor.sized()))
                counts = [cursor.varint() for _ in keys[1:]]
                yield level, [(key, cursor.take(32), count) for key, count in zip(keys[1:], counts)]
            elif wanted in (None, generation):
                gone = positions(cursor, SAME)
                changed = positions(cursor, lambda head: (cursor.varint() if head & 1 else None, cursor.take(32)), 1)
                new = cursor.times(lambda: (cursor.sized(), cursor.varint(), cursor.take(32)))
                for _, old in self.nodes(base, base_of(generation)):
                    kept = [(key, *changed.get(at, (None, child)), count)
                            for at, (key, child, count) in enumerate(old) if at not in gone]
                    kept = [(key, child, old if count is None else count) for key, count, child, old in kept]
                    yield level, sorted(kept + [(key, child, count) for key, count, child in new])
    def records(self, level, part, count):
        """The records below a part, once its id is that of its content."""
        for leaf in [] if level else self.leaves(part[:6]):
            if self.id_of("leaf", b"".join(sized(key) + digest for key, digest, _ in leaf)) == part:
                need(len(leaf) == count, "the count of a leaf")
                return [record for _, _, record in leaf]
        for found, children in self.nodes(part[:6]) if level else []:
            listed = b"".join(sized(key) + child + varint(below) for key, child, below in children)
            if found == level and self.id_of("node", bytes([level]) + listed) == part:
                need(sum(below for _, _, below in children) == count, "the count of a node")
                return [record for _, child, below in children for record in self.records(level - 1, child, below)]
        sys.exit(f"damaged: part {part.hex()} is missing")
    def fields(self, record, blob):
        for column in self.columns:
            kind, data = record.get(column["id"], (0, None))
            data = blob(data[:32]) if kind > 1 else data
            yield column["name"], None if data is None else value(column["codec"], kind, data)

folder, key_file, *asked = map(Path, sys.argv[1:])
depot = Depot(folder, key_file.read_text(), os.environb.get(b"STRONGROOM_PASSPHRASE", b""))
source = bytes.fromhex(asked[1].name if len(asked) > 1 else next((folder / "manifests").iterdir()).name)
heads, root, open_body, packs = depot.chain(source, int(asked[0].name) if asked else None)
for pack, size in packs.items(): depot.add_pack(pack, size)
id_key, keyed, body, blob = depot.id_key(source), depot.profile.keyed, open_body(), lambda id: depot.blob(id_of, id)
id_of = lambda label, data: keyed(keyed(id_key, b"strongroom v1 " + label.encode()), data)
classes = {entry["id"]: entry for entry in body["classes"] if entry["captured"]}
need([head[0].hex() for head in heads] == sorted(classes), "the classes of a head")
message = varint(len(heads)) + b"".join(head[0] + bytes.fromhex(classes[head[0].hex()]["root"]) for head in heads)
blobs = sorted((blob["role"].encode(), bytes.fromhex(blob["id"])) for blob in body["blobs"])
message += varint(len(blobs)) + b"".join(sized(role) + blob for role, blob in blobs)
need(id_of("snapshot", message) == root, "the snapshot root")
schemas = {schema["name"]: schema for schema in json.loads(blob(bytes.fromhex(body["schemas"])))}
for entry in classes.values():
    top, opened = entry["top"], Class(depot, id_of, entry, schemas[entry["name"]])
    for record in opened.records(top["level"], bytes.fromhex(top["id"]), entry["records"]) if top else []:
        print(json.dumps({"class": entry["name"], "fields": dict(opened.fields(record, blob))}))
print(json.dumps(READ), file=sys.stderr)
