//! This file is where parsers of outside input get whatever there is: they refuse or read, and what they read is what
//! they write.

use gateway::{
    http::{CorsOrigin, PublicUrl},
    smart::{Allowed, ClientId, Context, Interaction, KeySet, Scope, Scopes},
};
use proptest::prelude::*;

/// Texts that are nearly scopes.
fn nearly() -> impl Strategy<Value = String> {
    let context = prop::sample::select(vec!["system/", "user/", "patient/", "", "x/"]);
    let kind = prop::sample::select(vec!["*", "Observation", "Patient", "patient", ""]);
    let verbs =
        prop::sample::select(vec![".read", ".write", ".*", ".r", ".rs", ".cruds", ".cud", ".sr", "."]);
    let query = prop::collection::vec(("[a-c_%:.]{0,3}", "[ -~]{0,4}"), 0..3);
    (context, kind, verbs, query).prop_map(|(context, kind, verbs, query)| {
        let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{context}{kind}{verbs}{mark}{}", query.join("&"))
    })
}

fn width(allowed: &Allowed) -> usize {
    match allowed {
        Allowed::No => 0,
        Allowed::Restricted(_) => 1,
        Allowed::Yes => 2,
    }
}

proptest! {
    #[test]
    fn scopes_read_back_as_they_were(text in prop_oneof![nearly(), ".{0,40}"]) {
        if let Ok(scope) = text.parse::<Scope>() {
            prop_assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
    }

    #[test]
    fn what_two_sets_share_is_no_wider_than_either(
        one in prop::collection::vec(nearly(), 0..4),
        two in prop::collection::vec(nearly(), 0..4),
    ) {
        let [one, two] = [one, two].map(|texts| Scopes::asked(&texts.join(" ")).unwrap());
        let both = one.meet(&two).unwrap();
        prop_assert_eq!(Scopes::parse(&both.to_string()).unwrap(), both.clone());
        for kind in ["Observation", "Patient", "Encounter"] {
            for interaction in Interaction::ALL {
                let [a, b, c] = [&one, &two, &both].map(|scopes| width(&scopes.allows(kind, interaction)));
                prop_assert!(c <= a.min(b), "{} of {} and {}", both, one, two);
                // What both allow without a restriction, in one context, they share without one.
                let unrestricted = |scopes: &Scopes| {
                    scopes.iter().any(|scope| {
                        let alone = Scopes::parse(&scope.to_string()).unwrap();
                        alone.allows(kind, interaction) == Allowed::Yes && scope.context() == Context::System
                    })
                };
                if unrestricted(&one) && unrestricted(&two) {
                    prop_assert_eq!(c, 2);
                }
            }
        }
    }

    #[test]
    fn nothing_panics(text in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _refused = KeySet::parse(&bytes);
        let _refused = KeySet::parse(text.as_bytes());
        let _refused = text.parse::<PublicUrl>();
        let _refused = text.parse::<CorsOrigin>();
        let _refused = text.parse::<ClientId>();
        if let Ok(url) = format!("https://{text}").parse::<PublicUrl>() {
            prop_assert_eq!(url.as_str().parse::<PublicUrl>().unwrap(), url);
        }
    }
}
