//! Whether somebody is where they should be, judged from receivers that drift, lie, freeze and report late.
//!
//! One fix settles nothing, and five that are wrong in the same way settle no more. So what is judged is not a fix but
//! what explains all of them: a handful of stories ([`Story`]) of what the person does and what the receiver does are
//! kept side by side and weighed by Bayes' rule, each with its place and doubt. People mostly stay, walk at a metre a
//! second, ride a bus, and never jump; a receiver drifts slowly, and now and then shows another place for minutes.
//! The chance of being outside is summed over the stories. `docs/wandering.md` tells it at length, with figures.
//!
//! What it does not know: calendars, silence, what is usual for somebody. It has no opinion on who is told.

mod area;
mod chapter;
mod edges;
mod fix;
mod ground;
mod guess;
mod kept;
mod mind;
mod noise;
mod outline;
mod quick;
mod round;
mod seen;
mod standing;
#[cfg(test)]
mod tests;
mod turn;
mod watch;
mod wearer;
mod window;

pub use self::area::Area;
pub use self::fix::Fix;
pub use self::ground::{Ground, Spot};
pub use self::guess::Story;
pub use self::outline::{BadArea, CORNERS_MAX, Line, Mend, Mended, mended};
pub use self::round::see_all;
pub use self::standing::{Kind, Standing, Zone};
pub use self::turn::{Evidence, Turn};
pub use self::watch::{Change, Heading, Noticed, Step, is_away};
pub use self::wearer::Wearer;
pub use self::window::LATE_MAX;
