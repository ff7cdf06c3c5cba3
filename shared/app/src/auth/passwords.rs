//! Password hashes: argon2id with 19 MiB, 2 passes, 1 lane (the first choice of OWASP's password storage guide), off the
//! core's thread where the host has others.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::password::MAX_BYTES;
use frontdesk_ports::Ctx;

/// A hash of a password that no user has, made with the parameters in use: it is checked when the address is unknown, so
/// that the time of an answer does not tell whether it is.
const NO_USERS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$ZnJvbnRkZXNrLW5vYm9keQ$\
                      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The hash of a password, as a PHC string.
///
/// # Errors
/// Only a defect of ours.
pub async fn hash(ctx: &Ctx, password: &str) -> Result<String> {
    let mut salt = [0; 16];
    ctx.random.fill(&mut salt);
    let password = password.as_bytes().to_vec();
    let work = move || -> Result<String, String> {
        let hash: PasswordHash =
            Argon2::default().hash_password_with_salt(&password, &salt).map_err(|error| error.to_string())?;
        Ok(hash.to_string())
    };
    let done = ctx.compute.run(Box::new(move || Box::new(work()))).await;
    done.downcast::<Result<String, String>>()
        .map_err(|_| Error::ours("password hashing gave another type"))?
        .map_err(|error| Error::ours(format!("password hashing: {error}")))
}

/// Whether the password is the one that was hashed; `None` stands for a user that does not exist and takes as long.
///
/// # Errors
/// Only a defect of ours.
pub async fn verify(ctx: &Ctx, password: &str, hash: Option<&str>) -> Result<bool> {
    let known = hash.is_some();
    // A password longer than any that was ever accepted is wrong; hashing it would be work for an attacker's pleasure.
    let fits = password.len() <= MAX_BYTES;
    let password = if fits { password.as_bytes().to_vec() } else { Vec::new() };
    let hash = hash.unwrap_or(NO_USERS_HASH).to_owned();
    let work = move || -> Result<bool, String> {
        let hash = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
        Ok(Argon2::default().verify_password(&password, &hash).is_ok())
    };
    let done = ctx.compute.run(Box::new(move || Box::new(work()))).await;
    let right = done
        .downcast::<Result<bool, String>>()
        .map_err(|_| Error::ours("password hashing gave another type"))?
        .map_err(|error| Error::ours(format!("stored password hash: {error}")))?;
    Ok(right && known && fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_no_user_costs_what_a_real_one_does() {
        let real: PasswordHash =
            Argon2::default().hash_password_with_salt(b"x", b"0123456789abcdef").unwrap();
        let no_users = PasswordHash::new(NO_USERS_HASH).unwrap();
        assert_eq!(no_users.params, real.params);
        assert_eq!(real.params.to_string(), "m=19456,t=2,p=1");
        assert_eq!(no_users.algorithm, real.algorithm);
    }
}
