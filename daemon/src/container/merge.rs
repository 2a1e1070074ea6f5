//! The image's configuration beneath the request's, as dockerd merges them. Pure.

use gantry_engine_api::{ContainerConfig, List, config::HealthConfig};
use gantry_image::RunConfig;

use super::error::ContainerError;

/// What is run: the entrypoint and then the command.
pub(super) fn command(config: &ContainerConfig) -> Result<(String, Vec<String>), ContainerError> {
    let mut words = config.entrypoint.iter().chain(config.cmd.iter()).cloned();
    let path = words
        .next()
        .ok_or_else(|| ContainerError::Invalid("no command specified".to_owned()))?;
    Ok((path, words.collect()))
}

/// The image's configuration where the request says nothing.
pub(super) fn merge(config: &mut ContainerConfig, image: &RunConfig) {
    if config.user.is_empty() {
        config.user.clone_from(&image.user);
    }
    if config.working_dir.is_empty() {
        config.working_dir.clone_from(&image.working_dir);
    }
    if config.stop_signal.is_empty() {
        config.stop_signal.clone_from(&image.stop_signal);
    }
    config.stop_timeout = config.stop_timeout.or(image.stop_timeout);
    merge_command(config, image);
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let asked: Vec<String> = config.env.iter().map(|entry| name(entry)).collect();
    let inherited = image
        .env
        .iter()
        .filter(|entry| !asked.contains(&name(entry)));
    let env: Vec<String> = config.env.iter().chain(inherited).cloned().collect();
    // Nothing is told as nil, as dockerd does.
    config.env = if env.is_empty() {
        List::default()
    } else {
        List::from(env)
    };
    if config.volumes.is_empty() {
        config.volumes = gantry_engine_api::Map::default();
    }
    for (key, value) in &image.labels {
        config
            .labels
            .entry(key.clone())
            .or_insert_with(|| value.clone());
    }
    for port in image.exposed_ports.keys() {
        config.exposed_ports.entry(port.clone()).or_default();
    }
    for volume in image.volumes.keys() {
        config.volumes.entry(volume.clone()).or_default();
    }
    if config.on_build.is_empty() && !image.on_build.is_empty() {
        config.on_build = image.on_build.clone().into();
    }
    if config.shell.is_empty() && !image.shell.is_empty() {
        config.shell = image.shell.clone().into();
    }
    merge_health(config, image);
}

/// A command of the request's own leaves the image's entrypoint; an entrypoint of its own leaves the
/// image's command; `[""]` is no entrypoint.
fn merge_command(config: &mut ContainerConfig, image: &RunConfig) {
    if config.entrypoint.is_empty() {
        if config.cmd.is_empty()
            && let Some(cmd) = &image.cmd
        {
            config.cmd = cmd.clone().into();
        }
        if config.entrypoint.is_nil()
            && let Some(entrypoint) = &image.entrypoint
        {
            config.entrypoint = entrypoint.clone().into();
        }
    }
    if matches!(config.entrypoint.as_slice(), [only] if only.is_empty()) {
        config.entrypoint = List::default();
    }
}

fn merge_health(config: &mut ContainerConfig, image: &RunConfig) {
    let Some(image) = &image.healthcheck else {
        return;
    };
    let asked = config.healthcheck.get_or_insert_with(HealthConfig::default);
    if asked.test.is_empty() {
        asked.test = image.test.clone().into();
    }
    for (asked, image) in [
        (&mut asked.interval, image.interval),
        (&mut asked.timeout, image.timeout),
        (&mut asked.start_period, image.start_period),
        (&mut asked.start_interval, image.start_interval),
        (&mut asked.retries, image.retries),
    ] {
        if *asked == 0 {
            *asked = image;
        }
    }
}

#[cfg(test)]
mod tests {
    use gantry_engine_api::json::from_slice;

    use super::*;

    fn merged(config: &str, image: &str) -> ContainerConfig {
        let mut config = from_slice(config.as_bytes()).unwrap();
        merge(&mut config, &serde_json::from_str(image).unwrap());
        config
    }

    #[test]
    fn commands_and_entrypoints_are_merged_as_dockerd_does() {
        let image = r#"{"Entrypoint":["/e"],"Cmd":["c"]}"#;
        for (config, expected) in [
            ("{}", vec!["/e", "c"]),
            (r#"{"Cmd":["x"]}"#, vec!["/e", "x"]),
            (r#"{"Entrypoint":["/y"]}"#, vec!["/y"]),
            (r#"{"Entrypoint":["/y"],"Cmd":["z"]}"#, vec!["/y", "z"]),
            (r#"{"Entrypoint":[""],"Cmd":["z"]}"#, vec!["z"]),
            (r#"{"Entrypoint":[],"Cmd":["z"]}"#, vec!["z"]),
        ] {
            let (path, args) = command(&merged(config, image)).unwrap();
            let words: Vec<_> = std::iter::once(path).chain(args).collect();
            assert_eq!(words, expected, "{config}");
        }
        let nothing = command(&ContainerConfig::default()).unwrap_err();
        assert_eq!(nothing.to_string(), "no command specified");
    }

    #[test]
    fn the_requests_variables_and_labels_win() {
        let config = merged(
            r#"{"Env":["A=1","B"],"Labels":{"x":"mine"}}"#,
            r#"{"Env":["A=0","B=0","C=0"],"Labels":{"x":"theirs","y":"z"},"User":"bob"}"#,
        );
        assert_eq!(config.env.as_slice(), ["A=1", "B", "C=0"]);
        assert_eq!(
            (config.labels["x"].as_str(), config.labels["y"].as_str()),
            ("mine", "z")
        );
        assert_eq!(config.user, "bob");
    }
}
