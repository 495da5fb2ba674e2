//! This file is where every method of a node is listed, with what goes in and what comes out.

use super::Method;
use borsh::{BorshDeserialize, BorshSerialize};
use envelope::Dealing;
use ledger::{Logged, Outcome, charts::Attested};
use primitives::{
    ChartId, CompartmentId, Hash, Header, List, Millis, NetworkId, OrgId, PackRoot, PrincipalId, PublicKey,
    Signature, Slug, Span, StateProof, TxId,
};

/// Most bytes that carry packs and boxes.
const PACK_CALL_BYTES_MAX: usize = super::CALL_BYTES_MAX - (1 << 16);

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $name:literal $(max $max:expr)?, $request:ty => $response:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $method {}

            impl Method for $method {
                const NAME: &'static str = $name;
                $(const BYTES_MAX: usize = $max;)?
                type Request = $request;
                type Response = $response;
            }
        )*

        /// The names of all methods.
        pub const METHODS: &[&str] = &[$($name),*];
    };
}

methods! {
    /// Hands in a signed transaction and waits until it is final here.
    SubmitTx "submit", Submit => Final;
    /// What became of a transaction, if it was executed.
    FindTx "receipt", TxId => Option<Final>;
    /// Where the node stands. Open to every caller.
    GetStatus "status", () => Status;
    /// State rows by key, without proofs, as of the newest executed block.
    ReadRows "rows", Read => Rows;
    /// All state rows whose key begins with a prefix, in order, bounded.
    ScanRows "scan", Scan => Rows;
    /// State rows with proofs down from a certified header.
    ProveRows "prove" , Read => Proven;
    /// Lines of a chart's log.
    ReadLog "log", LogRange => Vec<Logged>;
    /// A caller's own node: waits until one of these charts' logs goes on, at most so long, and tells it with where the node
    /// stands.
    Follow "follow" max 1 << 20, Following => Followed;
    /// A caller's own node: distributes a sealed write to trustees and stores, and answers when enough have attested. The
    /// node goes on until all have, and brings the late ones to the ledger.
    StageWrite "stage" max PACK_CALL_BYTES_MAX, Write => Attestations;
    /// Between nodes: hold a pack, and the shares in one's box.
    HoldWrite "hold" max PACK_CALL_BYTES_MAX, Hold => Held;
    /// A pack's parts. A node that lacks it fetches it from whoever has it.
    FetchPack "pack", Fetch => PackParts;
    /// Keeps an audit record, addressed by its hash, here and with the others.
    StoreAudit "store-audit" max 2 << 20, AuditRecord => ();
    /// Between nodes and for readers: an audit record by its hash.
    FetchAudit "audit", Hash => Option<AuditRecord>;
    /// Between nodes: the trustee's release for one access.
    ReleaseShares "release" max 1 << 20, Release => Released;
    /// A caller's own node: asks all trustees for the release and answers when enough have given one, or all were asked.
    GatherShares "gather" max 1 << 20, Release => Vec<TrusteeAnswer>;
    /// A caller's own node: asks those trustees that weren't asked yet, all of them, after one of the others lied.
    GatherMore "gather-more" max 1 << 20, More => Vec<TrusteeAnswer>;
    /// A practitioner of the node's organisation asks to have a session certified; the caller's key is the staff key.
    OpenSession "session", NewSession => Session;
    /// Staff of the node's organisation has the organisation sign an act that staff may order.
    OrderAct "order" max 2 << 20, Act => Final;
    /// The organisation itself, or staff who may order it, has the node replace its trustee's box key.
    RotateBoxKey "rotate-box-key", () => BoxKeyRotated;
    /// The organisation's own sealed notes: which patient number is which chart, tag keys, open compartments.
    GetNote "get-note", Hash => Option<Vec<u8>>;
    /// Keeps or (with nothing) drops a note; false if what stands there isn't what the caller thought.
    PutNote "put-note" max 2 << 20, Note => bool;
    /// Staff asks for a one-time code with which a patient can claim a chart.
    MakeClaimCode "claim-code", ChartId => ClaimCode;
    /// A patient whom nobody knows yet hands in the code; the caller's key becomes the patient's.
    UseClaimCode "use-claim-code", ClaimCode => Offered;
}

/// A signed transaction to be made final.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Submit {
    /// The transaction, encoded.
    pub tx: Vec<u8>,
    /// How long to wait for finality; at most a minute.
    pub wait: Span,
}

/// An executed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Final {
    /// The transaction.
    pub tx: TxId,
    /// What became of it.
    pub outcome: Outcome,
    /// Height of its block.
    pub height: u64,
    /// Place in the block.
    pub index: u32,
    /// Time of the block.
    pub time: Millis,
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Status {
    /// The node's organisation.
    pub org: OrgId,
    /// The network.
    pub network: NetworkId,
    /// The program's version.
    pub version: String,
    /// Newest executed height.
    pub height: u64,
    /// Its time.
    pub time: Millis,
    /// Newest height that is known to be final, executed here or not.
    pub tip: u64,
    /// Validators in the committee.
    pub validators: u32,
    /// Transactions waiting.
    pub pool: u64,
    /// Committed packs that this node doesn't hold yet.
    pub packs_missing: u64,
    /// Committed packs of which the ledger doesn't say that all members store them; erased ones don't count.
    pub packs_below_n: u64,
    /// Writes of this organisation that not all trustees have acknowledged.
    pub writes_pending: u64,
    /// Whether the trustee has the box key that the ledger names; if not, it takes no new shares.
    pub box_key_held: bool,
    /// Other box keys that it still has: earlier ones, and one on its way to the ledger.
    pub box_keys_other: u32,
}

/// State rows asked for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Read {
    /// The keys.
    pub keys: List<Vec<u8>, 4096>,
    /// The node must have executed this height, or refuses as unavailable.
    pub min_height: u64,
}

/// A range of state rows.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Scan {
    /// What the keys begin with.
    pub prefix: Vec<u8>,
    /// Only keys above this one.
    pub after: Option<Vec<u8>>,
    /// At most so many; the node bounds it at 4096.
    pub limit: u32,
}

/// State rows.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Rows {
    /// Height as of which they hold.
    pub height: u64,
    /// Time of that block.
    pub time: Millis,
    /// Keys and values, in the order asked for or of keys.
    pub rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// State rows with proofs.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proven {
    /// Keys, values and proofs against the state root of `anchor`.
    pub rows: Vec<ProvenRow>,
    /// What vouches for the state root.
    pub anchor: Anchor,
}

/// A state row with its proof.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProvenRow {
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` proves absence.
    pub value: Option<Vec<u8>>,
    /// The proof.
    pub proof: StateProof,
}

/// Vouches for a state root: the header that names it, its descendants up to a certified one, and the certificate.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Anchor {
    /// First the header whose `executed` names the state root, then children up to the certified header.
    pub headers: List<Header, 4096>,
    /// The engine's certificate of the last header.
    pub certificate: Vec<u8>,
}

/// A range of a chart's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogRange {
    /// The chart.
    pub chart: ChartId,
    /// Index of the first line.
    pub from: u64,
    /// At most so many; the node bounds it at 10,000.
    pub limit: u32,
}

/// Charts followed, and from where on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Following {
    /// The charts, each with the index of the first line that isn't known yet.
    pub charts: List<(ChartId, u64), 8192>,
    /// How long to wait for one; at most 30 seconds.
    pub wait: Span,
}

/// What happened in followed charts.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Followed {
    /// Height of the newest block that the node has executed: no line up to it is missing, unless `more`.
    pub height: u64,
    /// Its time.
    pub time: Millis,
    /// Lines of the charts' logs, chart by chart, each chart's in order and without gaps.
    pub lines: Vec<Logged>,
    /// Whether there is more to be had at once.
    pub more: bool,
}

/// A sealed write on its way out.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Write {
    /// The chart.
    pub chart: ChartId,
    /// The pack.
    pub pack: PackRoot,
    /// Until when trustees and stores keep what never becomes final.
    pub keep_until: Millis,
    /// The pack's parts.
    pub parts: PackParts,
    /// New compartments and their boxes, by place in the committee; none if the write opens nothing.
    pub dealt: Option<(Dealing, Vec<Vec<u8>>)>,
}

/// A pack's two parts, see `envelope`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackParts {
    /// Manifest and ciphertexts.
    pub ciphertexts: Vec<u8>,
    /// The records' random parts.
    pub randoms: Vec<u8>,
}

/// What members signed over a write.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attestations {
    /// By trustees.
    pub acknowledgements: Vec<Attested>,
    /// By storing organisations.
    pub receipts: Vec<Attested>,
}

/// What one member is to hold of a write.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Hold {
    /// The writing organisation: must be the caller.
    pub writer: OrgId,
    /// The chart.
    pub chart: ChartId,
    /// The pack.
    pub pack: PackRoot,
    /// Until when it is kept if it never becomes final.
    pub keep_until: Millis,
    /// The pack's parts.
    pub parts: PackParts,
    /// The dealing and this member's box.
    pub dealt: Option<(Dealing, Vec<u8>)>,
}

/// A member holds what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Held {
    /// Over its shares, if there were any.
    pub acknowledgement: Option<Signature>,
    /// Over the pack.
    pub receipt: Signature,
}

/// A pack asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Fetch {
    /// The pack.
    pub pack: PackRoot,
    /// Whether to answer only from this node's own store.
    pub local: bool,
    /// Whether only its table of contents is wanted: the ciphertexts are cut after the manifest, and nothing else comes.
    pub head: bool,
}

/// An audit record: who looked, in plain words, sealed to the chart's `audit` compartment.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AuditRecord {
    /// The chart.
    pub chart: ChartId,
    /// Root of the pack.
    pub pack: PackRoot,
    /// Its sealed form, a pack of one record.
    pub parts: PackParts,
}

impl AuditRecord {
    /// The hash that an access names it by.
    #[must_use]
    pub fn hash(&self) -> Hash {
        primitives::hash_borsh(primitives::domain::AUDIT_RECORD, self)
    }
}

/// A release asked for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Release {
    /// The permitted access.
    pub access: TxId,
    /// The session's public X-Wing key, whose hash the access names (1216 bytes).
    pub session_key: Vec<u8>,
    /// The compartments wanted.
    pub compartments: List<CompartmentId, 4096>,
}

/// A release asked of further trustees.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct More {
    /// The release.
    pub release: Release,
    /// Places of the trustees that have answered already.
    pub except: List<u32, 100>,
}

/// One trustee's answer to a release.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Released {
    /// The shares, sealed to the session key; nothing if all were withheld.
    pub release: Option<envelope::Release>,
    /// Compartments withheld, and why, see `ledger::access::Withheld`.
    pub withheld: Vec<(CompartmentId, u16)>,
}

/// What one trustee answered.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TrusteeAnswer {
    /// The trustee's place in the committee, from 0.
    pub place: u32,
    /// Its release, or why not.
    pub answer: Result<Released, super::Refusal>,
}

/// A session asked for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NewSession {
    /// The session's fresh public key.
    pub session: PublicKey,
    /// Signature of the session key over the caller's key: shows that it is held.
    pub proof: Signature,
}

/// A certified session.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Session {
    /// The practitioner's id on the ledger.
    pub practitioner: PrincipalId,
    /// The role.
    pub role: Slug,
    /// When it ends.
    pub until: Millis,
}

/// An act for the organisation to sign.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Act {
    /// The kind's tag.
    pub kind: u16,
    /// The fields, encoded.
    pub body: Vec<u8>,
}

/// A trustee's box key was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BoxKeyRotated {
    /// Hash of the new public key, which names its file.
    pub key: Hash,
    /// The transaction.
    pub done: Final,
}

/// A note for the organisation to keep.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Note {
    /// Its name: a keyed hash, so that it can't be guessed from an identifier.
    pub name: Hash,
    /// Its content; nothing drops it.
    pub content: Option<Vec<u8>>,
    /// What must stand there now.
    pub before: Before,
}

/// What must stand at a note's place for it to be put there: two who change the same note don't undo each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Before {
    /// Whatever.
    Any,
    /// Nothing.
    Nothing,
    /// The content with this hash, see [`Note::hash`].
    Content(Hash),
}

impl Note {
    /// The hash by which [`Before`] names a content.
    #[must_use]
    pub fn hash(content: &[u8]) -> Hash {
        primitives::hash(primitives::domain::BLOB, &[content])
    }
}

impl Before {
    /// Whether it is so.
    #[must_use]
    pub fn holds(&self, content: Option<&[u8]>) -> bool {
        match (self, content) {
            (Self::Any, _) | (Self::Nothing, None) => true,
            (Self::Content(hash), Some(content)) => Note::hash(content) == *hash,
            (Self::Nothing, Some(_)) | (Self::Content(_), None) => false,
        }
    }
}

/// A one-time code.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ClaimCode {
    /// The code, as read out to the patient: letters and digits in groups.
    pub code: String,
}

/// A claim that awaits the patient's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Offered {
    /// The chart.
    pub chart: ChartId,
    /// The patient's id on the ledger.
    pub person: PrincipalId,
    /// Until when the claim can be taken.
    pub until: Millis,
}
