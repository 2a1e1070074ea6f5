//! One figure: the same work done by several contenders, in turn, and the target it is held to.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How long the machine rests before each run (module documentation of `main`).
pub(crate) const REST: Duration = Duration::from_millis(60);

/// What is measured, of whom, and what must come out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: String,
    /// Contender and its samples; ours is the first.
    pub(crate) samples: Vec<(String, Vec<f64>)>,
    /// What our median is held to; all of them must hold.
    pub(crate) targets: Vec<Target>,
}

/// What our median is held to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Target {
    /// At most this share of the contender's median.
    Share { of: String, at_most: f64 },
    /// At most this much, in the figure's unit.
    AtMost(f64),
    /// The 95 % interval of the samples' mean lies in here.
    Within { low: f64, high: f64 },
}

impl Target {
    /// At most this share of stock dockerd's median.
    pub(crate) fn of_dockerd(at_most: f64) -> Self {
        Self::Share {
            of: "dockerd".to_owned(),
            at_most,
        }
    }
}

/// A contender: its name and one run of the work, which gives the figure's value.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'a str,
    pub(crate) run: Box<dyn FnMut() -> f64 + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender whose value is the time its work takes, in milliseconds.
    pub(crate) fn timed(name: &'a str, mut work: impl FnMut() + 'a) -> Self {
        let run = move || {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        };
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// Runs all contenders `runs` times, interleaved in a shuffled order, after one warm-up each.
pub(crate) fn interleaved(
    name: &str,
    unit: &str,
    runs: usize,
    contenders: Vec<Contender<'_>>,
    targets: &[Target],
) -> Figure {
    Pace { runs, rest: REST }.compare(name, unit, contenders, targets)
}

/// How many samples a contender has at least.
const LEAST_RUNS: usize = 2;

/// How often a contender runs, and how long the machine rests before each run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) runs: usize,
    pub(crate) rest: Duration,
}

impl Pace {
    /// As [`interleaved`].
    pub(crate) fn compare(
        self,
        name: &str,
        unit: &str,
        contenders: Vec<Contender<'_>>,
        targets: &[Target],
    ) -> Figure {
        self.measure(
            (f64::INFINITY, Duration::MAX),
            (name, unit),
            contenders,
            targets,
        )
    }

    /// The same, where whoever takes more than `times` as long as ours to warm up is measured in one round only:
    /// nobody doubts who is faster. A value that is no number is of a run that failed, and is left out.
    pub(crate) fn sparing(
        self,
        times: f64,
        named: (&str, &str),
        contenders: Vec<Contender<'_>>,
        targets: &[Target],
    ) -> Figure {
        self.measure((times, Duration::MAX), named, contenders, targets)
    }

    /// The same, but no round begins after `limit` once everybody has two samples: what takes many
    /// seconds differs little from run to run.
    pub(crate) fn compare_within(
        self,
        limit: Duration,
        named: (&str, &str),
        contenders: Vec<Contender<'_>>,
        targets: &[Target],
    ) -> Figure {
        self.measure((f64::INFINITY, limit), named, contenders, targets)
    }

    /// See [`Self::sparing`] and [`Self::compare_within`].
    fn measure(
        self,
        (times, limit): (f64, Duration),
        (name, unit): (&str, &str),
        mut contenders: Vec<Contender<'_>>,
        targets: &[Target],
    ) -> Figure {
        let start = Instant::now();
        let mut warm = vec![0.0; contenders.len()];
        let mut samples: Vec<(String, Vec<f64>)> = contenders
            .iter()
            .map(|c| (c.name.to_owned(), Vec::new()))
            .collect();
        let mut shuffle = Shuffle::default();
        for round in 0..=self.runs {
            if round > LEAST_RUNS && start.elapsed() > limit {
                break;
            }
            for n in shuffle.order(contenders.len()) {
                if round > 1 && (warm[n] > times * warm[0] || warm[n].is_nan()) {
                    continue;
                }
                std::thread::sleep(self.rest);
                let value = (contenders[n].run)();
                if round == 0 {
                    warm[n] = value;
                } else if !value.is_nan() {
                    samples[n].1.push(value);
                }
            }
        }
        let figure = Figure {
            name: name.to_owned(),
            unit: unit.to_owned(),
            samples,
            targets: targets.to_vec(),
        };
        let figure = figure.of_those_that_ran();
        crate::report::say(&figure.line());
        figure
    }
}

impl Figure {
    /// Without contenders that failed each time; what ours is held to beside them goes with them.
    fn of_those_that_ran(mut self) -> Self {
        let failed: Vec<String> = self
            .samples
            .extract_if(1.., |(_, samples)| samples.is_empty())
            .map(|(name, _)| name)
            .collect();
        for name in &failed {
            crate::report::say(&format!("  {}: {name} failed, and is left out", self.name));
        }
        let stays =
            |target: &Target| !matches!(target, Target::Share { of, .. } if failed.contains(of));
        self.targets.retain(stays);
        self
    }

    /// The median of a contender's samples.
    pub(crate) fn median(&self, contender: &str) -> Option<f64> {
        let (_, samples) = self.samples.iter().find(|(name, _)| name == contender)?;
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        Some(match sorted.len() {
            0 => return None,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        })
    }

    /// Our median.
    pub(crate) fn ours(&self) -> f64 {
        self.samples
            .first()
            .and_then(|(name, _)| self.median(name))
            .unwrap_or(f64::NAN)
    }

    /// The 95 % interval of the mean of our samples.
    pub(crate) fn interval(&self) -> Option<(f64, f64)> {
        let (_, samples) = self.samples.first()?;
        if samples.len() < 2 {
            return None;
        }
        let count = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / count;
        let squares = samples.iter().map(|sample| (sample - mean).powi(2));
        let deviation = (squares.sum::<f64>() / (count - 1.0)).sqrt();
        // Student's factor, within 2 % of the tables from 8 samples on.
        let factor = 1.96 + 2.4 / (count - 1.0);
        let half = factor * deviation / count.sqrt();
        Some((mean - half, mean + half))
    }

    /// A figure of what two contenders took in each round.
    pub(crate) fn derived(
        &self,
        (name, unit): (&str, &str),
        (one, other): (&str, &str),
        of_both: fn(f64, f64) -> f64,
        target: Target,
    ) -> Self {
        let of = |name: &str| {
            let found = self.samples.iter().find(|(known, _)| known == name);
            &found.expect("a contender of that name").1
        };
        let rounds = of(one).iter().zip(of(other));
        let samples = rounds.map(|(one, other)| of_both(*one, *other)).collect();
        let figure = Self {
            name: name.to_owned(),
            unit: unit.to_owned(),
            samples: vec![("gantry".to_owned(), samples)],
            targets: vec![target],
        };
        crate::report::say(&figure.line());
        figure
    }

    /// Whether the target is met; `None` where there is none.
    pub(crate) fn holds(&self) -> Option<bool> {
        let holds = |target: &Target| {
            Some(match target {
                Target::AtMost(limit) => self.ours() <= *limit,
                Target::Share { of, at_most } => self.ours() <= at_most * self.median(of)?,
                Target::Within { low, high } => {
                    let (from, to) = self.interval()?;
                    *low <= from && to <= *high
                }
            })
        };
        let all: Option<Vec<bool>> = self.targets.iter().map(holds).collect();
        all.filter(|all| !all.is_empty())
            .map(|all| all.into_iter().all(|held| held))
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let values: Vec<String> = self
            .samples
            .iter()
            .filter_map(|(name, _)| Some(format!("{name} {:.2}", self.median(name)?)))
            .collect();
        let verdict = match self.holds() {
            Some(true) => "holds",
            Some(false) => "MISSED",
            None => "",
        };
        let within = |target: &Target| matches!(target, Target::Within { .. });
        let interval = match self.interval().filter(|_| self.targets.iter().any(within)) {
            Some((low, high)) => format!(" ({low:.3} to {high:.3})"),
            None => String::new(),
        };
        format!(
            "  {}: {} {}{interval} {verdict}",
            self.name,
            values.join(", "),
            self.unit
        )
    }
}

/// A small generator of orders; the order only has to differ from round to round.
#[derive(Debug)]
struct Shuffle(u64);

impl Default for Shuffle {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Shuffle {
    fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for n in (1..count).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let pick = usize::try_from(self.0 % (n as u64 + 1)).unwrap_or(0);
            order.swap(n, pick);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Contender, Figure, Pace, Shuffle, Target};

    #[test]
    fn medians_and_targets() {
        let figure = Figure {
            name: "x".into(),
            unit: "ms".into(),
            samples: vec![
                ("a".into(), vec![3.0, 1.0, 2.0]),
                ("b".into(), vec![4.0, 8.0]),
            ],
            targets: vec![Target::Share {
                of: "b".into(),
                at_most: 0.25,
            }],
        };
        assert_eq!(figure.median("a"), Some(2.0));
        assert_eq!(figure.median("b"), Some(6.0));
        assert_eq!(figure.holds(), Some(false));
    }

    #[test]
    fn who_is_slow_is_measured_once_and_who_fails_is_left_out() {
        let of = |name, value: f64| Contender {
            name,
            run: Box::new(move || value),
        };
        let all = vec![
            of("ours", 1.0),
            of("near", 3.0),
            of("far", 9.0),
            of("failed", f64::NAN),
        ];
        let pace = Pace {
            runs: 3,
            rest: Duration::ZERO,
        };
        let target = |of: &str| Target::Share {
            of: of.to_owned(),
            at_most: 0.5,
        };
        let targets = ["near", "far", "failed"].map(target);
        let figure = pace.sparing(6.0, ("x", "ms"), all, &targets);
        let counts: Vec<_> = figure.samples.iter().map(|(_, s)| s.len()).collect();
        assert_eq!(counts, [3, 3, 1]);
        assert_eq!((figure.targets.len(), figure.holds()), (2, Some(true)));
    }

    #[test]
    fn an_interval_is_of_the_mean_of_ours() {
        let ratios: Vec<f64> = (0..16).map(|n| 1.0 + 0.01 * f64::from(n % 2)).collect();
        let within = |low, high| Figure {
            name: "x".into(),
            unit: "×".into(),
            samples: vec![("a".into(), ratios.clone())],
            targets: vec![Target::Within { low, high }],
        };
        let (low, high) = within(0.0, 2.0).interval().expect("of many samples");
        assert!((1.002..1.003).contains(&low) && (1.007..1.008).contains(&high));
        assert_eq!(within(0.95, 1.05).holds(), Some(true));
        assert_eq!(within(1.004, 1.05).holds(), Some(false));
    }

    #[test]
    fn an_order_holds_everyone_once() {
        let mut shuffle = Shuffle::default();
        for _ in 0..100 {
            let mut order = shuffle.order(5);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
    }
}
