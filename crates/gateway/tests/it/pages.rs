//! This file is where the files of a working set are read as they lie: every page, also those that no table uses any more,
//! decrypted with the gateway's key.
//!
//! Source of the form: SQLCipher 4, pages of 4096 bytes, AES-256-CBC with the initial vector behind the ciphertext, then an
//! HMAC-SHA512; the first page begins with a salt. Frames of a log of changes (SQLite file format §4) hold the same pages.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use gateway::start::Config;
use std::fs;

const PAGE: usize = 4096;
const RESERVED: usize = 80;
const IV: usize = 16;
const SALT: usize = 16;
const LOG_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;

/// The key that the tests' gateways have.
pub(crate) const KEY: [u8; 32] = [7; 32];

fn decrypted(page: &[u8], from: usize) -> Vec<u8> {
    let (ciphertext, rest) = page.split_at(PAGE - RESERVED);
    let iv: [u8; IV] = rest[..IV].try_into().unwrap();
    let key = UnboundCipherKey::new(&AES_256, &KEY).unwrap();
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let mut key = StreamingDecryptingKey::cbc_pkcs7(key, context).unwrap();
    // It holds the last block back, to look for padding: so there is one more.
    let input = [&ciphertext[from..], &[0; 16]].concat();
    let mut output = vec![0; input.len() + 16];
    let written = key.update(&input, &mut output).unwrap().written().len();
    output.truncate(written);
    output
}

/// Whether any page of the gateway's working set, or of its log of changes, holds this text.
pub(crate) fn hold(config: &Config, text: &str) -> bool {
    let holds = |page: Vec<u8>| page.windows(text.len()).any(|window| window == text.as_bytes());
    let main = fs::read(config.data.join("working.db")).unwrap();
    let in_main = main
        .chunks_exact(PAGE)
        .enumerate()
        .any(|(number, page)| holds(decrypted(page, if number == 0 { SALT } else { 0 })));
    let log = fs::read(config.data.join("working.db-wal")).unwrap_or_default();
    let frames = log.get(LOG_HEAD..).unwrap_or_default().chunks_exact(FRAME_HEAD + PAGE);
    in_main
        || frames.into_iter().any(|frame| {
            let page = &frame[FRAME_HEAD..];
            let is_first = frame[..4] == 1_u32.to_be_bytes();
            holds(decrypted(page, if is_first { SALT } else { 0 }))
        })
}
