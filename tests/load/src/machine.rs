//! What the machine spends: read from `/proc`, in seconds of processor and bytes of memory.

use anyhow::Context as _;

/// Of a processor's second.
const TICKS: f64 = 100.0;

/// Whose second of processor it was.
#[derive(Debug, Clone, Copy)]
struct Spent {
    parent: u32,
    /// Its own.
    own_s: f64,
    /// Of its children that have ended.
    ended_s: f64,
}

fn spent(pid: u32) -> anyhow::Result<Spent> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let rest = stat.rsplit_once(')').context("a stat line has a name in it")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let seconds = |of: [usize; 2]| anyhow::Ok((fields[of[0]].parse::<f64>()? + fields[of[1]].parse::<f64>()?) / TICKS);
    Ok(Spent { parent: fields[1].parse()?, own_s: seconds([11, 12])?, ended_s: seconds([13, 14])? })
}

/// Seconds of processor that a process has used until now.
pub(crate) fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    Ok(spent(pid)?.own_s)
}

/// The same, of a process and its children, those included that have ended.
pub(crate) fn family_cpu_s(pid: u32) -> anyhow::Result<f64> {
    let head = spent(pid)?;
    // Children come and go while one looks.
    let children = children(pid)?.into_iter().filter_map(|child| spent(child).ok());
    Ok(head.own_s + head.ended_s + children.map(|child| child.own_s + child.ended_s).sum::<f64>())
}

fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let processes = std::fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(processes.filter(|child| spent(*child).is_ok_and(|spent| spent.parent == pid)).collect())
}

/// Seconds that all processors together were not idle.
pub(crate) fn busy_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).map(str::parse).collect::<Result<_, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal
    Ok((ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / TICKS)
}

/// Seconds of processor that the machine was to have and its host gave to others.
pub(crate) fn stolen_s() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat is empty")?;
    Ok(line.split_whitespace().nth(8).context("/proc/stat says nothing of it")?.parse::<f64>()? / TICKS)
}

/// How many seconds of processor there are in a second.
pub(crate) fn processors() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let count = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    Ok(f64::from(u32::try_from(count)?))
}

/// The memory of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Everything resident, bytes.
    pub(crate) resident: u64,
    /// What is nobody else's and in no file, bytes.
    pub(crate) own: u64,
    /// What is shared with others, bytes.
    pub(crate) shared: u64,
}

/// Of a process.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        let kb: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        anyhow::Ok(kb * 1024)
    };
    Ok(Memory { resident: bytes("VmRSS:")?, own: bytes("RssAnon:")?, shared: bytes("RssShmem:")? })
}

/// Of a process and its children together: what each has of its own, and the most that one of them shares.
pub(crate) fn family_memory(pid: u32) -> anyhow::Result<Memory> {
    let family = std::iter::once(pid).chain(children(pid)?).filter_map(|one| memory(one).ok());
    Ok(family.fold(Memory::default(), |all, one| Memory {
        resident: all.resident.max(one.resident),
        own: all.own + one.own,
        shared: all.shared.max(one.shared),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_spends_and_its_parent_is_told() {
        let me = std::process::id();
        let (before, busy) = (family_cpu_s(me).unwrap(), busy_s().unwrap());
        let ended =
            std::process::Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]).status();
        assert!(ended.unwrap().success());
        assert!(family_cpu_s(me).unwrap() > before && busy_s().unwrap() > busy);
        let Memory { resident, own, .. } = memory(me).unwrap();
        assert!(0 < own && own <= resident);
        assert!(processors().unwrap() >= 1.0);
    }
}
