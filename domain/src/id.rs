//! One newtype for each kind of identity, so that no two can be confused.

use uuid::Uuid;

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// A person who wears a terminal or is registered for help (服务对象).
    ResidentId,
    /// One case: every press of one subject in one class, until it is closed (事件).
    IncidentId,
    /// One question put to one responder about one incident (派单).
    OfferId,
    /// One incident handed to one outside centre: 120, 119 or 110.
    HandoverId,
    /// A person of a contracted provider who goes to residents (服务人员).
    ResponderId,
    /// A company or station that has a contract (服务商).
    ProviderId,
    /// A person who logs in: operator, supervisor, administrator, responder.
    UserId,
    /// An area that a resident should, or should not, be in (围栏).
    FenceId,
    /// One thing that is expected of a wearer and a fence, by the calendar.
    RuleId,
    /// One message of a terminal as it came in; given by the edge that received it.
    ReportId,
    /// One message to a terminal (下行通知).
    NoticeId,
}

/// A terminal. A small integer, because fixes are filed by it a thousand times a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TerminalId(pub i64);

impl std::fmt::Display for TerminalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
