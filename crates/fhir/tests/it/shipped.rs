//! The bundles that the project ships: read, laws of all files, the traits that its README promises; and the bad ones.

use crate::real::check_laws;
use crate::{files, read, workspace};
use fhir::assign::{Assignment, assign};
use fhir::category::Category;
use fhir::{Bundle, phi};
use std::collections::BTreeMap;
use std::fmt::Write;

fn shipped() -> BTreeMap<String, (Vec<u8>, Bundle, Assignment)> {
    let found = files(&workspace().join("data/bundles"));
    assert_eq!(found.len(), 9, "the shipped bundles are part of the checkout");
    found
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let file = std::fs::read(&path).unwrap();
            let bundle = read(file.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let assignment = assign(&bundle);
            (name, (file, bundle, assignment))
        })
        .collect()
}

#[test]
fn every_shipped_bundle_obeys_the_laws() {
    for (name, (file, bundle, _)) in shipped() {
        check_laws(&name, &file, &bundle);
    }
}

#[test]
fn the_shipped_bundles_have_the_traits_that_tests_rely_on() {
    let mut table = String::new();
    for (name, (_, bundle, assignment)) in shipped() {
        let entries: Vec<_> = bundle.entries().collect();
        let groups: Vec<String> = assignment
            .groups
            .iter()
            .map(|group| {
                let mut classes: BTreeMap<String, usize> = BTreeMap::new();
                for assigned in &group.entries {
                    let resource = entries[assigned.entry].resource.as_ref().unwrap();
                    *classes.entry(Category::of(resource.value).to_string()).or_default() += 1;
                }
                let also = group.entries.iter().filter(|assigned| !assigned.also.is_empty()).count();
                let classes: Vec<_> =
                    classes.iter().map(|(class, count)| format!("{class} {count}")).collect();
                let name = group.name.as_deref().unwrap_or("?");
                format!(
                    "{name}: {}{}",
                    classes.join(", "),
                    if also > 0 { format!(", shared {also}") } else { String::new() }
                )
            })
            .collect();
        writeln!(table, "{name} | {} | {} in directory", groups.join("; "), assignment.directory.len())
            .unwrap();
    }
    assert_eq!(table, include_str!("shipped.golden"), "\n{table}");
}

#[test]
fn digits_and_letters_of_the_shipped_bundles_survive() {
    let shipped = shipped();
    let text = |name: &str| String::from_utf8(shipped[name].0.clone()).unwrap();
    assert!(text("torvald-stahlberg").contains("\"value\": 1.10"));
    assert!(text("sora-nakamura-bright").contains("\\u4e2d\\u6751"));
    let (_, bundle, _) = &shipped["sora-nakamura-bright"];
    let found = phi::strings(bundle.value());
    for wanted in ["中村 春子", "haruko.nakamura@post.example", "RH-101066", "Nakamura-Bright", "195967001"]
    {
        assert!(found.iter().any(|sensitive| sensitive.text == wanted), "`{wanted}` is not found");
    }
    assert!(found.iter().all(|sensitive| sensitive.text.chars().count() >= phi::CHARS_MIN));
}

#[test]
fn every_bad_file_is_refused_for_its_reason() {
    let found = files(&workspace().join("data/bad"));
    assert_eq!(found.len(), 17, "the bad files are part of the checkout");
    let mut table = String::new();
    for path in found {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let error = read(std::fs::read(&path).unwrap()).err().unwrap_or_else(|| panic!("{name} was taken"));
        writeln!(table, "{name}: {error}").unwrap();
    }
    assert_eq!(table, include_str!("bad.golden"), "\n{table}");
}
