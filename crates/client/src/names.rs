//! This file is where an opaque tag gets its category's name back, for those who have the chart's tag key.

use envelope::TagKey;
use fhir::category::{Category, GENERAL, known};
use primitives::Tag;
use std::collections::{BTreeMap, BTreeSet};

/// Most labels of a joint category that is recognised without being told.
const JOINT_MAX: usize = 3;

/// The categories of one chart by their tags.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<Tag, String>);

impl Names {
    /// The names of all categories, and of joint ones of up to three labels.
    #[must_use]
    pub fn of(key: &TagKey) -> Self {
        let mut names = BTreeMap::from([(key.tag(GENERAL), GENERAL.to_owned())]);
        let mut joint: Vec<Vec<&str>> = vec![Vec::new()];
        for _ in 0..JOINT_MAX {
            let mut longer = Vec::new();
            for labels in &joint {
                for label in known().iter().filter(|label| labels.last().is_none_or(|last| last < *label)) {
                    let labels: Vec<&str> = labels.iter().copied().chain([*label]).collect();
                    let name = labels.join("+");
                    names.insert(key.tag(&name), name);
                    longer.push(labels);
                }
            }
            joint = longer;
        }
        Self(names)
    }

    /// The category with this tag, if its name is known.
    #[must_use]
    pub fn get(&self, tag: &Tag) -> Option<&str> {
        self.0.get(tag).map(String::as_str)
    }
}

/// The tags of all categories that somebody with these labels may open: each alone, and every combination of them.
///
/// A record with several labels lies in their joint category, and whoever opens that needs all of them; so naming
/// `HIV` and `PSY` names `HIV+PSY` too.
#[must_use]
pub fn tags_within(key: &TagKey, categories: &[Category]) -> BTreeSet<Tag> {
    let mut tags = BTreeSet::new();
    if categories.iter().any(|category| !category.special()) {
        tags.insert(key.tag(GENERAL));
    }
    let labels: BTreeSet<&str> = categories.iter().flat_map(Category::labels).collect();
    let labels: Vec<&str> = labels.into_iter().take(LABELS_MAX).collect();
    for chosen in 1..1_u32 << labels.len() {
        let name: Vec<&str> = labels
            .iter()
            .enumerate()
            .filter(|(at, _)| chosen >> at & 1 == 1)
            .map(|(_, label)| *label)
            .collect();
        tags.insert(key.tag(&name.join("+")));
    }
    tags
}

/// Most labels that can be named at once: with all their combinations they still fit into one directive.
pub const LABELS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_with_the_right_key_only() {
        let key = TagKey::from_bytes(&[1; 32]);
        let names = Names::of(&key);
        for name in [GENERAL, "PSY", "HIV+PSY", "ETH+HIV+SDV"] {
            assert_eq!(names.get(&key.tag(name)), Some(name));
        }
        assert_eq!(names.get(&key.tag("index")), None);
        assert_eq!(names.get(&TagKey::from_bytes(&[2; 32]).tag("PSY")), None);
    }

    #[test]
    fn labels_name_their_combinations() {
        let key = TagKey::from_bytes(&[1; 32]);
        let named = |texts: &[&str]| {
            let categories: Vec<Category> = texts.iter().map(|text| Category::parse(text).unwrap()).collect();
            tags_within(&key, &categories)
        };
        let tags = |names: &[&str]| names.iter().map(|name| key.tag(name)).collect::<BTreeSet<Tag>>();
        assert_eq!(named(&["PSY"]), tags(&["PSY"]));
        assert_eq!(named(&["general"]), tags(&["general"]));
        assert_eq!(named(&["PSY", "HIV"]), tags(&["HIV", "PSY", "HIV+PSY"]));
        assert_eq!(named(&["HIV+PSY", "general"]), tags(&["HIV", "PSY", "HIV+PSY", "general"]));
        assert_eq!(named(&["A", "B", "C", "D", "E"]).len(), 31);
    }
}
