//! This file is where the ledger's outside is held fast: who may send what, the bytes of every type, and the pages of the
//! manual that derive from the table of contents. Golden files change on purpose only: `cargo xtask goldens`.

use crate::{
    Act, Event, FACTS, KINDS, Outcome, Who, identity::PrincipalKind, reject, rejects, testing::World,
    testing::key,
};
use arbitrary::Unstructured;
use primitives::{Hasher, SecretKey, domain, hash};
use serde_json::Value;
use std::{env, fmt::Write, fs, path::Path};

const SEEDS: u32 = 16;

/// Bytes that depend on the label and seed alone.
fn seeded(label: &str, seed: u32) -> Vec<u8> {
    let block = |place: u32| {
        hash(domain::GOLDEN, &[label.as_bytes(), &seed.to_be_bytes(), &place.to_be_bytes()]).0.to_vec()
    };
    (0..64).flat_map(block).collect()
}

fn compare(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("HORKOS_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{file} changed; look at it, then run `cargo xtask goldens`");
}

#[test]
fn matrix_golden() {
    let mut world = World::new();
    let riverside = "riverside-hospital";
    let signers: Vec<(Who, SecretKey)> = Who::ALL
        .into_iter()
        .map(|who| {
            let signer = match who {
                Who::Organisation => key(riverside),
                Who::Practitioner => world.session(riverside, "physician", "adams"),
                Who::Person => world.person(riverside, "person"),
                Who::Device => world.principal(riverside, "device", PrincipalKind::Device),
            };
            (who, signer)
        })
        .collect();
    let mut text = format!("{:30}", "");
    for who in Who::ALL {
        write!(text, "{:14}", format!("{who:?}").to_lowercase()).unwrap();
    }
    for info in KINDS {
        write!(text, "\n{:30}", info.name).unwrap();
        for (who, signer) in &signers {
            let mut world = world.clone();
            let bytes = seeded(info.name, 0);
            let act = (info.arbitrary)(&mut Unstructured::new(&bytes)).unwrap();
            let denied = world.act(signer, act) == Err(reject::NOT_FOR_SIGNER);
            assert_eq!(denied, !info.who.contains(who), "{} by {who:?}", info.name);
            write!(text, "{:14}", if denied { "denied" } else { "allowed" }).unwrap();
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    compare("src/matrix.golden", &(lines.join("\n") + "\n"));
}

#[test]
fn wire_golden() {
    let mut text = String::new();
    let mut line = |tag: u16, name: &str, encode: &dyn Fn(&mut Unstructured<'_>) -> Vec<u8>| {
        let mut hasher = Hasher::new(domain::GOLDEN);
        for seed in 0..SEEDS {
            hasher.part(&encode(&mut Unstructured::new(&seeded(name, seed))));
        }
        writeln!(text, "{tag:#06x} {name:32} {}", hasher.finish()).unwrap();
    };
    for info in KINDS {
        line(info.tag, info.name, &|bytes| {
            let act = (info.arbitrary)(bytes).unwrap();
            let (tag, body) = act.encode();
            assert_eq!((tag, Act::decode(tag, &body)), (info.tag, Some(act)), "{}", info.name);
            body
        });
    }
    for info in FACTS {
        line(info.tag, info.name, &|bytes| {
            let event = (info.arbitrary)(bytes).unwrap();
            let (tag, body) = event.encode();
            assert_eq!((tag, Event::decode(tag, &body)), (info.tag, Some(event)), "{}", info.name);
            body
        });
    }
    compare("src/wire.golden", &text);
}

#[test]
fn json_of_every_kind_is_read_back() {
    for info in KINDS {
        for seed in 0..SEEDS {
            let bytes = seeded(info.name, seed);
            let act = (info.arbitrary)(&mut Unstructured::new(&bytes)).unwrap();
            let json = act.to_json().unwrap();
            assert_eq!((info.from_json)(json).unwrap(), act, "{}", info.name);
        }
    }
}

fn sentence(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// The fields' names and sentences, by name.
fn fields(text: &mut String, schema: &Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let mut fields: Vec<_> = properties.iter().collect();
    fields.sort_by_key(|(name, _)| name.as_str());
    for (name, field) in fields {
        writeln!(text, "- `{name}`: {}", sentence(field)).unwrap();
    }
    text.push('\n');
}

#[test]
fn kinds_page_golden() {
    let mut text = "# Kinds of transactions and events\n\n\
        Written by the tests of the ledger from its table of contents; don't edit it by hand. The rejects stand in\n\
        [rejects.md](rejects.md). `horkos tx KIND` sends one.\n\n## Kinds\n\n"
        .to_owned();
    for info in KINDS {
        let schema = (info.schema)().to_value();
        let who: Vec<_> = info.who.iter().map(|who| format!("{who:?}").to_lowercase()).collect();
        let urgent = if info.urgent { " Overtakes others on the way into a block." } else { "" };
        let (name, tag, who) = (info.name, info.tag, who.join(", "));
        writeln!(text, "### {name}\n\n{}\n", sentence(&schema)).unwrap();
        writeln!(text, "Tag {tag:#06x}. Sent by: {who}.{urgent}\n").unwrap();
        fields(&mut text, &schema);
    }
    text.push_str("## Events\n\n");
    for info in FACTS {
        let schema = (info.schema)().to_value();
        writeln!(text, "### {}\n\n{}\n\nTag {:#06x}.\n", info.name, sentence(&schema), info.tag).unwrap();
        fields(&mut text, &schema);
    }
    compare("../../docs/kinds.md", &(text.trim_end().to_owned() + "\n"));
}

#[test]
fn rejects_page_golden() {
    let mut text = "# Rejects\n\n\
        Why a transaction had no effect: the number stands in its receipt, and never changes its meaning. Written by the\n\
        tests of the ledger; don't edit it by hand.\n\n| number | name | meaning |\n|---|---|---|\n"
        .to_owned();
    let mut all: Vec<_> = rejects().collect();
    all.sort_by_key(|info| info.reject);
    assert!(all.windows(2).all(|pair| pair[0].reject < pair[1].reject), "a number is taken twice");
    for info in all {
        writeln!(text, "| {} | `{}` | {} |", info.reject.0, info.name, info.message).unwrap();
    }
    compare("../../docs/rejects.md", &text);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 128,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_bytes_get_a_receipt(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        let mut world = World::new();
        let receipts = world.block_of(&[bytes], &|_| true).receipts;
        assert_eq!(receipts[0].outcome, Outcome::Rejected(reject::MALFORMED));
    }

    #[test]
    fn any_acts_by_anybody_get_a_receipt(
        seeds in proptest::collection::vec((0..KINDS.len(), 0..4_usize, proptest::num::u32::ANY), 1..12)
    ) {
        let mut world = World::new();
        let riverside = "riverside-hospital";
        let signers = [
            key(riverside),
            world.session(riverside, "physician", "adams"),
            world.person(riverside, "person"),
            world.principal(riverside, "device", PrincipalKind::Device),
        ];
        for (kind, signer, seed) in seeds {
            let info = &KINDS[kind];
            let act = (info.arbitrary)(&mut Unstructured::new(&seeded(info.name, seed))).unwrap();
            let mut signed = world.sign(&signers[signer], act);
            let receipts = world.block(std::slice::from_ref(&signed));
            assert_ne!(receipts[0].outcome, Outcome::Duplicate);
            // A body that another kind's tag can't read is refused, or read as that kind's.
            signed.tx.kind = KINDS[seed as usize % KINDS.len()].tag;
            let again = signed.tx.sign(&signers[signer]);
            world.block(&[again]);
        }
    }
}
