//! This file is where the routes of authorisation have their paths.

/// Where tokens are got.
pub const TOKEN: &str = "/auth/token";
/// Where a token is asked about (RFC 7662).
pub const INTROSPECT: &str = "/auth/introspect";
/// Where a token is given back (RFC 7009).
pub const REVOKE: &str = "/auth/revoke";
/// The SMART configuration, under the FHIR base and under the public address.
pub(super) const CONFIGURATION: &str = "/.well-known/smart-configuration";
