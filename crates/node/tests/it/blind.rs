//! This file is where everything that four nodes hold is searched for what the imported records say.

use crate::network::{ADAMS, Network, all_shipped, files};
use base64::{Engine as _, engine::general_purpose};
use fhir::{Limits, phi};
use ledger::governance::Params;
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::Read as _,
};

/// Shorter ones turn up in ciphertext by chance: at 5 bytes, some thousand needles in 100 MB of noise are found in
/// every third run, at 6 in one of a thousand.
const PLAIN_BYTES_MIN: usize = 6;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Most that is read of one frame.
const FRAME_BYTES_MAX: u64 = 64 << 20;

/// Strings to look for in every form, found by their first six bytes.
struct Needles {
    by_start: HashMap<[u8; 6], Vec<Vec<u8>>>,
    pairs: Vec<bool>,
}

impl Needles {
    fn new(texts: &BTreeSet<String>) -> Self {
        let mut needles = Self { by_start: HashMap::new(), pairs: vec![false; 1 << 16] };
        for text in texts {
            for form in forms(text.as_bytes()) {
                needles.add(form);
            }
        }
        needles
    }

    fn add(&mut self, needle: Vec<u8>) {
        let Some(start) = needle.first_chunk::<6>() else { return };
        self.pairs[usize::from(u16::from_be_bytes([start[0], start[1]]))] = true;
        self.by_start.entry(*start).or_default().push(needle);
    }

    fn find(&self, bytes: &[u8]) -> Option<String> {
        let places = bytes.windows(6).enumerate();
        places
            .filter(|(_, start)| self.pairs[usize::from(u16::from_be_bytes([start[0], start[1]]))])
            .find_map(|(at, start)| {
                let start: [u8; 6] = start.try_into().unwrap();
                let found = self.by_start.get(&start)?;
                found.iter().find(|needle| bytes[at..].starts_with(needle))
            })
            .map(|needle| String::from_utf8_lossy(needle).into_owned())
    }
}

/// A text as it stands, in hex, and in base64 at all three alignments.
fn forms(text: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    if text.len() >= PLAIN_BYTES_MIN {
        forms.push(text.to_vec());
    }
    forms.push(hex::encode(text).into_bytes());
    forms.push(hex::encode_upper(text).into_bytes());
    for engine in [general_purpose::STANDARD_NO_PAD, general_purpose::URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let encoded = engine.encode([&vec![0; before], text].concat());
            // What the neighbours' bits are mixed into is cut off at both ends.
            let from = (before * 8).div_ceil(6);
            let to = (before + text.len()) * 8 / 6;
            let form = encoded.as_bytes()[from..to].to_vec();
            // Below eight digits a form is as short as the strings that turn up by chance.
            if form.len() >= 8 {
                forms.push(form);
            }
        }
    }
    forms
}

/// What every zstd frame in `bytes` holds, as far as it decodes.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts = bytes.windows(4).enumerate().filter(|(_, window)| *window == ZSTD_MAGIC);
    let decoded = starts.filter_map(|(at, _)| {
        let mut out = Vec::new();
        let frame = zstd::stream::read::Decoder::new(&bytes[at..]).ok()?.single_frame();
        // Magic bytes in noise begin no frame; what came before the error is looked at all the same.
        let _ended = frame.take(FRAME_BYTES_MAX).read_to_end(&mut out);
        Some(out)
    });
    decoded.collect()
}

fn submitted(genesis: &str) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for path in all_shipped() {
        let bundle = fhir::bundle::read(fs::read(path).unwrap(), &Limits::default()).unwrap();
        texts.extend(phi::strings(bundle.value()).into_iter().map(|sensitive| sensitive.text));
    }
    // What stands in the genesis file is public: the policies speak of some codes and roles.
    texts.retain(|text| !genesis.contains(text));
    texts
}

#[test]
fn every_form_is_found() {
    let needles = Needles::new(&BTreeSet::from(["O'Dálaigh".to_owned(), "J45.9".to_owned()]));
    let found = |bytes: &[u8]| needles.find(bytes).is_some();
    for text in ["O'Dálaigh", "J45.9"] {
        assert!(found(format!("..{}..", hex::encode(text)).as_bytes()));
        for before in 0..3 {
            let whole = format!("{}{text} and more", "x".repeat(before));
            assert!(found(general_purpose::STANDARD.encode(&whole).as_bytes()) || text.len() < 8);
        }
    }
    let frame = zstd::encode_all("she is Fionnuala O'Dálaigh".as_bytes(), 3).unwrap();
    let inside = frames(&[b"noise".as_slice(), &frame, b"noise"].concat());
    assert!(inside.iter().any(|bytes| found(bytes)));
    assert!(!found(b"O'Dalaigh 4a34"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_no_node_holds_a_word_of_the_records() {
    let mut network = Network::running(Params::default()).await;
    let imported = network.import(&all_shipped()).await;
    assert!(imported.len() >= 8);
    // Open once, so that keys, audit records and releases have been through the nodes, too.
    let adams = network.client(ADAMS).await;
    let ask = client::open::Ask::all(imported[0].chart, ledger::consent::Purpose::Treatment);
    assert!(adams.open(&ask).await.unwrap().is_open());
    // The state in the clear: on disk, blocks of rows may be compressed.
    let rows = adams.scan(&[]).await.unwrap();
    let mut logged = Vec::new();
    for one in &imported {
        logged.extend(adams.log(one.chart, 0).await.unwrap());
    }
    network.stop_all().await;

    let genesis = fs::read_to_string(network.home.path().join("genesis.json")).unwrap();
    let texts = submitted(&genesis);
    let needles = Needles::new(&texts);
    let (mut searched, mut bytes_searched, mut framed) = (0, 0, 0);
    let mut found = Vec::new();
    for place in 0..network.nodes.len() {
        for path in files(network.data(place)) {
            let bytes = fs::read(&path).unwrap();
            searched += 1;
            bytes_searched += bytes.len();
            let name = path.to_string_lossy().into_owned();
            for part in std::iter::once(bytes.clone()).chain(frames(&bytes)) {
                found.extend(needles.find(&part).map(|needle| format!("`{needle}` in {name}")));
                framed += 1;
            }
            found
                .extend(needles.find(name.as_bytes()).map(|needle| format!("`{needle}` in the name {name}")));
        }
    }
    for (key, value) in &rows {
        for bytes in [key, value] {
            found.extend(needles.find(bytes).map(|needle| format!("`{needle}` in a row of the state")));
        }
    }
    for line in &logged {
        found.extend(needles.find(&line.logged.body).map(|needle| format!("`{needle}` in a chart's log")));
    }
    println!(
        "{} texts, {searched} files with {} frames, {bytes_searched} bytes, {} rows, {} lines",
        texts.len(),
        framed - searched,
        rows.len(),
        logged.len()
    );
    assert!(texts.len() > 200 && searched > 100 && !rows.is_empty() && !logged.is_empty());
    assert_eq!(found, Vec::<String>::new());
}
