//! This file is where the lines of `kinds.rs` become code: enums, decoding, names, schemas.

macro_rules! kinds {
    ($($tag:literal $name:literal $folder:ident :: $kind:ident;)*) => {
        /// One transaction's fields, of whatever kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Act {
            $(#[doc = concat!("`", $name, "`")] $kind($folder::$kind),)*
        }

        /// Every kind, in the order of tags.
        pub const KINDS: &[KindInfo] = &[$(KindInfo {
            tag: $tag,
            name: $name,
            who: <$folder::$kind as Kind>::WHO,
            urgent: <$folder::$kind as Kind>::URGENT,
            schema: || schemars::schema_for!($folder::$kind),
            from_json: |value| serde_json::from_value(value).map(Act::$kind),
            arbitrary: |u| <$folder::$kind as Arbitrary>::arbitrary(u).map(Act::$kind),
        }),*];

        impl Act {
            /// The act with this tag and these encoded fields, if both are known and canonical.
            #[must_use]
            pub fn decode(tag: u16, body: &[u8]) -> Option<Self> {
                match tag {
                    $($tag => decode(body).ok().map(Self::$kind),)*
                    _ => None,
                }
            }

            /// The kind's tag and the encoded fields.
            #[must_use]
            pub fn encode(&self) -> (u16, Vec<u8>) {
                match self {
                    $(Self::$kind(act) => ($tag, encode(act)),)*
                }
            }

            /// The kind's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name,)*
                }
            }

            /// The fields as JSON, for people.
            ///
            /// # Errors
            /// None in practice: every field has a JSON form.
            pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self {
                    $(Self::$kind(act) => serde_json::to_value(act),)*
                }
            }

            pub(crate) fn who(&self) -> &'static [Who] {
                match self {
                    $(Self::$kind(_) => <$folder::$kind as Kind>::WHO,)*
                }
            }

            /// Whether it overtakes others on the way into a block.
            #[must_use]
            pub fn urgent(&self) -> bool {
                match self {
                    $(Self::$kind(_) => <$folder::$kind as Kind>::URGENT,)*
                }
            }

            pub(crate) fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
                match self {
                    $(Self::$kind(act) => act.apply(ctx, draft),)*
                }
            }
        }

        $(impl From<$folder::$kind> for Act {
            fn from(act: $folder::$kind) -> Self {
                Self::$kind(act)
            }
        })*
    };
}

macro_rules! facts {
    ($($tag:literal $name:literal $folder:ident :: $fact:ident;)*) => {
        /// One event of a chart's log, decoded.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $(#[doc = concat!("`", $name, "`")] $fact($folder::$fact),)*
        }

        /// Every event type, in the order of tags.
        pub const FACTS: &[FactInfo] = &[$(FactInfo {
            tag: $tag,
            name: $name,
            schema: || schemars::schema_for!($folder::$fact),
            arbitrary: |u| <$folder::$fact as Arbitrary>::arbitrary(u).map(Event::$fact),
        }),*];

        $(impl Fact for $folder::$fact {
            const TAG: u16 = $tag;
        })*

        impl Event {
            /// The event with this tag and these encoded fields.
            #[must_use]
            pub fn decode(tag: u16, body: &[u8]) -> Option<Self> {
                match tag {
                    $($tag => decode(body).ok().map(Self::$fact),)*
                    _ => None,
                }
            }

            /// The event type's tag and the encoded fields.
            #[must_use]
            pub fn encode(&self) -> (u16, Vec<u8>) {
                match self {
                    $(Self::$fact(fact) => ($tag, encode(fact)),)*
                }
            }

            /// The event type's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$fact(_) => $name,)*
                }
            }

            /// The fields as JSON, for people.
            ///
            /// # Errors
            /// None in practice: every field has a JSON form.
            pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self {
                    $(Self::$fact(fact) => serde_json::to_value(fact),)*
                }
            }
        }
    };
}

macro_rules! rejects_of {
    ($($folder:ident),*) => {
        /// Every reject, spine first, then folder by folder.
        pub fn rejects() -> impl Iterator<Item = &'static RejectInfo> {
            [$($folder::REJECTS),*].into_iter().flatten()
        }
    };
}

pub(crate) use facts;
pub(crate) use kinds;
pub(crate) use rejects_of;
