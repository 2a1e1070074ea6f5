//! What begins with an image, or a container, that is there already.

use std::time::Instant;

use integration_tests::Engine;
use integration_tests::image::BUSYBOX;

use super::{Bench, LARGE, ROUNDS, Registry, SMALL, docker, named, peers, rounds, value};
use crate::figure::{Contender, Figure};

/// What save, push, import and commit are held to.
const OTHERS: f64 = 1.5;
const REMOVAL: f64 = 10.0;

impl Bench<'_> {
    /// The archives that nobody pulled.
    pub(super) fn load(&self, name: &str, images: &str, times: f64) -> Figure {
        let file = |n| self.file(&format!("{images}-{}.tar", ROUNDS + n));
        let file = &file;
        let engine = |label, engine| {
            rounds(label, move |n| {
                docker(engine, &["load", "-q", "-i", &file(n)])
            })
        };
        let contenders = vec![
            engine("gantry", self.ours),
            engine("dockerd", self.stock),
            rounds("containerd", |n| {
                peers::ctr(self.stock, &["images", "import", &file(n)])
            }),
            rounds("podman", |n| {
                self.podman.run("load", &["-q", "-i", &file(n)])
            }),
        ];
        self.compare(&format!("load, {name}"), times, contenders)
    }

    /// Of an image that was loaded.
    pub(super) fn save(&self) -> Figure {
        let image = &loaded(0);
        let file = |who: &str, n| self.file(&format!("saved-{who}-{n}.tar"));
        let engine = |label, engine| {
            rounds(label, move |n| {
                docker(engine, &["save", "-o", &file(label, n), image])
            })
        };
        let contenders = vec![
            engine("gantry", self.ours),
            engine("dockerd", self.stock),
            rounds("containerd", |n| {
                let to = file("containerd", n);
                peers::ctr(self.stock, &["images", "export", &to, image])
            }),
            rounds("podman", |n| {
                self.podman
                    .run("save", &["-q", "-o", &file("podman", n), image])
            }),
        ];
        self.compare(&format!("save, {LARGE}"), OTHERS, contenders)
    }

    /// To a registry that has nothing, and that nobody has seen.
    pub(super) fn push(&self) -> Figure {
        let image = &loaded(1);
        let engine = |label, engine| {
            let tag = move |to: &str| docker(engine, &["tag", image, to]);
            let push = move |to: &str| docker(engine, &["push", "-q", to]);
            self.push_by((label, engine), tag, push)
        };
        let podman_tag = |to: &str| self.podman.run("tag", &[image, to]);
        let podman_push = |to: &str| self.podman.run("push", &["-q", "--tls-verify=false", to]);
        let contenders = vec![
            engine("gantry", self.ours),
            engine("dockerd", self.stock),
            self.push_by(("podman", self.ours), podman_tag, podman_push),
        ];
        self.compare(&format!("push, {LARGE}"), OTHERS, contenders)
    }

    /// A push to a registry beside `host`, after the image was given that registry's name.
    fn push_by<'a>(
        &'a self,
        (name, host): (&'a str, &'a Engine),
        tag: impl Fn(&str) -> bool + 'a,
        push: impl Fn(&str) -> bool + 'a,
    ) -> Contender<'a> {
        let mut port = super::PORT;
        let run = move || {
            port += 1;
            let data = self.dir.join(format!("pushed-{name}-{port}"));
            let registry = Registry::start(host, &data, port);
            let to = format!("127.0.0.1:{port}/bench/pushed:1");
            let tagged = tag(&to);
            rustix::fs::sync();
            let start = Instant::now();
            let pushed = push(&to);
            let taken = start.elapsed();
            drop(registry);
            value(name, tagged && pushed, taken)
        };
        Contender {
            name,
            run: Box::new(run),
        }
    }

    pub(super) fn import(&self) -> Figure {
        let file = |n| self.file(&format!("rootfs-{n}.tar"));
        let engine = |label, engine| {
            rounds(label, move |n| {
                docker(engine, &["import", &file(n), &imported(n)])
            })
        };
        let contenders = vec![
            engine("gantry", self.ours),
            engine("dockerd", self.stock),
            rounds("podman", |n| {
                self.podman.run("import", &["-q", &file(n), &imported(n)])
            }),
        ];
        self.compare(&format!("import, {SMALL}"), OTHERS, contenders)
    }

    pub(super) fn commit(&self) -> Figure {
        let script = "head -c 100000000 /dev/urandom >/noise; mkdir /d; \
                      for n in $(seq 2000); do echo $n >/d/$n; done; echo done; exec sleep 100000";
        let run = ["run", "-d", "--network", "none", "--name", "wrote", BUSYBOX];
        for engine in [self.ours, self.stock] {
            let words = [&run[..], &["sh", "-c", script]].concat();
            assert!(docker(engine, &words), "{words:?}");
            integration_tests::eventually("it wrote", std::time::Duration::from_secs(300), || {
                let said = engine.docker().run(&["logs", "wrote"]);
                said.out.contains("done").then_some(())
            });
        }
        let contender = |name, engine: &Engine| {
            let mut n = 0;
            let engine_of = engine.docker();
            let run = move || {
                n += 1;
                let change = format!("echo {n} >/changed");
                engine_of.run(&["exec", "wrote", "sh", "-c", &change]).ok();
                rustix::fs::sync();
                let start = Instant::now();
                let words = ["commit", "wrote", &format!("committed:{n}")];
                let done = super::quietly(&mut engine_of.command(&words));
                value(name, done, start.elapsed())
            };
            Contender {
                name,
                run: Box::new(run),
            }
        };
        let contenders = vec![
            contender("gantry", self.ours),
            contender("dockerd", self.stock),
        ];
        self.compare("commit, 100 MB and 2,000 files", OTHERS, contenders)
    }

    /// Of what was imported.
    pub(super) fn remove(&self) -> Figure {
        let engine = |label, engine| rounds(label, move |n| docker(engine, &["rmi", &imported(n)]));
        let contenders = vec![
            engine("gantry", self.ours),
            engine("dockerd", self.stock),
            rounds("podman", |n| self.podman.run("rmi", &[&imported(n)])),
        ];
        self.compare(&format!("rmi, {SMALL}"), REMOVAL, contenders)
    }
}

/// The name of the large image that was loaded in a round.
fn loaded(round: u64) -> String {
    named(&format!("large-{}", ROUNDS + round))
}

fn imported(round: u64) -> String {
    format!("localhost/imported:{round}")
}
