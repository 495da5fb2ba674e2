//! This file is where a question to the policies is plain values, and the answer says which policies decided.

use cedar_policy::{Context, EntityUid, Request as CedarRequest, RestrictedExpression, Schema};
use primitives::Slug;
use std::error::Error;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// To read a class.
    Read,
    /// To write into a class.
    Write,
}

/// What the owner's directives say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// One permits and none denies.
    Permit,
    /// One denies.
    Deny,
    /// None speaks of it.
    None,
}

/// A question to the policies. The fields are explained in `policies/horkos.cedarschema`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// What is asked for.
    pub action: Action,
    /// What kind of signer asks.
    pub who: &'static str,
    /// The member in whose name an organisation or practitioner asks.
    pub org: String,
    /// What that member is.
    pub org_kind: &'static str,
    /// The role that it certified.
    pub role: String,
    /// Purpose of use, and whatever it specialises, from narrow to wide. Empty for writing.
    pub purposes: Vec<&'static str>,
    /// The organisation that wrote the class.
    pub writer: String,
    /// Whether the category is more sensitive than general.
    pub special: bool,
    /// Whether the chart is a directory.
    pub directory: bool,
    /// Whether the chart has an owner.
    pub claimed: bool,
    /// Whether the member is the chart's custodian.
    pub custodian: bool,
    /// Whether the signer is or acts for the owner.
    pub owner: bool,
    /// What the owner's directives say.
    pub directive: Outcome,
    /// Whether the member treats the patient at present.
    pub treating: bool,
    /// Whether an emergency is declared.
    pub break_glass: bool,
    /// Whether the signer proved once more who it is.
    pub step_up: bool,
    /// Whether break-glass overrides an explicit denial of this class.
    pub overrides_deny: bool,
}

/// The policies' answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is permitted.
    pub permit: bool,
    /// The policies that decided, sorted; none if it is denied because nothing permits it.
    pub deciding: Vec<Slug>,
}

impl Request {
    pub(super) fn to_cedar(&self, schema: &Schema) -> Result<CedarRequest, Box<dyn Error>> {
        let Self {
            action,
            who,
            org,
            org_kind,
            role,
            purposes,
            writer,
            special,
            directory,
            claimed,
            custodian,
            owner,
            directive,
            treating,
            break_glass,
            step_up,
            overrides_deny,
        } = self;
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let truth = RestrictedExpression::new_bool;
        let directive = match directive {
            Outcome::Permit => "permit",
            Outcome::Deny => "deny",
            Outcome::None => "none",
        };
        let context = Context::from_pairs([
            ("who".to_owned(), text(who)),
            ("org".to_owned(), text(org)),
            ("orgKind".to_owned(), text(org_kind)),
            ("role".to_owned(), text(role)),
            ("purpose".to_owned(), text(purposes.first().unwrap_or(&""))),
            ("purposes".to_owned(), RestrictedExpression::new_set(purposes.iter().map(|code| text(code)))),
            ("writer".to_owned(), text(writer)),
            ("ownWriting".to_owned(), truth(!org.is_empty() && org == writer)),
            ("special".to_owned(), truth(*special)),
            ("directory".to_owned(), truth(*directory)),
            ("claimed".to_owned(), truth(*claimed)),
            ("custodian".to_owned(), truth(*custodian)),
            ("owner".to_owned(), truth(*owner)),
            ("directive".to_owned(), text(directive)),
            ("treating".to_owned(), truth(*treating)),
            ("breakGlass".to_owned(), truth(*break_glass)),
            ("stepUp".to_owned(), truth(*step_up)),
            ("overridesDeny".to_owned(), truth(*overrides_deny)),
        ])?;
        let action = match action {
            Action::Read => "read",
            Action::Write => "write",
        };
        let uid = |kind: &str, id: &str| -> Result<EntityUid, Box<dyn Error>> {
            Ok(EntityUid::from_type_name_and_id(kind.parse()?, id.parse()?))
        };
        let (signer, action, class) =
            (uid("Signer", "signer")?, uid("Action", action)?, uid("Class", "class")?);
        Ok(CedarRequest::new(signer, action, class, context, Some(schema))?)
    }
}
