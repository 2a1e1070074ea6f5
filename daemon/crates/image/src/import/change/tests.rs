use super::*;

fn changed(changes: &[&str]) -> Result<RunConfig, String> {
    let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
    let mut config = RunConfig::default();
    apply_changes(&mut config, &changes).map_err(|error| error.to_string())?;
    Ok(config)
}

#[test]
fn every_instruction() {
    let config = changed(&[
        "CMD [\"a\", \"b c\"]",
        "entrypoint echo hi",
        "ENV A=1 B=\"2 3\"",
        "ENV A two words",
        "LABEL x.y=z",
        "EXPOSE 80 53/udp 8000-8001",
        "VOLUME [\"/v one\"]",
        "VOLUME /two /three",
        "USER me:us",
        "WORKDIR /a",
        "WORKDIR b/../c",
        "STOPSIGNAL SIGQUIT",
        "HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f localhost",
        "ONBUILD RUN make",
    ])
    .unwrap();
    assert_eq!(config.cmd.unwrap(), ["a", "b c"]);
    assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "echo hi"]);
    assert_eq!(config.env, ["B=2 3", "A=two words"]);
    assert_eq!(config.labels["x.y"], "z");
    assert_eq!(
        config.exposed_ports.keys().collect::<Vec<_>>(),
        ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]
    );
    assert_eq!(
        config.volumes.keys().collect::<Vec<_>>(),
        ["/three", "/two", "/v one"]
    );
    assert_eq!(
        (config.user.as_str(), config.working_dir.as_str()),
        ("me:us", "/a/c")
    );
    assert_eq!(config.stop_signal, "SIGQUIT");
    let check = config.healthcheck.unwrap();
    assert_eq!((check.interval, check.retries), (90_000_000_000, 3));
    assert_eq!(check.test, ["CMD-SHELL", "curl -f localhost"]);
    assert_eq!(config.on_build, ["RUN make"]);
}

#[test]
fn refusals() {
    let cases = [
        ("RUN x", "RUN is not a valid change command"),
        ("FOO x", "unknown instruction: FOO"),
        ("ENV", "ENV requires at least one argument"),
        ("EXPOSE x", "invalid containerPort: x"),
        ("EXPOSE 9-8", "invalid containerPort: 9-8"),
        ("STOPSIGNAL nope", "invalid signal: nope"),
        ("HEALTHCHECK CMD", "missing command after HEALTHCHECK CMD"),
        (
            "HEALTHCHECK --interval=x CMD y",
            "invalid value for --interval: \"x\"",
        ),
        (
            "ONBUILD ONBUILD RUN x",
            "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
        ),
    ];
    for (change, message) in cases {
        assert_eq!(changed(&[change]).unwrap_err(), message);
    }
}

#[test]
fn durations() {
    assert_eq!(duration("1h2m3s"), Some(3_723_000_000_000));
    assert_eq!(duration("1.5ms"), Some(1_500_000));
    assert_eq!(duration("10us5ns"), Some(10_005));
    for text in ["", "5", "s", "1x", "1h-2m", "1..2s"] {
        assert_eq!(duration(text), None, "{text}");
    }
}
