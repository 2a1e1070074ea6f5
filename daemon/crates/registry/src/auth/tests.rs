use std::time::Duration;

use super::*;

fn scopes() -> Vec<String> {
    vec![repository_scope("a/b", "pull")]
}

fn bearer() -> Vec<Challenge> {
    Challenge::parse(r#"Bearer realm="https://t/token",service="s",scope="x""#)
}

fn basic() -> Vec<Challenge> {
    Challenge::parse(r#"Basic realm="r""#)
}

fn password() -> Credentials {
    Credentials::Password {
        user: "u".to_owned(),
        password: "p".to_owned(),
    }
}

fn asked(auth: &Auth, now: Instant) -> TokenRequest {
    match auth.before(&scopes(), now) {
        Step::Ask(request) => request,
        Step::Send(header) => panic!("sent with {header:?}"),
    }
}

#[test]
fn an_open_registry_is_told_nothing() {
    let auth = Auth::new(password());
    assert_eq!(auth.before(&scopes(), Instant::now()), Step::Send(None));
}

#[test]
fn a_password_is_sent_once_it_is_asked_for_and_refused_once() {
    let mut auth = Auth::new(password());
    auth.challenged(&scopes(), &basic(), false).unwrap();
    assert_eq!(
        auth.before(&scopes(), Instant::now()),
        Step::Send(Some("Basic dTpw".to_owned()))
    );
    assert_eq!(
        auth.challenged(&scopes(), &basic(), true),
        Err(Refused::Denied)
    );
    // Another request of the same client, later: the password went along at once.
    assert_eq!(
        auth.challenged(&scopes(), &basic(), false),
        Err(Refused::Denied)
    );
    let mut nobody = Auth::new(Credentials::Anonymous);
    assert_eq!(
        nobody.challenged(&scopes(), &basic(), false),
        Err(Refused::NoCredentials)
    );
    assert_eq!(
        nobody.challenged(&scopes(), &[], false),
        Err(Refused::NoWay)
    );
}

#[test]
fn tokens_are_kept_by_scope_and_asked_for_again_when_they_end() {
    let now = Instant::now();
    let mut auth = Auth::new(password());
    auth.challenged(&scopes(), &bearer(), false).unwrap();
    let request = asked(&auth, now);
    assert_eq!(request.realm, "https://t/token");
    assert_eq!(request.scopes, scopes());
    assert!(matches!(&request.grant, Grant::Basic { user, .. } if user == "u"));
    auth.got(&request, Token::parse(br#"{"token":"one"}"#, now).unwrap());
    let header = Step::Send(Some("Bearer one".to_owned()));
    assert_eq!(auth.before(&scopes(), now), header);
    let push = vec![repository_scope("a/b", "pull,push")];
    assert!(matches!(auth.before(&push, now), Step::Ask(_)));
    asked(&auth, now + Duration::from_secs(59));
    // The registry may end it early, too.
    auth.challenged(&scopes(), &bearer(), false).unwrap();
    asked(&auth, now);
    assert_eq!(
        auth.challenged(&scopes(), &bearer(), true),
        Err(Refused::Denied)
    );
}

#[test]
fn identity_tokens_are_exchanged_and_registry_tokens_sent_as_they_are() {
    let now = Instant::now();
    let mut auth = Auth::new(Credentials::Identity {
        token: "i".to_owned(),
    });
    auth.challenged(&scopes(), &bearer(), false).unwrap();
    assert_eq!(asked(&auth, now).grant, Grant::Refresh("i".to_owned()));
    let mut auth = Auth::new(Credentials::Registry {
        token: "r".to_owned(),
    });
    assert_eq!(
        auth.before(&scopes(), now),
        Step::Send(Some("Bearer r".to_owned()))
    );
    assert_eq!(
        auth.challenged(&scopes(), &bearer(), false),
        Err(Refused::Denied)
    );
}

#[test]
fn a_token_of_another_server_is_not_taken_for_this_one() {
    let now = Instant::now();
    let mut auth = Auth::new(Credentials::Anonymous);
    auth.challenged(&scopes(), &bearer(), false).unwrap();
    let request = asked(&auth, now);
    let elsewhere = Challenge::parse(r#"Bearer realm="https://other/token""#);
    auth.challenged(&scopes(), &elsewhere, false).unwrap();
    auth.got(&request, Token::parse(br#"{"token":"one"}"#, now).unwrap());
    assert_eq!(asked(&auth, now).realm, "https://other/token");
}
