//! What client and node say to each other: one signed call, one answer, borsh over HTTP.

mod call;
mod calls;

pub use call::{ANSWER_BYTES_MAX, Answer, CALL_BYTES_MAX, Call, Code, Method, Refusal, SignedCall, request};
pub use calls::*;
