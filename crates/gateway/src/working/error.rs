//! This file is where it stands why the working set can't do what it is asked.

/// Why the working set failed or refused.
#[derive(Debug, thiserror::Error)]
pub enum WorkingError {
    /// The database: a full or broken disk, or a key that doesn't fit.
    #[error("the working set: {0}; if it is damaged, delete it and have it rebuilt")]
    Database(#[from] rusqlite::Error),
    /// Another program has it, or the folder can't be written.
    #[error("the working set `{}` can't be opened: {source}", path.display())]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A search that would have to look at too much.
    #[error(
        "the search would look at more than {max} resources one by one; narrow it down, by a patient or a date"
    )]
    TooCostly {
        /// The bound.
        max: usize,
    },
    /// What was handed in can't be indexed.
    #[error("{0} can't be indexed: it isn't a resource of FHIR R4")]
    NotAResource(String),
    /// A page was asked for with a cursor that isn't one of this search.
    #[error("the page's cursor isn't one of this search; start again from its first page")]
    Cursor,
}
