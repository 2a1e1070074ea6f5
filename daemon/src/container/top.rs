//! `top`: the container's processes in the host's `ps`, or from `/proc` where there is none.

use gantry_engine_api::{List, container::TopResponse};

use super::{error::ContainerError, operate::not_running, registry::Containers, state::Life};

impl Containers {
    /// The container's processes. `arguments` are ps(1)'s; its output must have a column `PID`.
    ///
    /// # Errors
    /// Conflict if the container does not run; whatever `ps` complains of.
    pub async fn top(
        &self,
        reference: &str,
        arguments: &str,
    ) -> Result<TopResponse, ContainerError> {
        let handle = self.find(reference)?;
        let record = handle.record();
        match record.life {
            Life::Running { .. } | Life::Paused { .. } => {}
            Life::Restarting { .. } => {
                return Err(ContainerError::Conflict(format!(
                    "Container {} is restarting, wait until the container is running",
                    record.id
                )));
            }
            Life::Created | Life::Exited { .. } | Life::Removing | Life::Dead => {
                return Err(not_running(&record.id));
            }
        }
        if let Some(bad) = arguments
            .split_whitespace()
            .find(|word| word.contains("pid=") && word.matches('=').count() > 1)
        {
            return Err(ContainerError::Invalid(format!(
                "specified ps_args contains invalid word {bad}"
            )));
        }
        let pids = self
            .parts
            .supervisor
            .pids(&handle.id)
            .await
            .map_err(|source| ContainerError::Runtime {
                step: "list processes",
                source,
            })?;
        self.parts.announce(&record, "top", &[]);
        let output = tokio::process::Command::new("ps")
            .args(arguments.split_whitespace())
            .kill_on_drop(true)
            .output()
            .await;
        match output {
            Ok(output) if output.status.success() => {
                parse(&String::from_utf8_lossy(&output.stdout), &pids)
            }
            Ok(output) => Err(ContainerError::InvalidInternal(format!(
                "ps: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ))),
            // A machine without ps still has /proc.
            Err(_) => Ok(from_proc(&pids)),
        }
    }
}

/// Keeps the rows of the container's processes.
fn parse(output: &str, pids: &[u32]) -> Result<TopResponse, ContainerError> {
    let mut lines = output.lines();
    let titles: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let column = titles
        .iter()
        .position(|title| title == "PID")
        .ok_or_else(|| {
            ContainerError::InvalidInternal("Couldn't find PID field in ps output".to_owned())
        })?;
    let processes = lines
        .filter_map(|line| {
            let cells = cells(line, titles.len());
            let pid: u32 = cells.get(column)?.parse().ok()?;
            pids.contains(&pid).then(|| List::from(cells))
        })
        .collect();
    Ok(TopResponse {
        titles: titles.into(),
        processes,
    })
}

/// The last column takes the rest of the line.
fn cells(line: &str, columns: usize) -> Vec<String> {
    let mut cells = Vec::with_capacity(columns);
    let mut rest = line.trim_start();
    while cells.len() + 1 < columns {
        let (cell, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        cells.push(cell.to_owned());
        rest = after.trim_start();
    }
    cells.push(rest.trim_end().to_owned());
    cells
}

fn from_proc(pids: &[u32]) -> TopResponse {
    let titles = ["UID", "PID", "PPID", "CMD"].map(str::to_owned).to_vec();
    let row = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_whitespace().next())
                .unwrap_or("?")
                .to_owned()
        };
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command)
            .replace('\0', " ")
            .trim()
            .to_owned();
        Some(List::from(vec![
            field("Uid:"),
            pid.to_string(),
            field("PPid:"),
            command,
        ]))
    };
    TopResponse {
        titles: titles.into(),
        processes: pids.iter().filter_map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_container_are_kept() {
        let output = "UID   PID  PPID CMD\nroot    7     1 sleep 10 x\nroot    8     1 other\n";
        let top = parse(output, &[7]).unwrap();
        assert_eq!(top.processes.len(), 1);
        assert_eq!(
            top.processes[0].as_slice(),
            ["root", "7", "1", "sleep 10 x"]
        );
        assert!(parse("A B\n", &[]).is_err());
    }

    #[test]
    fn proc_stands_in_for_ps() {
        let top = from_proc(&[std::process::id(), u32::MAX]);
        assert_eq!(top.processes.len(), 1);
        assert_eq!(top.processes[0][1], std::process::id().to_string());
    }
}
