//! This file is where a job's resources become records: each with its category, what its bundle says around it, and the id
//! under which it is served.

use super::{
    ImportError,
    plan::{Job, Plan},
};
use crate::{
    record::{Around, Plain, Record, cut},
    write::{NewRecord, PACK_PLAINTEXT_MAX, PACK_RECORDS_MAX},
};
use envelope::TagKey;
use fhir::{Bundle, Entry, Limits, category::Category, references::links};
use primitives::{ChartId, Hash, List, OrgId, PrincipalId, Text, domain, hash};
use rand_core::CryptoRng;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// By what resources without an id are named.
pub(super) struct Naming {
    pub(super) tag_key: TagKey,
    pub(super) writer: OrgId,
}

/// A resource on its way into a record.
struct Item {
    bundle: Arc<Bundle>,
    entry: usize,
    batch: [u8; 16],
    also: Vec<ChartId>,
}

/// How often each content without any name came along so far.
type Seen = BTreeMap<Hash, u32>;

/// All resources of a job, in order.
pub(super) fn frame(
    rng: &mut impl CryptoRng,
    plan: &Plan,
    job: &Job,
    limits: &Limits,
    naming: &Naming,
    author: Option<PrincipalId>,
) -> Result<Vec<NewRecord>, ImportError> {
    let mut items = Vec::new();
    for part in &job.parts {
        let bundle = plan.sources[part.source].bundle(limits)?;
        let mut batch = [0; 16];
        rng.fill_bytes(&mut batch);
        for assigned in &part.entries {
            let also = assigned.also.iter().filter_map(|group| part.jobs.get(*group));
            let also: Vec<ChartId> =
                also.map(|job| plan.jobs[*job].chart).filter(|chart| *chart != job.chart).collect();
            items.push(Item { bundle: Arc::clone(&bundle), entry: assigned.entry, batch, also });
        }
    }
    let first = job.parts.first().map(|part| plan.sources[part.source].path.clone()).unwrap_or_default();
    records(&items, naming, author).map_err(|reason| ImportError::Content { path: first, reason })
}

fn records(items: &[Item], naming: &Naming, author: Option<PrincipalId>) -> Result<Vec<NewRecord>, String> {
    let mut records = Vec::with_capacity(items.len());
    let mut seen = Seen::new();
    let mut items = items.iter().peekable();
    while let Some(first) = items.peek().map(|item| Arc::clone(&item.bundle)) {
        // Entries are walked once per file: looking each up by its number would cost the square of them.
        let mut entries = first.entries();
        let elsewhere = elsewhere(&first, &mut items.clone());
        while let Some(item) = items.next_if(|item| Arc::ptr_eq(&item.bundle, &first)) {
            let entry = entries.find(|entry| entry.index == item.entry);
            let entry = entry.ok_or_else(|| format!("entry[{}] is gone", item.entry))?;
            let Some(resource) = &entry.resource else { continue };
            let category = Category::of(resource.value);
            let mut around = around(item, &entry, naming, &mut seen, author)?;
            around.links = List::try_from(leading(&elsewhere, resource.value))
                .map_err(|_| format!("entry[{}] refers to more of others than one record may", item.entry))?;
            let bytes = Plain::new(resource.bytes().to_vec())
                .map_err(|_| format!("entry[{}] is larger than a record may be", item.entry))?;
            records.push(NewRecord { category, record: Record { around, bytes } });
        }
    }
    Ok(records)
}

/// What of a file goes into other charts, by fullUrl, as far as its ids are told by the file itself.
fn elsewhere<'i>(
    bundle: &Arc<Bundle>,
    items: &mut (impl Iterator<Item = &'i Item> + Clone),
) -> BTreeMap<String, String> {
    let here: BTreeSet<usize> =
        items.take_while(|item| Arc::ptr_eq(&item.bundle, bundle)).map(|item| item.entry).collect();
    let others = bundle.entries().filter(|entry| !here.contains(&entry.index));
    let places = others.filter_map(|entry| {
        let (url, resource) = (entry.full_url.as_deref()?, entry.resource.as_ref()?);
        let id = own_id(resource).or_else(|| uuid_of(url))?;
        Some((url.to_owned(), format!("{}/{id}", resource.kind)))
    });
    places.filter(|(url, _)| url.starts_with("urn:")).collect()
}

/// The links of a resource that lead into other charts.
fn leading(
    elsewhere: &BTreeMap<String, String>,
    resource: fhir::json::Value<'_>,
) -> Vec<(Text<4096>, Text<200>)> {
    if elsewhere.is_empty() {
        return Vec::new();
    }
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for link in links(resource) {
        if let Some((text, place)) = elsewhere.get_key_value(&*link.text) {
            found.insert(text, place);
        }
    }
    found.into_iter().map(|(text, place)| (cut(text), cut(place))).collect()
}

/// The id that a resource brings along.
fn own_id<'r>(resource: &'r fhir::Resource<'_>) -> Option<&'r str> {
    resource.id.as_deref().filter(|id| (1..=64).contains(&id.len()))
}

/// The UUID of a fullUrl that is one.
fn uuid_of(url: &str) -> Option<&str> {
    url.strip_prefix("urn:uuid:").filter(|uuid| is_id(uuid))
}

fn around(
    item: &Item,
    entry: &Entry<'_>,
    naming: &Naming,
    seen: &mut Seen,
    author: Option<PrincipalId>,
) -> Result<Around, String> {
    let ordinal = u32::try_from(item.entry).map_err(|_| "too many entries".to_owned())?;
    let resource = entry.resource.as_ref().ok_or_else(|| format!("entry[{}] has no resource", item.entry))?;
    let id = own_id(resource).map_or_else(|| naming.name(entry, seen), str::to_owned);
    Ok(Around {
        batch: item.batch,
        ordinal,
        kind: cut(resource.kind),
        id: cut(&id),
        version: 1,
        deleted: false,
        full_url: entry.full_url.as_deref().map(cut),
        request: entry.request.as_ref().map(|request| (cut(&request.method), cut(&request.url))),
        author,
        also: List::try_from(item.also.clone())
            .map_err(|_| format!("entry[{}] names more patients than one record may", item.entry))?,
        links: List::default(),
    })
}

impl Naming {
    /// An id for a resource that has none, the same whenever it comes again: from the UUID or fullUrl of its entry, else
    /// from its bytes. Keyed, as ids are seen where contents aren't.
    fn name(&self, entry: &Entry<'_>, seen: &mut Seen) -> String {
        let Some(resource) = &entry.resource else { return String::new() };
        let url = entry.full_url.as_deref();
        if let Some(uuid) = url.and_then(uuid_of) {
            return uuid.to_owned();
        }
        let named = match url {
            Some(url) => hash(domain::BLOB, &[b"fullUrl", url.as_bytes()]),
            None => hash(domain::BLOB, &[b"content", resource.bytes()]),
        };
        // The same content twice in one import is two resources; the same fullUrl is the same one.
        let times = match url {
            Some(_) => 0,
            None => {
                let times = seen.entry(named).or_default();
                *times += 1;
                *times
            }
        };
        let name = self.tag_key.record_id(&self.writer, resource.kind, &format!("{named} {times}"));
        name.to_string()
    }
}

/// Whether it can be a resource's id. FHIR R4, id: `[A-Za-z0-9\-\.]{1,64}`.
fn is_id(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    plain && (1..=64).contains(&text.len())
}

/// The records, dealt into loads of one pack each, in order.
pub(super) fn loads(records: Vec<NewRecord>) -> Vec<Vec<NewRecord>> {
    let mut loads: Vec<Vec<NewRecord>> = Vec::new();
    let mut bytes = usize::MAX;
    for new in records {
        let len = borsh::object_length(&new.record).unwrap_or(PACK_PLAINTEXT_MAX).saturating_add(1);
        let full = bytes.saturating_add(len) > PACK_PLAINTEXT_MAX
            || loads.last().is_none_or(|load| load.len() >= PACK_RECORDS_MAX);
        if full {
            loads.push(Vec::new());
            bytes = 0;
        }
        bytes = bytes.saturating_add(len);
        if let Some(load) = loads.last_mut() {
            load.push(new);
        }
    }
    loads
}
