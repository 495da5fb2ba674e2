//! This file is where sets of scopes answer, told as tables.

use gateway::smart::{Allowed, Interaction, SCOPES_MAX, Scopes};

/// `no`, `yes`, or the filters that resources must match one of.
fn told(scopes: &str, resource_type: &str, interaction: Interaction) -> String {
    match Scopes::parse(scopes).unwrap().allows(resource_type, interaction) {
        Allowed::No => "no".to_owned(),
        Allowed::Yes => "yes".to_owned(),
        Allowed::Restricted(filters) => {
            let filter = |filter: &gateway::smart::Filter| {
                filter.pairs().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
            };
            filters.iter().map(filter).collect::<Vec<_>>().join(" or ")
        }
    }
}

#[test]
fn what_scopes_allow() {
    use Interaction::{Create, Delete, Read, Search, Update};
    for (scopes, resource_type, interaction, result) in [
        ("", "Observation", Read, "no"),
        ("system/*.read", "Observation", Read, "yes"),
        ("system/*.read", "Observation", Search, "yes"),
        ("system/*.read", "Observation", Create, "no"),
        ("system/Observation.write", "Observation", Create, "yes"),
        ("system/Observation.write", "Observation", Update, "yes"),
        ("system/Observation.write", "Observation", Delete, "yes"),
        ("system/Observation.write", "Observation", Read, "no"),
        ("system/Observation.write", "Patient", Create, "no"),
        ("user/*.*", "Patient", Delete, "yes"),
        ("system/Observation.r", "Observation", Search, "no"),
        ("system/Observation.s", "Observation", Read, "no"),
        ("system/Observation.rs", "ObservationDefinition", Read, "no"),
        // Any of them is enough, and one without a restriction lifts those of the others.
        ("system/Observation.r system/Observation.s", "Observation", Search, "yes"),
        ("system/Observation.rs?category=laboratory", "Observation", Read, "category=laboratory"),
        ("system/Observation.rs?category=laboratory", "Observation", Create, "no"),
        ("system/Observation.rs?category=laboratory", "Patient", Read, "no"),
        (
            "system/Observation.rs?category=laboratory user/Observation.r?category=vital-signs",
            "Observation",
            Read,
            "category=vital-signs or category=laboratory",
        ),
        (
            "system/Observation.rs?category=laboratory user/Observation.r?category=vital-signs",
            "Observation",
            Search,
            "category=laboratory",
        ),
        ("system/Observation.rs?category=laboratory system/*.r", "Observation", Read, "yes"),
        (
            "system/Observation.rs?category=laboratory system/*.r",
            "Observation",
            Search,
            "category=laboratory",
        ),
        ("system/Observation.rs?category=a,b&status=final", "Observation", Read, "category=a,b&status=final"),
        ("system/Observation.r?category=a user/Observation.r?category=a", "Observation", Read, "category=a"),
        // Whose patient? Until a launch says so, nobody's.
        ("patient/*.cruds", "Observation", Read, "no"),
        ("patient/*.cruds system/*.r?_security=N", "Observation", Read, "_security=N"),
    ] {
        assert_eq!(
            told(scopes, resource_type, interaction),
            result,
            "{scopes}: {interaction:?} {resource_type}"
        );
    }
}

#[test]
fn what_two_sets_have_in_common() {
    for (asked, registered, both) in [
        ("system/*.rs", "system/*.cruds", "system/*.rs"),
        ("system/*.cruds", "system/Observation.r", "system/Observation.r"),
        ("system/Observation.r", "system/Observation.s", ""),
        ("system/Observation.r", "user/Observation.r", ""),
        ("system/Observation.r", "system/Patient.r", ""),
        ("system/*.read", "system/*.rs", "system/*.read"),
        ("system/*.write", "system/*.c", "system/*.c"),
        // Of what one scope comes to only the widest is said; each that is asked for is answered.
        ("system/*.rs", "system/*.rs system/Observation.rs", "system/*.rs"),
        ("system/*.rs system/Observation.r", "system/*.rs", "system/*.rs system/Observation.r"),
        ("system/*.rs", "system/Observation.rs?category=a", "system/Observation.rs?category=a"),
        (
            "system/*.rs?status=final",
            "system/Observation.rs?category=a",
            "system/Observation.rs?category=a&status=final",
        ),
        ("system/*.r?a=1", "system/*.r?a=2", "system/*.r?a=1&a=2"),
        ("system/*.r?a=1", "system/*.r?a=1 system/*.r?b=1", "system/*.r?a=1"),
    ] {
        let [asked_set, registered_set] = [asked, registered].map(|text| Scopes::parse(text).unwrap());
        let met = asked_set.meet(&registered_set).unwrap();
        assert_eq!(met.to_string(), both, "{asked} with {registered}");
        assert_eq!(Scopes::parse(both).unwrap(), met);
    }
}

#[test]
fn lists_of_scopes_are_bounded() {
    assert!(Scopes::parse("system/*.rs nonsense").is_err());
    assert_eq!(Scopes::asked("system/*.rs nonsense openid").unwrap().to_string(), "system/*.rs");
    let list = |count: usize| (0..count).map(|n| format!("system/A{n}.r ")).collect::<String>();
    assert_eq!(Scopes::asked(&list(SCOPES_MAX)).unwrap().iter().count(), SCOPES_MAX);
    assert!(Scopes::asked(&list(SCOPES_MAX + 1)).is_err());
    assert!(Scopes::asked(&"x".repeat(20_000)).is_err());
    let wide =
        |name: &str| Scopes::parse(&(0..12).map(|n| format!("system/*.r?{name}{n}=1 ")).collect::<String>());
    assert!(wide("a").unwrap().meet(&wide("b").unwrap()).is_err());
}
