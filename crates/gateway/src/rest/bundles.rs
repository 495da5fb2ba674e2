//! This file is where Bundles are written: pages of a search, histories, answers to a batch.

use serde_json::Value;

/// A Bundle being written.
#[derive(Debug)]
pub(crate) struct Bundle {
    kind: &'static str,
    total: Option<u64>,
    links: Vec<(&'static str, String)>,
    entries: Vec<u8>,
}

impl Bundle {
    /// An empty one of this type.
    pub(crate) fn new(kind: &'static str) -> Self {
        Self { kind, total: None, links: Vec::new(), entries: Vec::new() }
    }

    pub(crate) fn total(&mut self, total: Option<u64>) -> &mut Self {
        self.total = total;
        self
    }

    pub(crate) fn link(&mut self, relation: &'static str, url: String) -> &mut Self {
        self.links.push((relation, url));
        self
    }

    /// Adds an entry that is written already.
    pub(crate) fn raw(&mut self, entry: &[u8]) -> &mut Self {
        self.entries.extend_from_slice(if self.entries.is_empty() { b"\n" } else { b",\n" });
        self.entries.extend_from_slice(entry);
        self
    }

    /// Adds what a search brought.
    pub(crate) fn found(&mut self, full_url: Option<&str>, resource: &[u8], mode: &str) -> &mut Self {
        let mut entry = b"{".to_vec();
        if let Some(full_url) = full_url {
            entry.extend_from_slice(format!("\"fullUrl\":{},", Value::from(full_url)).as_bytes());
        }
        entry.extend_from_slice(b"\"resource\":");
        entry.extend_from_slice(resource);
        entry.extend_from_slice(format!(",\"search\":{{\"mode\":\"{mode}\"}}}}").as_bytes());
        self.raw(&entry)
    }

    /// Its JSON.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let Self { kind, total, links, mut entries } = self;
        let mut bytes = format!("{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\"").into_bytes();
        if let Some(total) = total {
            bytes.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        if !links.is_empty() {
            let links = links
                .into_iter()
                .map(|(relation, url)| serde_json::json!({"relation": relation, "url": url}));
            bytes.extend_from_slice(format!(",\"link\":{}", Value::from_iter(links)).as_bytes());
        }
        // FHIR forbids empty arrays.
        if !entries.is_empty() {
            bytes.extend_from_slice(b",\"entry\":[");
            bytes.append(&mut entries);
            bytes.extend_from_slice(b"\n]");
        }
        bytes.push(b'}');
        bytes
    }
}
