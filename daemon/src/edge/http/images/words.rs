//! What transfers tell, in the words of docker's progress stream.

use gantry_engine_api::progress::{ProgressDetail, ProgressMessage};
use gantry_registry::transfer::{Event, LayerEvent};
use serde_json::json;

use super::wire::signed;

const BAR_WIDTH: u64 = 50;

/// An event as clients expect it.
pub(super) fn message(event: Event) -> ProgressMessage {
    match event {
        Event::Pulling { tag, path } => ProgressMessage {
            id: tag,
            ..ProgressMessage::status(format!("Pulling from {path}"))
        },
        Event::Pushing { repository } => {
            ProgressMessage::status(format!("The push refers to repository [{repository}]"))
        }
        Event::Layer { id, what } => layer(id, what),
        Event::Digest(digest) => ProgressMessage::status(format!("Digest: {digest}")),
        Event::Status { is_new, reference } => {
            let what = if is_new {
                "Downloaded newer image for"
            } else {
                "Image is up to date for"
            };
            ProgressMessage::status(format!("Status: {what} {reference}"))
        }
        Event::WrongPlatform {
            reference,
            has,
            wanted,
        } => ProgressMessage::status(format!(
            "WARNING: image with reference {reference} was found but its platform ({has}) does not \
             match the specified platform ({wanted})"
        )),
        Event::NotAttested(count) => ProgressMessage::status(format!(
            "WARNING: {count} attestation(s) not pushed: what they attest to was compressed anew and has \
             another digest now"
        )),
        Event::Pushed {
            tag,
            digest,
            size_bytes,
        } => ProgressMessage::status(format!("{tag}: digest: {digest} size: {size_bytes}")),
    }
}

/// The fact for programs that follows a [`Event::Pushed`].
pub(super) fn pushed(event: &Event) -> Option<ProgressMessage> {
    let Event::Pushed {
        tag,
        digest,
        size_bytes,
    } = event
    else {
        return None;
    };
    Some(ProgressMessage {
        progress_detail: Some(ProgressDetail::default()),
        aux: Some(json!({"Tag": tag, "Digest": digest, "Size": size_bytes})),
        ..ProgressMessage::default()
    })
}

fn layer(id: String, what: LayerEvent) -> ProgressMessage {
    let (status, at) = match what {
        LayerEvent::Pulling => ("Pulling fs layer".to_owned(), None),
        LayerEvent::Waiting => ("Waiting".to_owned(), None),
        LayerEvent::Exists => ("Already exists".to_owned(), None),
        LayerEvent::Downloading(current, total) => {
            ("Downloading".to_owned(), Some((current, total)))
        }
        LayerEvent::Retrying(1) => ("Retrying in 1 second".to_owned(), None),
        LayerEvent::Retrying(seconds) => (format!("Retrying in {seconds} seconds"), None),
        LayerEvent::Verifying => ("Verifying Checksum".to_owned(), None),
        LayerEvent::Downloaded => ("Download complete".to_owned(), None),
        LayerEvent::Extracting(current, total) => ("Extracting".to_owned(), Some((current, total))),
        LayerEvent::Complete => ("Pull complete".to_owned(), None),
        LayerEvent::Preparing => ("Preparing".to_owned(), None),
        LayerEvent::AlreadyThere => ("Layer already exists".to_owned(), None),
        LayerEvent::Mounted(from) => (format!("Mounted from {from}"), None),
        LayerEvent::Pushing(current, total) => ("Pushing".to_owned(), Some((current, total))),
        LayerEvent::Pushed => ("Pushed".to_owned(), None),
    };
    let detail = at.map_or_else(ProgressDetail::default, |(current, total)| ProgressDetail {
        current: signed(current),
        total: signed(total),
    });
    ProgressMessage {
        progress: at
            .map(|(current, total)| bar(current, total))
            .unwrap_or_default(),
        ..ProgressMessage::layer(id, status, detail)
    }
}

/// The bar that docker's daemon draws for clients that draw none.
pub(super) fn bar(current: u64, total: u64) -> String {
    if total == 0 || current > total {
        return format!("{:>8}", size(current));
    }
    let filled = usize::try_from(current * BAR_WIDTH / total).unwrap_or(0);
    let width = usize::try_from(BAR_WIDTH).unwrap_or(0);
    let space = " ".repeat(width.saturating_sub(filled));
    let bar = format!("[{}>{space}]", "=".repeat(filled));
    format!("{bar} {:>8}/{}", size(current), size(total))
}

/// Four digits and a decimal unit, as Go's units package writes sizes.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        value if value >= 100.0 => 1,
        value if value >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let text = if text.is_empty() { "0" } else { text };
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_dockers() {
        for (current, total, expected) in [
            (
                36_445,
                1_003_031,
                "[=>                                                 ]  36.45kB/1.003MB",
            ),
            (
                412,
                412,
                "[==================================================>]     412B/412B",
            ),
            (
                1_504_145,
                1_504_145,
                "[==================================================>]  1.504MB/1.504MB",
            ),
            (
                32_768,
                1_504_145,
                "[=>                                                 ]  32.77kB/1.504MB",
            ),
            (
                0,
                100,
                "[>                                                  ]       0B/100B",
            ),
            (512, 0, "    512B"),
        ] {
            assert_eq!(bar(current, total), expected);
        }
    }

    #[test]
    fn a_layer_has_a_detail_even_if_it_is_empty() {
        let event = Event::Layer {
            id: "83c7095d6b6b".to_owned(),
            what: LayerEvent::Pulling,
        };
        assert_eq!(
            serde_json::to_string(&message(event)).unwrap(),
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"83c7095d6b6b"}"#
        );
    }
}
