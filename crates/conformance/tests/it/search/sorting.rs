//! In what order resources come.

use super::shelf::{Shelf, strict};
use conformance::search::sort_key;

/// The ids of those that have a key, in order.
fn order(shelf: &Shelf, kind: &str, code: &str) -> String {
    let query = strict(kind, &format!("_sort={code}")).unwrap();
    let sort = query.sort[0];
    let mut keyed: Vec<_> =
        shelf.indexes.iter().filter_map(|index| Some((sort_key(&sort, index)?, index))).collect();
    keyed.sort_by(|one, other| one.0.as_bytes().cmp(other.0.as_bytes()));
    if sort.descending {
        keyed.reverse();
    }
    keyed.iter().filter_map(|(_, index)| index.id.as_deref()).collect::<Vec<_>>().join(" ")
}

#[test]
fn keys_sort_as_values_do() {
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Patient","id":"a","birthDate":"1969-05","name":[{"family":"Zoe"},{"family":"Abel"}],"managingOrganization":{"reference":"Organization/2"}}
        {"resourceType":"Patient","id":"b","birthDate":"1970-01-02","name":[{"family":"Müller"}],"managingOrganization":{"reference":"Organization/1"}}
        {"resourceType":"Patient","id":"c","birthDate":"1900","name":[{"family":"Mull"}]}
        {"resourceType":"Patient","id":"d"}
        "#,
    );
    for (code, expected) in [
        ("birthdate", "c a b"),
        ("-birthdate", "b a c"),
        ("family", "a c b"),
        ("-family", "a b c"),
        ("organization", "b a"),
        ("-_id", "d c b a"),
    ] {
        assert_eq!(order(&shelf, "Patient", code), expected, "{code}");
    }
    let shelf = Shelf::of(
        r#"
        {"resourceType":"Observation","id":"a","valueQuantity":{"value":2,"system":"http://unitsofmeasure.org","code":"g"}}
        {"resourceType":"Observation","id":"b","valueQuantity":{"value":50,"system":"http://unitsofmeasure.org","code":"mg"}}
        {"resourceType":"Observation","id":"c","valueQuantity":{"value":-1,"system":"http://unitsofmeasure.org","code":"kg"}}
        "#,
    );
    assert_eq!(order(&shelf, "Observation", "value-quantity"), "c b a");
}
