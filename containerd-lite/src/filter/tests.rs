//! The grammar and its meaning, against the forms stock clients send.

use std::borrow::Cow;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::{Fields, Filter};

struct Object;

impl Fields for Object {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        Some(match path {
            ["namespace"] => "moby".into(),
            ["topic"] => "/tasks/exit".into(),
            ["id"] => "c1".into(),
            ["labels", "com.example/a b"] => "x,y".into(),
            ["labels", "empty"] => "".into(),
            _ => return None,
        })
    }
}

fn matches(filters: &[&str]) -> bool {
    Filter::parse(filters).expect("a filter").matches(&Object)
}

#[test]
fn what_stock_clients_send() {
    // dockerd's subscription, its metrics and nerdctl's labels.
    assert!(matches(&["namespace==moby,topic~=|^/tasks/|"]));
    assert!(!matches(&["namespace==plugins.moby,topic~=|^/tasks/|"]));
    assert!(matches(&["id==c1"]));
    assert!(matches(&[r#"labels."com.example/a b"=="x,y""#]));
    assert!(matches(&["topic~=/tasks\\/exit/"]));
}

#[test]
fn any_filter_is_enough_and_all_selectors_are_needed() {
    assert!(matches(&[]));
    assert!(matches(&[""]));
    assert!(matches(&["id==nobody", "id==c1"]));
    assert!(!matches(&["id==c1,topic==other"]));
}

#[test]
fn presence_and_absence() {
    assert!(matches(&["labels.empty"]));
    assert!(!matches(&["labels.none"]));
    assert!(matches(&["labels.none!=x"]));
    assert!(!matches(&["labels.none==x"]));
    assert!(!matches(&["labels.none~=.*"]));
}

#[test]
fn broken_filters_are_refused() {
    for text in [
        "==x",
        "id==",
        "id==c1 ",
        "id==\"c1",
        "topic~=|a",
        "topic~=|(|",
        "id,,",
        "a.",
        "1a",
    ] {
        assert!(Filter::parse(&[text]).is_err(), "{text:?}");
    }
    assert!(Filter::parse(&["a".repeat(20 << 10)]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Ok(filter) = Filter::parse(&[text]) {
            filter.matches(&Object);
        }
    }
}
