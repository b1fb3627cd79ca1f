//! Join tokens as text, and what lets their bearers in.

use proptest::prelude::*;
use strongroom_core::time::WallTime;

use super::{JoinClaim, JoinRefused, JoinToken, RootPin, TokenBinding, TokenError, TokenId, TokenRecord};
use crate::rng::SimEntropy;
use crate::tls::spiffe::Role;

const NOW: WallTime = WallTime(1_795_348_800_000_000);

/// The id 0 to 7, the secret of 32 times 11, the pin of 32 times 22; the checksum was computed elsewhere.
const GOLDEN: &str = "srjoin1.0001020304050607111111111111111111111111111111111111111111111111111111111111111122222222\
    22222222222222222222222222222222222222222222222222222222.c235bf23";

fn binding() -> TokenBinding {
    let expires = WallTime(NOW.0 + 1_800_000_000);
    TokenBinding { role: Role::Agent, region: "eu".parse().unwrap(), host: Some("cmdb-1".parse().unwrap()), expires }
}

fn mint() -> (JoinToken, TokenRecord) {
    JoinToken::mint(binding(), b"the root", NOW, &SimEntropy::from_seed(4)).unwrap()
}

fn claim() -> JoinClaim {
    JoinClaim { role: Role::Agent, region: "eu".parse().unwrap(), host: "CMDB-1".parse().unwrap() }
}

#[test]
fn a_token_has_the_form_that_is_written_down() {
    let token = JoinToken::from_text(GOLDEN).unwrap();
    assert_eq!(token.id(), TokenId([0, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!((token.secret(), token.pin()), (&[0x11; 32], RootPin([0x22; 32])));
    assert_eq!(*token.to_text(), GOLDEN);
}

#[test]
fn a_token_survives_being_carried() {
    let (token, record) = mint();
    let carried = JoinToken::from_text(&format!("  {}\n", *token.to_text())).unwrap();
    assert_eq!((carried.id(), carried.secret(), carried.pin()), (token.id(), token.secret(), token.pin()));
    assert_eq!(record.check(carried.secret(), &claim(), NOW), Ok(()));
}

#[test]
fn the_pin_is_that_of_one_root() {
    let (token, _) = mint();
    assert!(token.pin_matches(b"the root"));
    assert!(!token.pin_matches(b"the Root") && !token.pin_matches(b""));
}

#[test]
fn a_typing_error_is_told_from_a_wrong_token() {
    let (token, record) = mint();
    let text = token.to_text();
    for at in "srjoin1.".len()..text.len() {
        let mut typed = text.to_string();
        let right = typed.remove(at);
        assert!(matches!(JoinToken::from_text(&typed), Err(TokenError::Mistyped)), "without {at}");
        typed.insert(at, if right == '0' { '1' } else { '0' });
        assert!(matches!(JoinToken::from_text(&typed), Err(TokenError::Mistyped)), "wrong at {at}");
    }
    let other = JoinToken::mint(binding(), b"the root", NOW, &SimEntropy::from_seed(5)).unwrap().0;
    assert_eq!(record.check(other.secret(), &claim(), NOW), Err(JoinRefused::WrongSecret));
}

#[test]
fn other_text_is_no_token() {
    for text in ["", "hello", "SRJOIN1.00", "sr"] {
        assert!(matches!(JoinToken::from_text(text), Err(TokenError::NotAToken)), "{text}");
    }
    assert!(matches!(JoinToken::from_text("srjoin2.00.00"), Err(TokenError::UnknownVersion)));
    for text in ["srjoin1.", "srjoin1..", "srjoin1.00", &format!("{GOLDEN}00"), &GOLDEN.replace('.', "")] {
        let read = JoinToken::from_text(text);
        assert!(matches!(read, Err(TokenError::Mistyped | TokenError::UnknownVersion)), "{text}");
    }
}

#[test]
fn a_token_is_good_for_what_it_was_made_for() {
    let (token, record) = mint();
    let check = |claim: &JoinClaim, now| record.check(token.secret(), claim, now);
    let expires = record.binding.expires;
    assert_eq!(check(&claim(), expires), Ok(()));
    assert_eq!(check(&claim(), WallTime(expires.0 + 1)), Err(JoinRefused::Expired { expires }));
    let other_role = JoinClaim { role: Role::Depot, ..claim() };
    assert_eq!(check(&other_role, NOW), Err(JoinRefused::OtherRole { expected: Role::Agent }));
    let other_region = JoinClaim { region: "us".parse().unwrap(), ..claim() };
    assert_eq!(check(&other_region, NOW), Err(JoinRefused::OtherRegion));
    let other_host = JoinClaim { host: "cmdb-2".parse().unwrap(), ..claim() };
    assert_eq!(check(&other_host, NOW), Err(JoinRefused::OtherHost));
    // Without the secret nobody learns any of this.
    assert_eq!(record.check(&[0; 32], &other_role, NOW), Err(JoinRefused::WrongSecret));
}

#[test]
fn a_token_is_short_lived_and_makes_no_issuer() {
    let mint = |role, expires| {
        let binding = TokenBinding { role, expires: WallTime(expires), ..binding() };
        JoinToken::mint(binding, b"the root", NOW, &SimEntropy::from_seed(4)).map(|_| ())
    };
    assert!(mint(Role::Depot, NOW.0 + 3_600_000_000).is_ok());
    for expires in [i64::MIN, NOW.0, NOW.0 + 999_999, NOW.0 + 3_600_000_001, i64::MAX] {
        assert!(matches!(mint(Role::Depot, expires), Err(TokenError::TtlOutOfRange)), "{expires}");
    }
    assert!(matches!(mint(Role::Issuer, NOW.0 + 60_000_000), Err(TokenError::ForIssuer)));
}

#[test]
fn a_name_of_a_host_is_bounded() {
    for text in ["", "a b", "a/b", "ä", &"a".repeat(254)] {
        assert!(text.parse::<super::HostName>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "(srjoin1)?[.a-f0-9é]{0,200}") {
        if let Ok(token) = JoinToken::from_text(&text) {
            prop_assert_eq!(token.to_text().to_ascii_lowercase(), text.trim().to_ascii_lowercase());
        }
    }
}
