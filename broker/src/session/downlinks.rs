//! The QoS 1 downlinks of one session that its terminal has not acknowledged. Pure.
//!
//! Nothing here outlives the session: what has not been acknowledged is repeated by whoever sent
//! it, until it is or nobody wants to hear it any more.

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;
use wire::bus::Downlink;

/// The downlinks under way and those that wait for room.
#[derive(Debug)]
pub(crate) struct Downlinks {
    window: usize,
    last_pid: u16,
    under_way: Vec<(u16, Option<Uuid>)>,
    waiting: VecDeque<Arc<Downlink>>,
}

impl Downlinks {
    /// `window`: how many are under way at once.
    pub(crate) fn new(window: u16) -> Self {
        Self { window: usize::from(window), last_pid: 0, under_way: Vec::new(), waiting: VecDeque::new() }
    }

    /// How many wait for room.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn wait(&mut self, downlink: Arc<Downlink>) {
        self.waiting.push_back(downlink);
    }

    /// The next that has room, with the packet id that it goes under.
    pub(crate) fn next(&mut self) -> Option<(u16, Arc<Downlink>)> {
        if self.under_way.len() >= self.window {
            return None;
        }
        let downlink = self.waiting.pop_front()?;
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        let pid = self.free_pid();
        self.under_way.push((pid, downlink.notice));
        Some((pid, downlink))
    }

    /// The terminal has answered: the notice that it has. `None` when there was none under that id.
    pub(crate) fn answer(&mut self, pid: u16) -> Option<Uuid> {
        let place = self.under_way.iter().position(|(under_way, _)| *under_way == pid)?;
        self.under_way.swap_remove(place).1
    }

    fn free_pid(&mut self) -> u16 {
        loop {
            self.last_pid = self.last_pid.checked_add(1).unwrap_or(1);
            if self.under_way.iter().all(|(pid, _)| *pid != self.last_pid) {
                return self.last_pid;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downlink(notice: u128) -> Arc<Downlink> {
        let notice = Some(Uuid::from_u128(notice));
        Arc::new(Downlink { serial: "P1".into(), topic: "t".into(), payload: vec![], notice })
    }

    #[test]
    fn no_more_are_under_way_than_the_terminal_takes() {
        let mut downlinks = Downlinks::new(2);
        (1..=3).for_each(|notice| downlinks.wait(downlink(notice)));
        let (first, _) = downlinks.next().unwrap();
        downlinks.next().unwrap();
        assert!(downlinks.next().is_none());
        assert_eq!(downlinks.waiting(), 1);
        assert_eq!(downlinks.answer(first), Some(Uuid::from_u128(1)));
        let (third, message) = downlinks.next().unwrap();
        assert_eq!((third, message.notice), (3, Some(Uuid::from_u128(3))));
    }

    #[test]
    fn packet_ids_go_round_and_skip_those_in_use_and_zero() {
        let mut downlinks = Downlinks::new(16);
        downlinks.wait(downlink(1));
        let (held, _) = downlinks.next().unwrap();
        for _ in 0..70_000 {
            downlinks.wait(downlink(2));
            let (pid, _) = downlinks.next().unwrap();
            assert!(pid != 0 && pid != held);
            downlinks.answer(pid).unwrap();
        }
    }

    #[test]
    fn an_answer_to_nothing_is_noticed() {
        assert_eq!(Downlinks::new(2).answer(1), None);
    }
}
