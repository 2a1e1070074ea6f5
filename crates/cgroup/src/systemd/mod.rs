//! Control groups that systemd makes: a transient scope per container, over D-Bus.
//!
//! systemd owns the tree and wants to be asked. It makes the scope with the process in it and knows
//! the limits, so that `systemctl` shows them and a reload does not undo them; everything that
//! systemd has no word for is then written to the scope's files as without it (the scope is
//! `Delegate=yes`). Names and properties are those that runc uses.
//!
//! Deliberately not here: user sessions of systemd (rootless containers).

mod device_allow;
mod error;
mod properties;
mod value;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use rustix::process::Pid;

use crate::dbus::{Bus, BusError, Method, Writer};

pub use error::SystemdError;
pub use value::Value;

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// Where containers go if nobody says where.
const DEFAULT_SLICE: &str = "system.slice";
/// First part of a scope's name if nobody says another.
const DEFAULT_PREFIX: &str = "runc";

/// How long a job may take, however much else the bus tells of.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether systemd is the machine's init (`sd_booted(3)`).
#[must_use]
pub fn is_booted() -> bool {
    Path::new("/run/systemd/system")
        .symlink_metadata()
        .is_ok_and(|meta| meta.is_dir())
}

/// A container's scope (or, if its name says so, slice).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// With its suffix.
    name: String,
    /// What it is in.
    slice: String,
}

impl Unit {
    /// The unit of `slice:prefix:name`; of an empty path, `system.slice:runc:<id>`.
    ///
    /// # Errors
    /// [`SystemdError::NotRunning`], [`SystemdError::Path`].
    pub fn parse(path: &str, id: &str) -> Result<Self, SystemdError> {
        if !is_booted() {
            return Err(SystemdError::NotRunning);
        }
        Self::of_path(path, id)
    }

    fn of_path(path: &str, id: &str) -> Result<Self, SystemdError> {
        let parts: Vec<&str> = path.split(':').collect();
        let (slice, prefix, name) = match parts[..] {
            [""] => ("", DEFAULT_PREFIX, id),
            [slice, prefix, name] => (slice, prefix, name),
            _ => {
                let path = path.to_owned();
                return Err(SystemdError::Path { path });
            }
        };
        let name = if name.ends_with(".slice") {
            name.to_owned()
        } else {
            format!("{prefix}-{name}.scope")
        };
        let slice = if slice.is_empty() {
            DEFAULT_SLICE
        } else {
            slice
        };
        Ok(Self {
            name,
            slice: slice.to_owned(),
        })
    }

    /// The unit's name, by which it can be found again ([`Unit::named`]).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A unit that was made before. It does not know its place any more.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            slice: DEFAULT_SLICE.to_owned(),
        }
    }

    /// The control group, from the root of each hierarchy.
    ///
    /// # Errors
    /// [`SystemdError::Slice`].
    pub fn path(&self) -> Result<PathBuf, SystemdError> {
        Ok(expand(&self.slice)?.join(&self.name))
    }

    /// Makes the unit with the process in it and waits until systemd is done. `extra` are properties
    /// that the configuration names ([`extra_properties`]).
    ///
    /// # Errors
    /// [`SystemdError::Bus`], [`SystemdError::Job`], and what the resources can be wrong with.
    pub fn start(
        &self,
        process: Pid,
        resources: &LinuxResources,
        v2: bool,
        extra: Vec<(String, Value)>,
    ) -> Result<(), SystemdError> {
        let mut properties = self.own_properties(process, v2);
        properties.extend(properties::of(resources, v2)?);
        properties.extend(device_allow::of(resources));
        properties.extend(extra);
        let mut bus = Bus::system()?;
        subscribe(&mut bus)?;
        let start = |bus: &mut Bus| self.start_job(bus, &properties);
        match start(&mut bus) {
            Err(SystemdError::Bus(BusError::Refused { name, .. }))
                if name.ends_with(".UnitExists") =>
            {
                // Left from a container of the same name that failed.
                self.reset_failed(&mut bus)?;
                start(&mut bus)
            }
            other => other,
        }
    }

    fn own_properties(&self, process: Pid, v2: bool) -> Vec<(String, Value)> {
        let described = format!("gantry container {}", self.name);
        let mut properties = vec![("Description", Value::Text(described))];
        if self.name.ends_with(".slice") {
            properties.push(("Wants", Value::Texts(vec![self.slice.clone()])));
        } else {
            properties.push(("Slice", Value::Text(self.slice.clone())));
            properties.push(("Delegate", Value::Bool(true)));
            let pid = process.as_raw_nonzero().get().unsigned_abs();
            properties.push(("PIDs", Value::Numbers(vec![pid])));
        }
        let io = if v2 {
            "IOAccounting"
        } else {
            "BlockIOAccounting"
        };
        for name in ["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"] {
            properties.push((name, Value::Bool(true)));
        }
        properties.push(("DefaultDependencies", Value::Bool(false)));
        properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn start_job(&self, bus: &mut Bus, properties: &[(String, Value)]) -> Result<(), SystemdError> {
        let mut body = Writer::default();
        body.string(&self.name);
        body.string("replace");
        write_properties(&mut body, properties);
        // Auxiliary units: none.
        body.array(8, |_| {});
        let reply = bus.call(manager("StartTransientUnit"), "ssa(sv)a(sa(sv))", body)?;
        let job = reply.body().string().ok_or(BusError::Malformed)?;
        self.wait(bus, "start", &job)
    }

    /// Tells systemd of other limits, until the unit ends.
    ///
    /// # Errors
    /// [`SystemdError::Bus`], and what the resources can be wrong with.
    pub fn set(&self, resources: &LinuxResources, v2: bool) -> Result<(), SystemdError> {
        let properties = properties::of(resources, v2)?;
        if properties.is_empty() {
            return Ok(());
        }
        let mut body = Writer::default();
        body.string(&self.name);
        body.bool(true);
        write_properties(&mut body, &properties);
        let mut bus = Bus::system()?;
        bus.call(manager("SetUnitProperties"), "sba(sv)", body)?;
        Ok(())
    }

    /// Ends the unit and waits until systemd is done; a unit that is gone is fine.
    ///
    /// # Errors
    /// [`SystemdError::Bus`], [`SystemdError::Job`].
    pub fn stop(&self) -> Result<(), SystemdError> {
        let mut bus = Bus::system()?;
        subscribe(&mut bus)?;
        let mut body = Writer::default();
        body.string(&self.name);
        body.string("replace");
        let job = match bus.call(manager("StopUnit"), "ss", body) {
            Err(error) if is_unknown_unit(&error) => return Ok(()),
            reply => reply?.body().string().ok_or(BusError::Malformed)?,
        };
        let stopped = self.wait(&mut bus, "stop", &job);
        self.reset_failed(&mut bus)?;
        // A job may be called off or not be told of (a reload comes between): what counts is the unit.
        match stopped {
            Err(error) if self.is_there(&mut bus)? => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether systemd still knows the unit; it forgets those that have ended.
    fn is_there(&self, bus: &mut Bus) -> Result<bool, SystemdError> {
        let mut body = Writer::default();
        body.string(&self.name);
        match bus.call(manager("GetUnit"), "s", body) {
            Err(error) if is_unknown_unit(&error) => Ok(false),
            other => Ok(other.map(|_| true)?),
        }
    }

    /// Without this a failed unit keeps its name.
    fn reset_failed(&self, bus: &mut Bus) -> Result<(), SystemdError> {
        let mut body = Writer::default();
        body.string(&self.name);
        match bus.call(manager("ResetFailedUnit"), "s", body) {
            Err(error) if is_unknown_unit(&error) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    fn wait(&self, bus: &mut Bus, verb: &'static str, job: &str) -> Result<(), SystemdError> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let signal = bus.signal()?;
            if signal.member != "JobRemoved" || signal.interface != MANAGER {
                continue;
            }
            let mut body = signal.body();
            let (_number, path) = (body.u32(), body.string());
            if path.as_deref() != Some(job) {
                continue;
            }
            let (_unit, result) = (body.string(), body.string());
            let result = result.ok_or(BusError::Malformed)?;
            if result == "done" {
                return Ok(());
            }
            return Err(SystemdError::Job {
                verb,
                unit: self.name.clone(),
                result,
            });
        }
        Err(SystemdError::Job {
            verb,
            unit: self.name.clone(),
            result: "not known after 30 s".to_owned(),
        })
    }
}

/// Properties that a configuration asks for by annotations `org.systemd.property.<Name>`, the value in
/// GVariant's text form (booleans, numbers, quoted strings and arrays of these).
///
/// # Errors
/// [`SystemdError::Property`].
pub fn extra_properties<'a>(
    annotations: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<Vec<(String, Value)>, SystemdError> {
    let named = annotations.into_iter().filter_map(|(key, value)| {
        let name = key.strip_prefix("org.systemd.property.")?;
        (!name.is_empty()).then_some((name, value))
    });
    named
        .map(|(name, text)| {
            value::parse_property(name, text).ok_or_else(|| SystemdError::Property {
                name: name.to_owned(),
                value: text.clone(),
            })
        })
        .collect()
}

/// `a-b.slice` lies in `a.slice`.
fn expand(slice: &str) -> Result<PathBuf, SystemdError> {
    let bad = || SystemdError::Slice {
        name: slice.to_owned(),
    };
    let stem = slice.strip_suffix(".slice").ok_or_else(bad)?;
    let mut path = PathBuf::from("/");
    if stem == "-" {
        return Ok(path);
    }
    if stem.contains('/') || stem.split('-').any(str::is_empty) {
        return Err(bad());
    }
    for (at, _) in stem.match_indices('-').chain([(stem.len(), "")]) {
        path.push(format!("{}.slice", &stem[..at]));
    }
    Ok(path)
}

fn manager(member: &str) -> Method<'_> {
    Method {
        destination: Some(SERVICE),
        path: MANAGER_PATH,
        interface: MANAGER,
        member,
    }
}

/// Without a subscriber systemd does not tell of its jobs.
fn subscribe(bus: &mut Bus) -> Result<(), SystemdError> {
    bus.listen(MANAGER, "JobRemoved")?;
    match bus.call(manager("Subscribe"), "", Writer::default()) {
        Err(BusError::Refused { name, .. }) if name.ends_with(".AlreadySubscribed") => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

fn is_unknown_unit(error: &BusError) -> bool {
    matches!(error, BusError::Refused { name, .. } if name.ends_with(".NoSuchUnit"))
}

fn write_properties(body: &mut Writer, properties: &[(String, Value)]) {
    body.array(8, |array| {
        for (name, value) in properties {
            array.align(8);
            array.string(name);
            array.signature(value.signature());
            value.write(array);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_unit() {
        let unit = Unit::of_path("", "c1").unwrap();
        assert_eq!(unit.name(), "runc-c1.scope");
        assert_eq!(
            unit.path().unwrap(),
            Path::new("/system.slice/runc-c1.scope")
        );
        let unit = Unit::of_path("a-b.slice:gantry:x", "c1").unwrap();
        assert_eq!(
            unit.path().unwrap(),
            Path::new("/a.slice/a-b.slice/gantry-x.scope")
        );
        let unit = Unit::of_path("-.slice::x.slice", "c1").unwrap();
        assert_eq!(unit.path().unwrap(), Path::new("/x.slice"));
        let error = Unit::of_path("/a/b", "c1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/a/b\" instead"
        );
    }

    #[test]
    fn a_slice_cannot_lead_elsewhere() {
        for name in [
            "a",
            "a--b.slice",
            "-a.slice",
            "a-.slice",
            "a/b.slice",
            ".slice",
            "../x.slice",
        ] {
            assert!(
                matches!(expand(name), Err(SystemdError::Slice { .. })),
                "{name}"
            );
        }
    }
}
