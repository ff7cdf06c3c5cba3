//! Tokens: what is let in, what is not, and keys that are replaced while logins go on.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_app::auth::{self, LoginFrom, Session, invites};
use frontdesk_domain::error::Result;
use frontdesk_domain::scope::{Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{ADMIN_EMAIL, ADMIN_PASSWORD, World, run};
use frontdesk_ports::{Config, Ctx, LimitKey, Limiter, Ports, Rule, Verdict};
use frontdesk_testkit::ManualClock;
use hkdf::Hkdf;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

const OLD: &str = "7d20e9b3ac5814f6370cd2e5b98a61f40bce";
const NEW: &str = "f05e6a2b9c1d48370e8f5b6a7c2d91e4083b";
const USER: &str = "frontdesk:user";
const VISITOR: &str = "frontdesk:visitor";
const NOW: i64 = 1_800_000_000;

async fn world() -> (World, ManualClock) {
    let clock = ManualClock::at(Timestamp::from_millis(NOW * 1000));
    let overrides = Overrides { clock: Some(Rc::new(clock.clone())), ..Overrides::default() };
    (World::new(&[], overrides).await.unwrap(), clock)
}

/// Another process over the same database, with these keys: the first one signs.
fn process(world: &World, keys: &[&str]) -> Ctx {
    let ports = frontdesk_testkit::ports(world.ctx());
    let config = Config {
        jwt_secret: keys[0].into(),
        old_jwt_secret: keys.get(1).map(|old| (*old).into()),
        ..ports.config.clone()
    };
    Ctx::new(Rc::new(Ports { config, caches: Rc::default(), ..ports }))
}

async fn login(ctx: &Ctx) -> Session {
    auth::login(ctx, ADMIN_EMAIL, ADMIN_PASSWORD, None, &LoginFrom::default()).await.unwrap()
}

async fn refresh(ctx: &Ctx, session: &Session) -> Result<Session> {
    auth::refresh(ctx, session.refresh_token.expose_secret()).await
}

async fn visitor_token(ctx: &Ctx, world: &World) -> String {
    let (visitor, _) = world.visitor().await.unwrap();
    let frontdesk_domain::scope::Actor::Visitor { site, visitor } = *visitor.actor() else {
        panic!("no visitor")
    };
    auth::issue_visitor_token(ctx, world.site().await.unwrap().org, site, visitor).unwrap()
}

/// The key of an audience, as docs/SECURITY.md says: HKDF-SHA-256 of the secret.
fn key(secret: &str, audience: &str) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, secret.as_bytes()).expand(audience.as_bytes(), &mut key).unwrap();
    key
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token as RFC 7515 makes one. HKDF-Extract is HMAC.
fn signed(key: &[u8], head: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", part(head), part(claims));
    let tag = Hkdf::<Sha256>::extract(Some(key), text.as_bytes()).0;
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn read(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// With some fields as they are here; null takes one away.
#[expect(clippy::needless_pass_by_value, reason = "made for the call")]
fn but(value: &Value, changes: Value) -> Value {
    let mut value = value.clone();
    for (name, change) in changes.as_object().unwrap() {
        if change.is_null() {
            value.as_object_mut().unwrap().remove(name);
        } else {
            value[name] = change.clone();
        }
    }
    value
}

#[test]
fn a_token_is_let_in_as_it_was_issued_and_no_other() {
    run(async {
        let (world, _) = world().await;
        let ctx = process(&world, &[NEW]);
        let user = login(&ctx).await.access_token;
        let visitor = visitor_token(&ctx, &world).await;
        for (token, audience, other) in [(&user, USER, VISITOR), (&visitor, VISITOR, USER)] {
            let (head, claims) = (read(token, 0), read(token, 1));
            assert_eq!(
                (&head["alg"], &claims["aud"], &claims["iss"]),
                (&json!("HS256"), &json!(audience), &json!("frontdesk"))
            );
            let key = key(NEW, audience);
            for (what, good) in [
                ("as it was issued", token.clone()),
                ("made by the same rules", signed(&key, &head, &claims)),
                (
                    "without the key's name, as by the first versions",
                    signed(&key, &but(&head, json!({"kid": null})), &claims),
                ),
            ] {
                assert!(auth::authenticate(&ctx, &good, None).await.is_ok(), "{audience}: {what}");
            }
            let text = format!("{}.{}", part(&but(&head, json!({"alg": "HS512"}))), part(&claims));
            let hs512 = URL_SAFE_NO_PAD.encode(Hkdf::<Sha512>::extract(Some(&key), text.as_bytes()).0);
            let (start, tag) = token.rsplit_once('.').unwrap();
            let head_with = |changes| signed(&key, &but(&head, changes), &claims);
            let claims_with = |changes| signed(&key, &head, &but(&claims, changes));
            let none = part(&json!({"alg": "none", "typ": "JWT"}));
            for (what, bad) in [
                ("expired now", claims_with(json!({"exp": NOW}))),
                ("expired", claims_with(json!({"exp": NOW - 1}))),
                ("without an end", claims_with(json!({"exp": null}))),
                ("another issuer", claims_with(json!({"iss": "https://evil.example"}))),
                ("no issuer", claims_with(json!({"iss": null}))),
                ("another audience", claims_with(json!({"aud": other}))),
                ("no audience", claims_with(json!({"aud": null}))),
                ("no subject", claims_with(json!({"sub": null}))),
                ("the other kind's key", signed(&crate::key(NEW, other), &head, &claims)),
                ("the secret itself as the key", signed(NEW.as_bytes(), &head, &claims)),
                ("a key that is not ours", signed(&crate::key(OLD, audience), &head, &claims)),
                ("an empty key", signed(b"", &head, &claims)),
                ("an unknown key's name", head_with(json!({"kid": "AAAAAAAAAAAA"}))),
                ("an empty name of a key", head_with(json!({"kid": ""}))),
                ("RS256 over the same key", head_with(json!({"alg": "RS256"}))),
                ("ES256 over the same key", head_with(json!({"alg": "ES256"}))),
                ("none over the same key", head_with(json!({"alg": "none"}))),
                ("hs256 in small letters", head_with(json!({"alg": "hs256"}))),
                ("HS512", format!("{text}.{hs512}")),
                ("unsigned", format!("{none}.{}.", part(&claims))),
                ("unsigned, with a tag", format!("{none}.{}.{tag}", part(&claims))),
                ("unsigned, in two parts", format!("{none}.{}", part(&claims))),
                ("without its tag", format!("{start}.")),
                ("with half a tag", format!("{start}.{}", &tag[..20])),
                ("with something behind", format!("{token}.{tag}")),
                (
                    "a changed claim",
                    format!(
                        "{}.{}.{tag}",
                        part(&head),
                        part(&but(&claims, json!({"role": "owner", "x": 1})))
                    ),
                ),
                ("an extension that one must know", head_with(json!({"crit": ["exp"]}))),
                ("another type", head_with(json!({"typ": "at"}))),
                ("longer than any", claims_with(json!({"x": "x".repeat(4_096)}))),
                ("nothing", String::new()),
                ("dots", "..".to_owned()),
            ] {
                assert!(auth::authenticate(&ctx, &bad, None).await.is_err(), "{audience}: {what}");
            }
        }
    });
}

#[test]
fn a_token_names_its_key_and_the_name_tells_nothing_of_it() {
    run(async {
        let (world, _) = world().await;
        let (old, new) = (process(&world, &[OLD]), process(&world, &[NEW, OLD]));
        let named = |session: Session| read(&session.access_token, 0)["kid"].as_str().unwrap().to_owned();
        let (before, after) = (named(login(&old).await), named(login(&new).await));
        assert_ne!(before, after);
        assert_eq!(named(login(&process(&world, &[NEW])).await), after, "the same in every process");
        assert_eq!(after.len(), 12);
        // Right key, but the other key's name.
        let token = login(&new).await.access_token;
        let wrong = signed(&key(NEW, USER), &but(&read(&token, 0), json!({"kid": before})), &read(&token, 1));
        assert!(auth::authenticate(&new, &token, None).await.is_ok());
        assert!(auth::authenticate(&new, &wrong, None).await.is_err());
    });
}

fn scope(authenticated: auth::Authenticated) -> TenantScope {
    authenticated.scope
}

#[test]
fn a_new_key_before_the_old_one_logs_out_nobody_and_one_that_was_taken_away_opens_nothing() {
    run(async {
        let (world, clock) = world().await;
        let (old, both, new) =
            (process(&world, &[OLD]), process(&world, &[NEW, OLD]), process(&world, &[NEW]));
        let caller = LoginFrom::default();
        let (kept, idle) = (login(&old).await, login(&old).await);
        let visitor = visitor_token(&old, &world).await;
        let owner = scope(auth::authenticate(&old, &kept.access_token, None).await.unwrap());
        let invited = invites::create(&old, &owner, "vera@camomile.example", Role::Viewer).await.unwrap().1;
        // The old key alone is refused by a process that has the new one alone.
        for token in [&kept.access_token, &visitor] {
            assert!(auth::authenticate(&new, token, None).await.is_err());
        }
        assert!(refresh(&new, &kept).await.is_err());
        assert!(invites::accept(&new, &invited, "Vera", "saucer-lamp-31-meadow", &caller).await.is_err());
        // With both, all goes on.
        for token in [&kept.access_token, &visitor] {
            assert!(auth::authenticate(&both, token, None).await.is_ok());
        }
        assert!(invites::accept(&both, &invited, "Vera", "saucer-lamp-31-meadow", &caller).await.is_ok());
        let renewed = refresh(&both, &kept).await.unwrap();
        assert!(
            auth::authenticate(&new, &renewed.access_token, None).await.is_ok(),
            "it is signed with the new key"
        );
        clock.advance(Duration::from_secs(3_600));
        // The old one is taken away: who was here meanwhile stays.
        let on = refresh(&new, &renewed).await.unwrap();
        assert!(auth::authenticate(&new, &on.access_token, None).await.is_ok());
        assert!(refresh(&new, &idle).await.is_err());
        assert!(refresh(&both, &idle).await.is_ok(), "a token of a key that is not known ends no login");
    });
}

#[test]
fn an_exchange_that_is_repeated_in_another_process_gives_the_same_while_keys_are_replaced() {
    run(async {
        for (one, other) in [([OLD, NEW], [NEW, OLD]), ([NEW, OLD], [OLD, NEW])] {
            let (world, clock) = world().await;
            let (one, other) = (process(&world, &one), process(&world, &other));
            let first = login(&one).await;
            let here = refresh(&one, &first).await.unwrap();
            let there = refresh(&other, &first).await.unwrap();
            assert_eq!(here.refresh_token.expose_secret(), there.refresh_token.expose_secret());
            // And it goes on from there, to and fro.
            let third = refresh(&other, &there).await.unwrap();
            let again = refresh(&one, &here).await.unwrap();
            assert_eq!(third.refresh_token.expose_secret(), again.refresh_token.expose_secret());
            clock.advance(Duration::from_secs(11));
            // A copy that comes later ends the login, by whichever key.
            assert!(refresh(&one, &there).await.is_err());
            assert!(refresh(&other, &third).await.is_err());
        }
    });
}

#[test]
fn a_process_of_before_the_change_repeats_its_exchange_with_one_that_has_both_keys() {
    run(async {
        let (world, _) = world().await;
        let (before, after) = (process(&world, &[OLD]), process(&world, &[NEW, OLD]));
        let first = login(&before).await;
        let here = refresh(&before, &first).await.unwrap();
        let there = refresh(&after, &first).await.unwrap();
        assert_eq!(here.refresh_token.expose_secret(), there.refresh_token.expose_secret());
        // What was exchanged under the new key is no token there, and the login goes on where it is one.
        let next = refresh(&after, &there).await.unwrap();
        assert!(refresh(&before, &next).await.is_err());
        assert!(refresh(&after, &next).await.is_ok());
    });
}

/// Lets all pass and notes whom it counted.
#[derive(Default)]
struct Noting(RefCell<Vec<String>>);

#[async_trait(?Send)]
impl Limiter for Noting {
    async fn take(&self, key: LimitKey, _: u32, rule: Rule) -> Result<Verdict> {
        self.0.borrow_mut().push(key.0);
        let (reset, retry_after) = (Duration::ZERO, Duration::ZERO);
        Ok(Verdict { allowed: true, limit: rule.limit, remaining: 1, reset, retry_after })
    }
}

#[test]
fn a_browser_of_before_the_change_is_known_again_until_the_old_key_is_taken_away() {
    run(async {
        let (world, _) = world().await;
        let device = login(&process(&world, &[OLD])).await.device_token.unwrap();
        for (keys, known) in [(&[NEW, OLD][..], true), (&[NEW], false)] {
            let noting = Rc::new(Noting::default());
            let ctx = process(&world, keys);
            let ports = frontdesk_testkit::ports(&ctx);
            let config = Config { rate_limits: true, ..ports.config.clone() };
            let ctx = Ctx::new(Rc::new(Ports { config, limiter: noting.clone(), ..ports }));
            let caller = LoginFrom { device: Some(device.clone()), ..LoginFrom::default() };
            auth::login(&ctx, ADMIN_EMAIL, ADMIN_PASSWORD, None, &caller).await.unwrap();
            let counted = hex::encode(Sha256::digest(format!("login:device:{device}")));
            assert_eq!(noting.0.borrow().contains(&counted), known, "{keys:?}");
        }
    });
}
