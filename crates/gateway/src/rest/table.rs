//! This file is where the routes under the FHIR base are told: found by asking what each method means at each place, so that
//! it is the reader of requests itself that tells them.

use super::interaction::{Interaction, Operation};
use crate::http::Route;

/// The methods that any place may take.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Stands for any type in a path; for what only patients have, `Patient` itself stands there.
const ANY: &str = "Observation";

/// All routes under the FHIR base: `/fhir/{type}/{id}` and so on.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    for path in paths() {
        for method in METHODS {
            if Interaction::of(method, &path).is_ok() {
                let path = path
                    .replace(ANY, "{type}")
                    .replace("/1/_history/2", "/{id}/_history/{version}")
                    .replace("/1", "/{id}");
                let slash = if path.is_empty() { "" } else { "/" };
                routes.push(Route::new(method, format!("/fhir{slash}{path}")));
            }
        }
    }
    routes
}

/// Places of every form. What a form takes, and whether it is one, `Interaction::of` says.
fn paths() -> Vec<String> {
    let mut paths: Vec<String> = ["", "metadata", "_search", "_history"].map(str::to_owned).into();
    let of_all: Vec<String> = Operation::ALL.iter().map(|operation| operation.name().to_owned()).collect();
    paths.extend(of_all.iter().cloned());
    for kind in [ANY, "Patient"] {
        let more = ["", "/_search", "/_history", "/1", "/1/_history", "/1/_history/2"];
        let more = more.iter().map(|end| (*end).to_owned());
        let operations = of_all.iter().flat_map(|name| [format!("/{name}"), format!("/1/{name}")]);
        paths.extend(more.chain(operations).map(|end| format!("{kind}{end}")));
    }
    // What a patient has like everybody is told once.
    let plain: Vec<String> = paths.iter().filter(|path| path.starts_with(ANY)).cloned().collect();
    paths.retain(|path| {
        !plain.iter().any(|plain| {
            plain.replacen(ANY, "Patient", 1) == *path
                && METHODS.iter().all(|method| {
                    Interaction::of(method, plain).is_ok() == Interaction::of(method, path).is_ok()
                })
        })
    });
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::interaction::Interaction as I;

    /// A new interaction must be given its place here, and its form above.
    fn place(interaction: &I) -> usize {
        match interaction {
            I::Capabilities => 0,
            I::Bundle => 1,
            I::Read(_) => 2,
            I::VersionRead(..) => 3,
            I::HistoryOf(_) => 4,
            I::HistoryOfType(_) => 5,
            I::Search(None) => 6,
            I::Search(Some(_)) => 7,
            I::Create(_) => 8,
            I::Update(_) => 9,
            I::UpdateWhere(_) => 10,
            I::Patch(_) => 11,
            I::PatchWhere(_) => 12,
            I::Delete(_) => 13,
            I::DeleteWhere(_) => 14,
            I::Operation(Operation::Validate, _) => 15,
            I::Operation(Operation::Everything, _) => 16,
            I::Operation(Operation::ExplainAccess, _) => 17,
        }
    }

    #[test]
    fn every_interaction_has_a_route() {
        let mut found = std::collections::BTreeSet::new();
        for path in paths() {
            found.extend(METHODS.iter().filter_map(|method| Some(place(&I::of(method, &path).ok()?))));
        }
        assert_eq!(found.into_iter().collect::<Vec<_>>(), (0..18).collect::<Vec<_>>());
        let routes = routes();
        assert!(routes.contains(&Route::new("PUT", "/fhir/{type}/{id}")), "{routes:?}");
        assert!(routes.contains(&Route::new("GET", "/fhir/Patient/{id}/$everything")), "{routes:?}");
    }
}
