//! What holds a key and can be printed: none of it prints the key.

use std::fmt::Debug;
use std::time::Duration;

use strongroom_core::time::WallTime;

use super::world::{NOW, World};
use crate::rng::SimEntropy;
use crate::tls::pem;
use crate::tls::{HotIdentity, JoinToken, PendingIdentity, Role, TokenBinding};

/// Bytes in a row of which none may be seen.
const WINDOW: usize = 5;

/// Says whether text shows any part of a secret: in hexadecimal, as numbers, or as characters.
fn shows(text: &str, secret: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase().replace(['\n', ' '], "");
    secret.windows(WINDOW).any(|part| {
        let numbers: Vec<String> = part.iter().map(ToString::to_string).collect();
        lower.contains(&hex::encode(part)) || lower.contains(&numbers.join(","))
    }) || text.as_bytes().windows(WINDOW).any(|seen| secret.windows(WINDOW).any(|part| part == seen))
}

fn conceals(holder: &(impl Debug + ?Sized), secrets: &[&[u8]]) {
    for text in [format!("{holder:?}"), format!("{holder:#?}")] {
        for secret in secrets {
            assert!(!shows(&text, secret), "{text}");
        }
    }
}

/// A line of the file, and the number that it is about.
fn secrets_of(key_pem: &str) -> [Vec<u8>; 2] {
    let der = pem::read_key(key_pem).unwrap();
    let der = der.secret_pkcs8_der();
    // ECPrivateKey (RFC 5915): version 1, then 32 bytes of key.
    let at = der.windows(5).position(|bytes| bytes == [2, 1, 1, 4, 32]).unwrap() + 5;
    let body = key_pem.lines().nth(1).unwrap().as_bytes().to_vec();
    [body, der[at..at + 32].to_vec()]
}

fn conceals_key(holder: &(impl Debug + ?Sized), key_pem: &str) {
    let [body, number] = secrets_of(key_pem);
    conceals(holder, &[&body, &number]);
}

#[test]
fn the_search_finds_a_secret_that_is_shown() {
    let secret = [0xab, 0xcd, 0xef, 1, 2, 3, 4, 200];
    assert!(shows(&format!("{secret:?}"), &secret) && shows(&format!("{secret:#?}"), &secret));
    assert!(shows(&hex::encode_upper(secret), &secret) && shows("the word", b"the word"));
    assert!(!shows("nothing of the kind", &secret));
}

#[test]
fn no_holder_of_a_key_shows_it() {
    let world = World::new();
    conceals_key(&world.root, &world.root.key_pem());
    conceals_key(&world.issuer, &world.issuer.key_pem());
    let pending = PendingIdentity::new(world.name(Role::Agent, 1)).unwrap();
    conceals_key(&pending, &pending.key_pem());
    let agent = world.identity(Role::Agent, 1);
    let key_pem = agent.key_pem();
    conceals_key(&agent, &key_pem);
    conceals_key(agent.certified().as_ref(), &key_pem);
    let client = world.client(agent, world.expect(Role::Depot));
    conceals_key(&client, &key_pem);
    let depot = world.identity(Role::Depot, 1);
    let key_pem = depot.key_pem();
    conceals_key(&HotIdentity::new(world.certify(depot.renewal().unwrap())), &key_pem);
    conceals_key(&world.server(depot, world.expect(Role::Agent)), &key_pem);
}

#[test]
fn a_token_is_shown_without_its_secret_and_kept_without_it() {
    let expires = WallTime(NOW.0 + i64::try_from(Duration::from_mins(1).as_micros()).unwrap());
    let binding = TokenBinding { role: Role::Agent, region: "eu".parse().unwrap(), host: None, expires };
    let (token, record) = JoinToken::mint(binding, b"root", NOW, &SimEntropy::from_seed(1)).unwrap();
    // The id before the secret may be seen.
    let text = token.to_text();
    let (_, digits) = text.split_at("srjoin1.".len() + 16);
    for holder in [&token as &dyn Debug, &record] {
        conceals(holder, &[token.secret(), &digits.as_bytes()[..64]]);
    }
}
