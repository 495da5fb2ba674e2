//! This file is where AuditEvents that are rendered from the ledger come into the working set, and where it stands up to which
//! line of a chart's log they have.

use super::{
    error::WorkingError,
    numbers,
    put::{Version, chart_number},
    set::{WorkingSet, find_chart},
};
use primitives::ChartId;
use rusqlite::OptionalExtension as _;

impl WorkingSet {
    /// The first line of the chart's log that AuditEvents haven't been rendered from; 0 if from none.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn audited(&self, chart: &ChartId) -> Result<u64, WorkingError> {
        let db = self.read();
        let Some(number) = find_chart(&db, chart)? else { return Ok(0) };
        let lines: Option<i64> = db
            .prepare_cached("SELECT lines FROM audited WHERE chart = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        Ok(lines.and_then(|lines| u64::try_from(lines).ok()).unwrap_or(0))
    }

    /// The id under which the chart's patient is served: of the organisation's own Patient, or of another's; none if only
    /// sensitive records hold one.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn patient_of(&self, chart: &ChartId) -> Result<Option<String>, WorkingError> {
        let db = self.read();
        let Some(number) = find_chart(&db, chart)? else { return Ok(None) };
        let found = db
            .prepare_cached(
                "SELECT r.id FROM resource r JOIN class k ON k.id = r.class
                 WHERE r.chart = ?1 AND r.kind = ?2 AND r.deleted = 0 AND k.category = 'general'
                 ORDER BY k.own DESC, r.rid LIMIT 1",
            )?
            .query_row((number, numbers::kind("Patient")), |row| row.get(0))
            .optional()?;
        Ok(found)
    }

    /// Takes in what was rendered from the chart's log up to this line.
    ///
    /// # Errors
    /// [`WorkingError`].
    pub fn put_audited(&self, chart: &ChartId, versions: &[Version], lines: u64) -> Result<(), WorkingError> {
        // What is put twice stays as it is: if this ends in between, it is done again.
        self.put(versions, &[])?;
        self.write(|db, _| {
            let number = chart_number(db, chart)?;
            db.prepare_cached(
                "INSERT INTO audited(chart, lines) VALUES (?1, ?2)
                 ON CONFLICT(chart) DO UPDATE SET lines = max(lines, excluded.lines)",
            )?
            .execute((number, i64::try_from(lines).unwrap_or(i64::MAX)))?;
            Ok(())
        })
    }
}
