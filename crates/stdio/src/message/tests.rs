use super::*;

#[test]
fn the_requests_look_as_documented() {
    let attach = Request::Attach(Attach {
        process: "e1".into(),
        stdin: true,
        stdout: true,
        stderr: true,
        framed: true,
        hold: false,
        detach_keys: vec![0x10, 0x11],
        prefix: b"hi\n".to_vec(),
    });
    assert_eq!(
        serde_json::to_string(&attach).unwrap(),
        r#"{"op":"attach","process":"e1","stdin":true,"stdout":true,"stderr":true,"framed":true,"detach_keys":"EBE=","prefix":"aGkK"}"#
    );
    let held = Request::Attach(Attach {
        hold: true,
        ..Attach::default()
    });
    assert_eq!(
        serde_json::to_string(&held).unwrap(),
        r#"{"op":"attach","process":"","stdin":false,"stdout":false,"stderr":false,"framed":false,"hold":true}"#
    );
    assert_eq!(
        serde_json::to_string(&Request::Release).unwrap(),
        r#"{"op":"release"}"#
    );
    let place = LogPlace {
        device: 1,
        inode: 2,
        size: 3,
    };
    assert_eq!(
        serde_json::to_string(&Answer::Held(Some(place))).unwrap(),
        r#"{"held":{"device":1,"inode":2,"size":3}}"#
    );
    let fetch = Request::Fetch {
        name: "api:/s".into(),
    };
    assert_eq!(
        serde_json::to_string(&fetch).unwrap(),
        r#"{"op":"fetch","name":"api:/s"}"#
    );
}

#[test]
fn absent_fields_have_their_default_and_bad_base64_is_an_error() {
    let request: Request = serde_json::from_str(r#"{"op":"attach","stdout":true}"#).unwrap();
    assert_eq!(
        request,
        Request::Attach(Attach {
            stdout: true,
            ..Attach::default()
        })
    );
    assert!(serde_json::from_str::<Request>(r#"{"op":"attach","prefix":"%"}"#).is_err());
    assert!(serde_json::from_str::<Request>(r#"{"op":"dance"}"#).is_err());
}

#[test]
fn the_answers_look_as_documented() {
    for (answer, text) in [
        (Answer::Ok(true), r#"{"ok":true}"#),
        (
            Answer::Error("no such process".into()),
            r#"{"error":"no such process"}"#,
        ),
        (Answer::Ended(Ended::Exited), r#"{"ended":"exited"}"#),
        (Answer::Ended(Ended::Detached), r#"{"ended":"detached"}"#),
        (Answer::Ended(Ended::Client), r#"{"ended":"client"}"#),
    ] {
        assert_eq!(serde_json::to_string(&answer).unwrap(), text);
        assert_eq!(serde_json::from_str::<Answer>(text).unwrap(), answer);
    }
}
