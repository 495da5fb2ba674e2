//! Governance: who the members are, what the network's parameters and base policies say, and how members change them.

mod approve;
mod genesis;
mod propose;
mod rotate_box_key;
mod state;

pub use approve::Approve;
pub use genesis::{Genesis, GenesisError, GenesisMember, found};
pub use propose::Propose;
pub use rotate_box_key::RotateBoxKey;
pub use state::{APPROVAL_REPEATED, BOX_KEY_INVALID, CHANGE_INVALID, PROPOSAL_OVER, PROPOSAL_UNKNOWN};
pub use state::{
    Change, MEMBERS, Member, MemberKind, Params, Policy, REJECTS, charge, has_room, member, members, params,
    policy, quorum,
};
pub(crate) use state::{charge_break_glass, charge_denied, set_member_key};
