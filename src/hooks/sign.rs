//! What proves that a post is ours: HMAC-SHA256 over the time and the body, with a secret that both sides have. The time is
//! signed too, so that an old post cannot be sent again by somebody who saw it.

use config::settings::HookSecret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The header that holds it.
pub const HEADER: &str = "x-leasehold-signature";
/// The header with the UTC seconds that were signed.
pub const TIME_HEADER: &str = "x-leasehold-time";

/// The header's value: `sha256=` and the HMAC of the time as decimal digits, a full stop, and the body.
#[must_use]
pub fn signature(secret: &HookSecret, at: u64, body: &[u8]) -> Option<String> {
    // Every length of a key is taken.
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).ok()?;
    mac.update(at.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
    Some(format!("sha256={hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let secret = HookSecret(b"0123456789abcdef".to_vec());
        let made = signature(&secret, 1_700_000_000, b"{\"a\":1}");
        assert_eq!(made.as_deref(), Some("sha256=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23"));
        assert_ne!(signature(&secret, 1_700_000_001, b"{\"a\":1}"), made, "the time is signed");
    }
}
