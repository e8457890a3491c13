//! Many who fall silent together are one outage, not each an alarm: what do they have in common?

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::id::TerminalId;
use crate::word::words;

words! {
    /// What terminals can have in common. The narrower comes first: of two that explain a silence as well, it is the cause.
    pub enum Kind ("what terminals share") {
        /// The cell of a mobile network that they were last in.
        Cell = "cell",
        /// Where their wearers live.
        Community = "community",
        /// What runs on them: model and variant.
        Firmware = "firmware",
        /// The mobile network.
        Carrier = "carrier",
        /// That they are ours: our own line is down, or the city's.
        Everything = "everything",
    }
}

/// Something that several terminals have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tie {
    /// Of what kind.
    pub kind: Kind,
    /// Which: the cell's name, the community's id…
    pub key: String,
}

/// A terminal that is not heard any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub terminal: TerminalId,
    /// When it was last heard.
    pub heard_at: Timestamp,
    /// What it has in common with others.
    pub ties: Vec<Tie>,
}

/// Several that fell silent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they have in common.
    pub tie: Tie,
    /// When the first of them was last heard.
    pub began_at: Timestamp,
    /// Who.
    pub members: BTreeSet<TerminalId>,
    /// How many have it in common, whether they are heard or not.
    pub of: u32,
}

/// An outage that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Which.
    pub id: Uuid,
    /// What its members have in common.
    pub tie: Tie,
    /// When it began.
    pub began_at: Timestamp,
}

/// Fewer are no outage.
pub const MEMBERS_MIN: usize = 5;
/// Of those who have something in common so large a part must be gone, in per cent.
pub const SHARE_MIN_PCT: u64 = 50;
/// Last heard within this of each other, they fell silent together: the longest beat of most models, and some more.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(30);
/// It is over when no more of its members than this are still gone, in per cent: the rest are silent each for itself.
pub const LEFT_MAX_PCT: u64 = 10;

/// Finds outages among terminals that belong to none yet. `shares` tells how many terminals have each tie, at least of
/// those ties that [`MEMBERS_MIN`] of `gone` have.
///
/// What explains most comes first: the share of those who have it in common that is gone, times how many these are.
/// Everybody is in one group at most. The order of `gone` does not matter.
pub fn group(gone: &[Gone], shares: &BTreeMap<Tie, u32>) -> Vec<Group> {
    let mut left: Vec<&Gone> = gone.iter().collect();
    left.sort_unstable_by_key(|gone| (gone.heard_at, gone.terminal));
    left.dedup_by_key(|gone| gone.terminal);
    let mut by_tie: BTreeMap<&Tie, Vec<&Gone>> = BTreeMap::new();
    for one in left {
        for tie in &one.ties {
            by_tie.entry(tie).or_default().push(one);
        }
    }
    let share = |tie: &Tie| shares.get(tie).copied();
    // Of equals the narrower tie comes first. With each, how many groups there were when it was looked at: the more there
    // are, the fewer are left, so nothing explains more than it did then, and only what is on top is looked at again.
    let mut suspects: BinaryHeap<(u64, Reverse<&Tie>, usize)> = by_tie
        .iter()
        .filter_map(|(tie, of_tie)| Some((explained(of_tie, share(tie))?.score, Reverse(*tie), 0)))
        .collect();
    let mut taken = BTreeSet::new();
    let mut groups = Vec::new();
    while let Some((_, Reverse(tie), looked)) = suspects.pop() {
        let Some(of_tie) = by_tie.get_mut(tie) else { continue };
        if looked == groups.len()
            && let Some(found) = explained(of_tie, share(tie))
        {
            let members: BTreeSet<TerminalId> = found.together.iter().map(|gone| gone.terminal).collect();
            taken.extend(members.iter().copied());
            groups.push(Group { tie: tie.clone(), began_at: found.began_at, members, of: found.of });
        }
        of_tie.retain(|gone| !taken.contains(&gone.terminal));
        if let Some(found) = explained(of_tie, share(tie)) {
            suspects.push((found.score, Reverse(tie), groups.len()));
        }
    }
    groups
}

/// How many of these have each tie; only those that could be an outage's.
pub fn suspects(gone: &[Gone]) -> BTreeSet<Tie> {
    let mut counts: BTreeMap<&Tie, usize> = BTreeMap::new();
    for tie in gone.iter().flat_map(|gone| &gone.ties) {
        *counts.entry(tie).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count >= MEMBERS_MIN).map(|(tie, _)| tie.clone()).collect()
}

/// The open outage that somebody who fell silent belongs to: they share its tie and were last heard when it had begun, or
/// was about to.
pub fn joins<'o>(gone: &Gone, open: &'o [Open]) -> Option<&'o Open> {
    open.iter()
        .filter(|outage| gone.ties.contains(&outage.tie) && gone.heard_at >= outage.began_at - WINDOW)
        .min_by(|one, other| (one.tie.kind, one.began_at, one.id).cmp(&(other.tie.kind, other.began_at, other.id)))
}

/// Whether an outage is over, of whose members so many are still gone.
pub const fn is_over(members: u64, still_gone: u64) -> bool {
    still_gone * 100 <= members * LEFT_MAX_PCT
}

/// What a tie explains.
struct Explained<'s, 'g> {
    /// How well, in thousandths, so that equals are equal.
    score: u64,
    together: &'s [&'g Gone],
    began_at: Timestamp,
    of: u32,
}

/// What a tie explains that so many `share`, of those of them who are gone, in the order in which they were last heard;
/// nothing, if they are too few.
fn explained<'s, 'g>(gone: &'s [&'g Gone], share: Option<u32>) -> Option<Explained<'s, 'g>> {
    let together = together(gone);
    let count = u64::try_from(together.len()).unwrap_or(u64::MAX);
    let of = share.map_or(count, u64::from).max(count);
    if together.len() < MEMBERS_MIN || count * 100 < of * SHARE_MIN_PCT {
        return None;
    }
    let began_at = together.first()?.heard_at;
    Some(Explained { score: count * count * 1000 / of, together, began_at, of: u32::try_from(of).unwrap_or(u32::MAX) })
}

/// The most that were last heard within a [`WINDOW`], of terminals in the order in which they were.
fn together<'s, 'g>(gone: &'s [&'g Gone]) -> &'s [&'g Gone] {
    let (mut from, mut most) = (0, 0..0);
    for until in 0..gone.len() {
        while gone[until].heard_at.duration_since(gone[from].heard_at) > WINDOW {
            from += 1;
        }
        if until + 1 - from > most.len() {
            most = from..until + 1;
        }
    }
    &gone[most]
}
