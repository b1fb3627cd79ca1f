//! Record bytes per second that one core takes from source text to sealed pack: encode, digest, leaf, compress, seal.
//!
//! Prints one JSON line. The rows are made beforehand and look like items of a CMDB, so that compression has work of
//! the usual kind to do.
#![expect(clippy::print_stdout, reason = "the figure is the output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails says so by failing")]
#![expect(clippy::indexing_slicing, reason = "a benchmark that fails says so by failing")]
#![expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]

use std::time::Instant;

use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::entropy::{Entropy, EntropyError};
use strongroom_core::frame::{Compressor, FrameBuilder, ObjectKind, PlainFrame};
use strongroom_core::id::{DomainId, ObjectId, PackId, RecordDigest, SourceId};
use strongroom_core::pack::{PackIdentity, PackWriter};
use strongroom_core::record::{ClassSchema, Codec, Column, ColumnId, KeySpec, RecordEncoder};
use strongroom_core::seal::{EpochNumber, EpochPrivateKey, Recipient, Scope};
use strongroom_core::tree::block::BlockWriter;
use strongroom_core::tree::cutter::Cutter;
use strongroom_core::tree::leaf::{Leaf, LeafContext};
use strongroom_core::tree::params::TreeParams;

const ROWS: usize = 60_000;
const ROUNDS: usize = 5;

/// A stream of numbers from a seed (`SplitMix64`, Steele et al. 2014).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.next() % from.len() as u64).unwrap();
        from.get(at).copied().unwrap_or_default()
    }
}

struct Seeded;

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut numbers = Numbers(bytes.len() as u64);
        bytes.fill_with(|| numbers.next().to_le_bytes()[0]);
        Ok(())
    }
}

const COLUMNS: [(&str, Codec); 9] = [
    ("id", Codec::Uuid),
    ("name", Codec::Text),
    ("serial", Codec::Text),
    ("status", Codec::Text),
    ("site", Codec::Text),
    ("attributes", Codec::Text),
    ("created", Codec::TimestampZone),
    ("last_updated", Codec::TimestampZone),
    ("version", Codec::Integer),
];

/// Rows end to end, as they come from a source.
struct Rows {
    text: String,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl Rows {
    fn new(rows: &[Vec<String>]) -> Self {
        let mut this = Self { text: String::new(), ends: Vec::new() };
        for value in rows.iter().flatten() {
            this.text.push_str(value);
            this.ends.push(this.text.len());
        }
        this
    }
}

/// A record that waits for its leaf: where key and record lie in the arena.
struct Pending {
    digest: RecordDigest,
    start: usize,
    key: usize,
    record: usize,
}

fn rows() -> Vec<Vec<String>> {
    let mut numbers = Numbers(1);
    let mut rows = Vec::with_capacity(ROWS);
    for _ in 0..ROWS {
        let (a, b, c) = (numbers.next(), numbers.next(), numbers.next());
        let site = numbers.pick(&["berlin-1", "paris-2", "lyon-1", "hamburg-3", "nantes-1"]);
        let role = numbers.pick(&["web", "db", "cache", "proxy", "batch", "backup"]);
        let attributes = format!(
            "{{\"os\": \"{}\", \"cpu\": {}, \"ram_mb\": {}, \"ip\": \"10.{}.{}.{}\", \"rack\": \"{site}-r{}\", \"warranty\": \"20{}-0{}-1{}\"}}",
            numbers.pick(&["debian-12", "debian-11", "rhel-9", "windows-2022"]),
            2_u64 << (a % 6),
            1024_u64 << (b % 8),
            a % 256,
            b % 256,
            c % 256,
            c % 40,
            24 + a % 8,
            1 + b % 9,
            c % 10,
        );
        let uuid = format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", a >> 32, a & 0xffff, b & 0xfff, c & 0xfff, b >> 16);
        let stamp = |n: u64| {
            format!(
                "2025-{:02}-{:02} {:02}:{:02}:{:02}.{:05}1+00",
                1 + n % 12,
                1 + n % 28,
                n % 24,
                n % 60,
                n % 60,
                n % 100_000
            )
        };
        rows.push(vec![
            uuid,
            format!("{role}-{:05}.{site}.example.net", a % 90_000),
            format!("{:X}", c >> 24),
            numbers.pick(&["active", "planned", "staged", "retired"]).to_owned(),
            site.to_owned(),
            attributes,
            stamp(a),
            stamp(b),
            (c % 50).to_string(),
        ]);
    }
    rows.sort();
    rows
}

fn schema() -> ClassSchema {
    let columns = COLUMNS.iter().zip(1..).map(|((name, codec), id)| Column {
        id: ColumnId(id),
        name: (*name).to_owned(),
        source_type: codec.name().to_owned(),
        codec: *codec,
        nullable: true,
        source_ordinal: id,
    });
    ClassSchema {
        name: "public.ci".to_owned(),
        columns: columns.collect(),
        key: KeySpec::Columns(vec![ColumnId(1)]),
        references: Vec::new(),
        dropped_id_max: 0,
    }
}

struct Sealer {
    compressor: Compressor,
    writer: PackWriter,
    out: Vec<u8>,
    bytes: usize,
}

impl Sealer {
    fn seal(&mut self, frame: PlainFrame) {
        let frame = self.compressor.compress(frame, 3).unwrap();
        self.out.clear();
        self.writer.append(&frame, &mut self.out).unwrap();
        self.bytes += self.out.len();
    }
}

/// Takes all rows through the pipeline; gives record bytes and sealed bytes.
fn round(ids: &IdFunctions, rows: &Rows, recipient: &EpochPrivateKey) -> (usize, usize) {
    let schema = schema();
    let context = LeafContext::new(ids.clone(), &schema);
    let mut encoder = RecordEncoder::new(ids.clone(), &schema);
    let scope = Scope::new(Profile::Blake3, DomainId([2; 16]), "bench", "local");
    let identity = PackIdentity { pack: PackId([1; 16]), source: SourceId([3; 16]), scope };
    let writer = PackWriter::begin(identity, Recipient::Epoch(recipient.public()), &Seeded, &mut Vec::new()).unwrap();
    let mut sealer = Sealer { compressor: Compressor::new().unwrap(), writer, out: Vec::new(), bytes: 0 };
    let mut cutter = Cutter::new(TreeParams::calc(1, 360).leaf_records_target);
    let (mut frames, mut block, mut body) = (FrameBuilder::new(), BlockWriter::new(), Vec::new());
    let mut record_bytes = 0;
    let mut arena: Vec<u8> = Vec::new();
    let mut leaf = Leaf::default();
    let mut store = |items: &[Pending], arena: &[u8], frames: &mut FrameBuilder| {
        leaf.clear();
        for item in items {
            let (key, record) = arena[item.start..].split_at(item.key);
            leaf.push(key, item.digest, &record[..item.record]);
        }
        body.clear();
        leaf.put_full(&context, &mut block, &mut body).unwrap();
        frames.push(ObjectId::Leaf(leaf.id(ids)), ObjectKind::FullLeaf, &body).unwrap()
    };
    let mut start = 0;
    for ends in rows.ends.chunks(COLUMNS.len()) {
        encoder.begin();
        for (at, end) in ends.iter().enumerate() {
            encoder.text(at, &rows.text.as_bytes()[start..*end]);
            start = *end;
        }
        let row = encoder.finish().unwrap();
        record_bytes += row.record.len();
        let (key, record) = (row.key.len(), row.record.len());
        let item = Pending { digest: row.digest, start: arena.len(), key, record };
        arena.extend_from_slice(row.key);
        arena.extend_from_slice(row.record);
        let border = ids.border(0, row.key);
        if let Some(frame) = cutter.push(border, item).and_then(|items| store(&items, &arena, &mut frames)) {
            sealer.seal(frame);
        }
    }
    if let Some(frame) = cutter.finish().and_then(|items| store(&items, &arena, &mut frames)) {
        sealer.seal(frame);
    }
    if let Some(frame) = frames.flush() {
        sealer.seal(frame);
    }
    (record_bytes, sealer.bytes)
}

fn main() {
    let ids = IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]));
    let recipient = EpochPrivateKey::generate(Profile::Blake3, EpochNumber(1), &Seeded).unwrap();
    let rows = Rows::new(&rows());
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let (bytes, _) = round(&ids, &rows, &recipient);
            bytes as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let (bytes, sealed) = round(&ids, &rows, &recipient);
    let median = rates.get(ROUNDS / 2).copied().unwrap_or(0.0);
    println!(
        "{{\"record_bytes_per_second_per_core\": {median:.0}, \"record_bytes\": {bytes}, \"sealed_bytes\": {sealed}}}"
    );
}
