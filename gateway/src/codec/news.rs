//! News for the wearer in words, for dialects that carry text.

use wire::notice::{News, Notice};

/// A short sentence in Chinese: these terminals have small screens and speakers.
pub(crate) fn sentence(notice: &Notice) -> String {
    let drill = if notice.drill { "【演练】" } else { "" };
    let text = match &notice.news {
        News::Received => "已收到您的求助".to_owned(),
        News::Claimed => "坐席已受理您的求助".to_owned(),
        News::Coming { minutes: None, who } => format!("{}正在赶来", plain(who)),
        News::Coming { minutes: Some(minutes), who } => format!("{}正在赶来，约{minutes}分钟", plain(who)),
        News::Arrived { who } => format!("{}已到达", plain(who)),
        News::AllClear => "求助已办结".to_owned(),
    };
    format!("{drill}{text}")
}

/// A name without what could end a frame of a text dialect.
fn plain(who: &str) -> String {
    super::reading::printable(who, 32)
}
