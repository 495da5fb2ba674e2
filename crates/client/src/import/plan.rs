//! This file is where files become a plan: all of them read and checked, whose each resource is, and which chart that
//! patient has or will have.

use super::ImportError;
use crate::{client::Client, host, host::heavy, notes::About, record};
use fhir::{
    Bundle, Limits,
    assign::{Assigned, assign},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use primitives::{ChartId, Hash};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Most files of one import.
const FILES_MAX: usize = 100_000;

/// Files whose content is kept between check and import, in bytes together; the others are read twice.
const KEPT_BYTES_MAX: usize = 256 << 20;

/// Look-ups of patients at once.
const LOOKUPS: usize = 8;

/// A file, checked.
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// Hash of its bytes: what is imported is what was checked.
    hash: Hash,
    kept: Option<Arc<Bundle>>,
}

/// What one patient has in one file.
pub(super) struct Part {
    pub(super) source: usize,
    pub(super) entries: Vec<Assigned>,
    /// For each group of the file, its job: whom [`Assigned::also`] means.
    pub(super) jobs: Arc<Vec<usize>>,
}

/// All that is to be written into one chart.
#[derive(Default)]
pub(super) struct Job {
    pub(super) directory: bool,
    /// Whether a Patient resource came along; without one the chart is a stub that nobody can claim yet.
    pub(super) patient: bool,
    pub(super) name: Option<String>,
    /// By what the organisation finds the chart again.
    pub(super) tokens: BTreeSet<String>,
    pub(super) parts: Vec<Part>,
    pub(super) chart: ChartId,
    /// Whether the chart is there already.
    pub(super) exists: bool,
}

pub(super) struct Plan {
    pub(super) sources: Vec<Source>,
    pub(super) jobs: Vec<Job>,
    pub(super) resources: usize,
}

/// One file as checked.
struct Checked {
    source: Source,
    bytes: usize,
    groups: Vec<Group>,
    directory: Vec<usize>,
}

struct Group {
    patient: bool,
    name: Option<String>,
    tokens: BTreeSet<String>,
    entries: Vec<Assigned>,
}

impl Source {
    /// The file's content, as it was checked.
    pub(super) fn bundle(&self, limits: &Limits) -> Result<Arc<Bundle>, ImportError> {
        if let Some(kept) = &self.kept {
            return Ok(Arc::clone(kept));
        }
        let bytes = read(&self.path, limits)?;
        if hash_of(&bytes) != self.hash {
            return Err(ImportError::Changed(self.path.clone()));
        }
        let bundle =
            fhir::bundle::read(bytes, limits).map_err(|_| ImportError::Changed(self.path.clone()))?;
        Ok(Arc::new(bundle))
    }
}

fn hash_of(bytes: &[u8]) -> Hash {
    primitives::hash(primitives::domain::BLOB, &[bytes])
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> ImportError {
    move |source| ImportError::Io { path: path.to_owned(), source }
}

fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>, ImportError> {
    let bytes = fs::metadata(path).map_err(io_error(path))?.len();
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes > limits.bytes_max {
        let source = fhir::ReadError::TooLarge { bytes, max: limits.bytes_max };
        return Err(ImportError::Fhir { path: path.to_owned(), source });
    }
    fs::read(path).map_err(io_error(path))
}

/// The files named, and the `.json` files in the folders named, in order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ImportError> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !fs::metadata(path).map_err(io_error(path))?.is_dir() {
            files.push(path.clone());
            continue;
        }
        folders.push(path.clone());
        while let Some(folder) = folders.pop() {
            let mut found: Vec<PathBuf> = Vec::new();
            for entry in fs::read_dir(&folder).map_err(io_error(&folder))? {
                found.push(entry.map_err(io_error(&folder))?.path());
            }
            found.sort();
            for path in found {
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
                    files.push(path);
                }
                if files.len() > FILES_MAX {
                    let reason = format!("more than {FILES_MAX} files; import folder by folder");
                    return Err(ImportError::Content { path: folder, reason });
                }
            }
        }
    }
    if files.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        return Err(ImportError::NoFiles(names.join(", ")));
    }
    Ok(files)
}

/// Whether a fullUrl names the same thing in every file. A relative one doesn't: `Patient/1` is somebody else elsewhere.
fn is_global(url: &str) -> bool {
    url.starts_with("urn:") || url.starts_with("http://") || url.starts_with("https://")
}

fn check(path: PathBuf, limits: &Limits) -> Result<Checked, ImportError> {
    let content = |reason: String| ImportError::Content { path: path.clone(), reason };
    let bytes = read(&path, limits)?;
    let (len, hash) = (bytes.len(), hash_of(&bytes));
    let bundle = fhir::bundle::read(bytes, limits)
        .map_err(|source| ImportError::Fhir { path: path.clone(), source })?;
    let mut resources = 0_usize;
    for entry in bundle.entries() {
        let Some(resource) = &entry.resource else { continue };
        resources += 1;
        if resource.bytes().len() > record::RESOURCE_BYTES_MAX {
            return Err(content(format!("entry[{}] is larger than a record may be", entry.index)));
        }
        if entry.full_url.as_ref().is_some_and(|url| url.len() > 4096) {
            return Err(content(format!("entry[{}].fullUrl is longer than 4096 bytes", entry.index)));
        }
    }
    if resources == 0 {
        return Err(content("there is no resource in it".to_owned()));
    }
    let assignment = assign(&bundle);
    let groups = assignment.groups.into_iter().map(|group| {
        let patient = !group.is_stub();
        let mut tokens: BTreeSet<String> = group
            .identifiers
            .iter()
            .filter(|identifier| !identifier.system.is_empty())
            .map(fhir::assign::Identifier::token)
            .collect();
        tokens.extend(group.full_url.filter(|url| is_global(url)));
        Group { patient, name: group.name, tokens, entries: group.entries }
    });
    let groups = groups.collect();
    let directory = assignment.directory;
    let source = Source { path, hash, kept: Some(Arc::new(bundle)) };
    Ok(Checked { source, bytes: len, groups, directory })
}

impl Plan {
    /// Reads and checks all files and says what goes into which chart. Writes nothing.
    pub(super) async fn make(
        client: &Client,
        paths: &[PathBuf],
        limits: &Limits,
    ) -> Result<Self, ImportError> {
        let paths = paths.to_vec();
        let all_limits = limits.clone();
        let mut plan = heavy(&*client.host, move || Self::check(&paths, &all_limits)).await?;
        plan.find_charts(client).await?;
        Ok(plan)
    }

    fn check(paths: &[PathBuf], limits: &Limits) -> Result<Self, ImportError> {
        let mut plan = Self { sources: Vec::new(), jobs: Vec::new(), resources: 0 };
        let mut by_token: BTreeMap<String, usize> = BTreeMap::new();
        let mut merged: BTreeMap<usize, usize> = BTreeMap::new();
        let mut directory: Option<usize> = None;
        let mut kept = 0_usize;
        for path in files(paths)? {
            let Checked { mut source, bytes, groups, directory: entries } = check(path, limits)?;
            kept = kept.saturating_add(bytes);
            if kept > KEPT_BYTES_MAX {
                source.kept = None;
            }
            let at = plan.sources.len();
            let mut jobs = Vec::new();
            let mut parts = Vec::new();
            for group in groups {
                let job = plan.job_of(&group, &mut by_token, &mut merged);
                jobs.push(job);
                if !group.entries.is_empty() {
                    parts.push((job, group.entries));
                }
            }
            let jobs = Arc::new(jobs);
            for (job, entries) in parts {
                plan.resources += entries.len();
                plan.jobs[job].parts.push(Part { source: at, entries, jobs: Arc::clone(&jobs) });
            }
            if !entries.is_empty() {
                plan.resources += entries.len();
                let job = *directory.get_or_insert_with(|| {
                    plan.jobs.push(Job { directory: true, ..Job::default() });
                    plan.jobs.len() - 1
                });
                let entries = entries.into_iter().map(|entry| Assigned { entry, also: Vec::new() }).collect();
                plan.jobs[job].parts.push(Part { source: at, entries, jobs });
            }
            plan.sources.push(source);
        }
        plan.settle(&merged);
        Ok(plan)
    }

    /// The job of a patient: that of an earlier group which shares an identifier, or a new one.
    fn job_of(
        &mut self,
        group: &Group,
        by_token: &mut BTreeMap<String, usize>,
        merged: &mut BTreeMap<usize, usize>,
    ) -> usize {
        let mut known: BTreeSet<usize> = group
            .tokens
            .iter()
            .filter_map(|token| by_token.get(token))
            .map(|job| root(merged, *job))
            .collect();
        let job = known.pop_first().unwrap_or_else(|| {
            self.jobs.push(Job::default());
            self.jobs.len() - 1
        });
        // One more file may show that two patients of earlier files are one.
        for other in known {
            merged.insert(other, job);
        }
        for token in &group.tokens {
            by_token.insert(token.clone(), job);
        }
        let entry = &mut self.jobs[job];
        entry.patient |= group.patient;
        entry.name = entry.name.take().or_else(|| group.name.clone());
        entry.tokens.extend(group.tokens.iter().cloned());
        job
    }

    /// Moves what belongs to merged jobs together.
    fn settle(&mut self, merged: &BTreeMap<usize, usize>) {
        for (from, _) in merged.iter() {
            let to = root(merged, *from);
            let job = std::mem::take(&mut self.jobs[*from]);
            let into = &mut self.jobs[to];
            into.patient |= job.patient;
            into.name = into.name.take().or(job.name);
            into.tokens.extend(job.tokens);
            into.parts.extend(job.parts);
            into.parts.sort_by_key(|part| part.source);
        }
        if merged.is_empty() {
            return;
        }
        for job in 0..self.jobs.len() {
            for part in &mut self.jobs[job].parts {
                part.jobs = Arc::new(part.jobs.iter().map(|job| root(merged, *job)).collect());
            }
        }
    }

    /// Finds the charts that patients have already, and chooses ids for those that they haven't.
    async fn find_charts(&mut self, client: &Client) -> Result<(), ImportError> {
        let sources = &self.sources;
        let found: Vec<Option<ChartId>> = stream::iter(self.jobs.iter().map(|job| async move {
            if job.directory {
                return Ok(client.known_chart(About::Directory).await?);
            }
            let mut found: Option<ChartId> = None;
            for token in &job.tokens {
                match (found, client.known_chart(About::Patient(token)).await?) {
                    (Some(one), Some(other)) if one != other => {
                        let at = job.parts.first().map_or(0, |part| part.source);
                        let path = sources.get(at).map(|source| source.path.clone()).unwrap_or_default();
                        return Err(ImportError::TwoCharts { path, one, other });
                    }
                    (None, Some(one)) => found = Some(one),
                    (Some(_) | None, None) | (Some(_), Some(_)) => {}
                }
            }
            Ok::<_, ImportError>(found)
        }))
        .buffered(LOOKUPS)
        .try_collect()
        .await?;
        for (job, found) in self.jobs.iter_mut().zip(found) {
            // A name may be bound to a chart whose making stopped half-way: it is made now.
            job.exists = match found {
                Some(chart) => client.chart_exists(chart).await?,
                None => false,
            };
            job.chart = found.unwrap_or_else(|| ChartId::from(host::random(&*client.host)));
        }
        Ok(())
    }
}

fn root(merged: &BTreeMap<usize, usize>, mut job: usize) -> usize {
    while let Some(into) = merged.get(&job) {
        job = *into;
    }
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(id: &str, value: &str) -> String {
        format!(
            r#"{{"fullUrl":"urn:uuid:{id}","resource":{{"resourceType":"Patient","id":"{id}","name":[{{"family":"F{id}"}}],
            "identifier":[{{"system":"urn:mrn","value":"{value}"}}]}}}}"#
        )
    }

    fn bundle(entries: &[String]) -> String {
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(","))
    }

    fn plan(files: &[(&str, String)]) -> Result<Plan, ImportError> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Plan::check(&[dir.path().to_owned()], &Limits::default())
    }

    #[test]
    fn one_patient_in_two_files_is_one_job() {
        let observation =
            r#"{"resource":{"resourceType":"Observation","subject":{"reference":"urn:uuid:b"}}}"#;
        let organization = r#"{"resource":{"resourceType":"Organization","name":"Riverside"}}"#;
        let plan = plan(&[
            ("a.json", bundle(&[patient("a", "1"), organization.to_owned()])),
            ("deep/b.json", bundle(&[patient("b", "1"), observation.to_owned(), organization.to_owned()])),
            ("deep/c.json", bundle(&[patient("c", "2")])),
            ("notes.txt", "not read".to_owned()),
        ])
        .unwrap();
        assert_eq!(plan.resources, 6);
        let shape: Vec<_> = plan
            .jobs
            .iter()
            .map(|job| {
                (
                    job.directory,
                    job.patient,
                    job.parts.iter().map(|part| part.entries.len()).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(shape, [(false, true, vec![1, 2]), (true, false, vec![1, 1]), (false, true, vec![1])]);
    }

    #[test]
    fn a_later_file_can_show_that_two_patients_are_one() {
        let both = r#"{"fullUrl":"urn:uuid:x","resource":{"resourceType":"Patient","identifier":[
            {"system":"urn:mrn","value":"1"},{"system":"urn:mrn","value":"2"}]}}"#;
        let plan = plan(&[
            ("a.json", bundle(&[patient("a", "1")])),
            ("b.json", bundle(&[patient("b", "2")])),
            ("c.json", bundle(&[both.to_owned()])),
        ])
        .unwrap();
        let parts: Vec<usize> = plan.jobs.iter().map(|job| job.parts.len()).collect();
        assert_eq!(parts, [3, 0]);
    }

    #[test]
    fn one_bad_file_refuses_all_and_is_named() {
        let check = |text: &str, part: &str| {
            let error =
                plan(&[("a.json", bundle(&[patient("a", "1")])), ("b.json", text.to_owned())]).err().unwrap();
            let message = error.to_string();
            assert!(message.contains("b.json") && message.contains(part), "{message}");
            assert!(message.ends_with("nothing was imported"), "{message}");
        };
        check("{", "malformed JSON");
        check(r#"{"resourceType":"Bundle"}"#, "no `type`");
        check(r#"{"resourceType":"Bundle","type":"collection"}"#, "no resource");
        check(r#"{"resourceType":"Patient","id":"a","id":"b"}"#, "stands twice");
        check(r#"{"resourceType":"StructureDefinition","fhirVersion":"5.0.0"}"#, "only R4");
    }

    #[test]
    fn an_empty_folder_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            Plan::check(&[dir.path().to_owned()], &Limits::default()),
            Err(ImportError::NoFiles(_))
        ));
    }
}
