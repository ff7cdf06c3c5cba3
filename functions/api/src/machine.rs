//! Machines that show a token of the deployment itself.

use frontdesk_domain::error::{CallerError, Result};
use http::header;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::call::Call;

/// Whether the caller shows this token.
///
/// # Errors
/// Not authenticated, with `otherwise`, when it does not.
pub fn shows(call: &Call, expected: &SecretString, otherwise: &'static str) -> Result<()> {
    let shown =
        call.header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("");
    // Hashes are of one length: the comparison tells neither content nor length.
    let (shown, expected) = (Sha256::digest(shown), Sha256::digest(expected.expose_secret()));
    if bool::from(shown.as_slice().ct_eq(expected.as_slice())) {
        Ok(())
    } else {
        Err(CallerError::Unauthenticated(otherwise).into())
    }
}
