//! Passwords at rest: argon2id (RFC 9106), as PHC strings.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

/// The longest password that is looked at, in bytes.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// The shortest password that is taken where one is made, in characters (NIST SP 800-63B section 5.1.1.2).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// 19 MiB, two passes: what OWASP recommends where several may sign in at once.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;

fn hasher() -> Argon2<'static> {
    // These parameters are in range, so that the default is never taken.
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of a password, to be kept in the configuration.
///
/// # Errors
/// A password that is too short or too long, in words.
pub fn hash(password: &str, salt: &[u8; 16]) -> Result<String, String> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(format!("a password has {PASSWORD_CHARS_MIN} characters at least"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!("a password has {PASSWORD_BYTES_MAX} bytes at most"));
    }
    let salt = SaltString::encode_b64(salt).map_err(|error| error.to_string())?;
    let hash = hasher().hash_password(password.as_bytes(), &salt).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// Whether this is the password. Takes the time that the hash's parameters ask for.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    // One that is too long is nobody's; it still takes its time.
    let fits = password.len() <= PASSWORD_BYTES_MAX;
    let password = if fits { password.as_bytes() } else { b"" };
    Argon2::default().verify_password(password, &hash).is_ok() && fits
}

/// A hash of a password that nobody has, with the parameters of `like`.
pub(super) fn of_nobody(like: Option<&str>) -> String {
    let params = like.and_then(|like| Some(PasswordHash::new(like).ok()?.params.to_string()));
    let params = params.unwrap_or_else(|| format!("m={MEMORY_KIB},t={PASSES},p=1"));
    // Any 32 bytes will do: that a password leads to them is as unlikely as that somebody guesses one.
    format!("$argon2id$v=19${params}$bm9ib2R5IGhhcyB0aGlz$SXQgaXMgbm9ib2R5J3MgcGFzc3dvcmQuIFJlYWxseSE")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let kept = hash("correct horse", &[7; 16]).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify("correct horse", &kept));
        assert!(!verify("correct horsf", &kept) && !verify("", &kept) && !verify("correct horse", "nonsense"));
        assert_ne!(kept, hash("correct horse", &[8; 16]).unwrap(), "the salt counts");
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(hash("1234567", &[0; 16]).is_err());
        assert!(hash(&"x".repeat(1_025), &[0; 16]).is_err());
        let kept = hash(&"x".repeat(1_024), &[0; 16]).unwrap();
        assert!(!verify(&"x".repeat(1_025), &kept));
    }

    #[test]
    fn nobodys_hash_can_be_read_and_costs_what_users_cost() {
        let like = "$argon2id$v=19$m=8192,t=3,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for like in [None, Some(like)] {
            let made = of_nobody(like);
            let read = PasswordHash::new(&made).unwrap();
            let params = Params::try_from(&read).unwrap();
            assert_eq!((params.m_cost(), params.t_cost()), if like.is_some() { (8_192, 3) } else { (19_456, 2) });
            assert!(read.hash.is_some_and(|hash| hash.len() == 32) && !verify("password", &made));
        }
    }
}
