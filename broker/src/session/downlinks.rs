//! The QoS 1 downlinks of one session that its terminal has not acknowledged. Pure.
//!
//! What was sent and not acknowledged is sent again when the terminal takes its session up soon, as MQTT wants it. What
//! had no room yet, and what is old news, is not: whoever sent it repeats it until it is acknowledged or nobody wants to
//! hear it any more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;
use wire::bus::Downlink;

use crate::packet::Dup;

/// After this long nobody is told any more that help is four minutes away.
const NEWS_FOR: Duration = Duration::from_mins(5);

/// The downlinks under way and those that wait for room.
#[derive(Debug, Default)]
pub(crate) struct Downlinks {
    window: usize,
    last_pid: u16,
    under_way: Vec<(u16, Arc<Downlink>)>,
    /// Packet ids under way that are to be sent again, and are not in flight on this connection until then.
    again: VecDeque<u16>,
    waiting: VecDeque<Arc<Downlink>>,
    /// When its terminal was lost.
    lost_at: Option<Instant>,
}

impl Downlinks {
    /// A terminal takes them up. `window`: how many are under way at once.
    pub(crate) fn resume(&mut self, window: u16, now: Instant) {
        self.window = usize::from(window);
        self.waiting = VecDeque::new();
        if self.lost_at.take().is_some_and(|at| now.saturating_duration_since(at) > NEWS_FOR) {
            self.under_way.clear();
        }
        self.again = self.under_way.iter().map(|(pid, _)| *pid).collect();
    }

    /// Its terminal is lost.
    pub(crate) fn pause(&mut self, now: Instant) {
        self.lost_at = Some(now);
        self.waiting = VecDeque::new();
    }

    /// How many wait for room.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn wait(&mut self, downlink: Arc<Downlink>) {
        self.waiting.push_back(downlink);
    }

    /// The next that has room, with the packet id that it goes under.
    pub(crate) fn next(&mut self) -> Option<(u16, Arc<Downlink>, Dup)> {
        if self.under_way.len() - self.again.len() >= self.window {
            return None;
        }
        if let Some(again) = self.again.pop_front()
            && let Some((pid, downlink)) = self.under_way.iter().find(|(pid, _)| *pid == again)
        {
            return Some((*pid, Arc::clone(downlink), Dup::Again));
        }
        let downlink = self.waiting.pop_front()?;
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        let pid = self.free_pid();
        self.under_way.push((pid, Arc::clone(&downlink)));
        Some((pid, downlink, Dup::First))
    }

    /// The terminal has answered: the notice that it has. `None` when there was none under that id.
    pub(crate) fn answer(&mut self, pid: u16) -> Option<Uuid> {
        let place = self.under_way.iter().position(|(under_way, _)| *under_way == pid)?;
        let (_, downlink) = self.under_way.remove(place);
        self.again.retain(|again| *again != pid);
        if self.under_way.is_empty() {
            self.under_way = Vec::new();
        }
        downlink.notice
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

    fn resumed(window: u16) -> Downlinks {
        let mut downlinks = Downlinks::default();
        downlinks.resume(window, Instant::now());
        downlinks
    }

    fn all(downlinks: &mut Downlinks) -> Vec<(u16, Option<Uuid>, Dup)> {
        std::iter::from_fn(|| downlinks.next()).map(|(pid, message, dup)| (pid, message.notice, dup)).collect()
    }

    #[test]
    fn what_was_not_acknowledged_is_sent_again_under_its_id_and_what_had_no_room_is_not() {
        let (mut downlinks, now) = (resumed(2), Instant::now());
        (1..=4).for_each(|notice| downlinks.wait(downlink(notice)));
        assert_eq!(all(&mut downlinks).len(), 2);
        downlinks.answer(1);
        assert_eq!(all(&mut downlinks), [(3, Some(Uuid::from_u128(3)), Dup::First)]);
        downlinks.pause(now);
        downlinks.resume(2, now + NEWS_FOR);
        let again = [(2, Some(Uuid::from_u128(2)), Dup::Again), (3, Some(Uuid::from_u128(3)), Dup::Again)];
        assert_eq!(all(&mut downlinks), again);
        assert_eq!((downlinks.answer(2), downlinks.answer(3)), (again[0].1, again[1].1));
        downlinks.wait(downlink(5));
        assert_eq!(all(&mut downlinks), [(4, Some(Uuid::from_u128(5)), Dup::First)]);
    }

    #[test]
    fn old_news_is_not_sent_again() {
        let (mut downlinks, now) = (resumed(2), Instant::now());
        downlinks.wait(downlink(1));
        assert_eq!(all(&mut downlinks).len(), 1);
        downlinks.pause(now);
        downlinks.resume(2, now + NEWS_FOR + Duration::from_secs(1));
        assert_eq!(all(&mut downlinks), []);
        assert_eq!(downlinks.answer(1), None);
    }

    #[test]
    fn no_more_are_under_way_than_the_terminal_takes() {
        let mut downlinks = resumed(2);
        (1..=3).for_each(|notice| downlinks.wait(downlink(notice)));
        let (first, ..) = downlinks.next().unwrap();
        downlinks.next().unwrap();
        assert!(downlinks.next().is_none());
        assert_eq!(downlinks.waiting(), 1);
        assert_eq!(downlinks.answer(first), Some(Uuid::from_u128(1)));
        let (third, message, _) = downlinks.next().unwrap();
        assert_eq!((third, message.notice), (3, Some(Uuid::from_u128(3))));
    }

    #[test]
    fn a_terminal_that_comes_back_with_a_smaller_window_gets_no_more_at_once_than_it_takes() {
        let (mut downlinks, now) = (resumed(4), Instant::now());
        (1..=4).for_each(|notice| downlinks.wait(downlink(notice)));
        assert_eq!(all(&mut downlinks).len(), 4);
        downlinks.pause(now);
        downlinks.resume(1, now);
        downlinks.wait(downlink(5));
        // One is answered late, and is not sent again.
        downlinks.answer(3).unwrap();
        for pid in [1, 2, 4] {
            assert_eq!(all(&mut downlinks), [(pid, Some(Uuid::from_u128(pid.into())), Dup::Again)]);
            downlinks.answer(pid).unwrap();
        }
        assert_eq!(all(&mut downlinks), [(5, Some(Uuid::from_u128(5)), Dup::First)]);
    }

    #[test]
    fn packet_ids_go_round_and_skip_those_in_use_and_zero() {
        let mut downlinks = resumed(16);
        downlinks.wait(downlink(1));
        let (held, ..) = downlinks.next().unwrap();
        for _ in 0..70_000 {
            downlinks.wait(downlink(2));
            let (pid, ..) = downlinks.next().unwrap();
            assert!(pid != 0 && pid != held);
            downlinks.answer(pid).unwrap();
        }
    }

    #[test]
    fn an_answer_to_nothing_is_noticed() {
        assert_eq!(resumed(2).answer(1), None);
    }
}
