//! How maps are drawn on the consoles: over nothing, or over somebody's tiles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Settings of the maps. The default asks nobody for anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MapConfig {
    /// What lies under our own layers.
    pub tiles: Option<Tiles>,
    /// Where a map begins that has no areas to show: longitude and latitude.
    #[schemars(example = [112.97, 28.23])]
    pub center: Option<[f64; 2]>,
}

/// A server of map pictures, which the consoles' browsers ask directly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tiles {
    /// Where they are, with `{z}`, `{x}` and `{y}`.
    #[schemars(with = "String", example = "https://tiles.example/{z}/{x}/{y}.png")]
    #[schema(value_type = String)]
    pub url: TileUrl,
    /// Whom to thank for them, in words.
    #[schemars(example = "© somebody")]
    pub attribution: String,
    /// In which datum they are drawn.
    #[serde(default)]
    pub datum: Datum,
    /// The finest zoom that there are pictures for.
    #[serde(default = "max_zoom")]
    pub max_zoom: u8,
}

const fn max_zoom() -> u8 {
    18
}

/// What a map's coordinates refer to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Datum {
    /// As satellites have it: OpenStreetMap; Tianditu within a metre.
    #[default]
    Wgs84,
    /// As the law has it in mainland China: AMap, Tencent.
    Gcj02,
    /// Baidu's own.
    Bd09,
}

/// The address of tiles: absolute, http or https, and with a place for zoom, column and row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TileUrl {
    text: String,
    origin: String,
}

/// Why it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTileUrl {
    /// Not absolute, or of a strange kind.
    #[error("the address of the tiles must begin with https:// or http:// and a host")]
    NotAbsolute,
    /// Every tile would be the same.
    #[error("the address of the tiles must hold {{z}}, {{x}} and {{y}}")]
    NoPlaceholders,
    /// The page's policy names the host, so it must be one.
    #[error("the host of the tiles must be one plain name, without placeholders")]
    BadHost,
}

impl TileUrl {
    /// Scheme, host and port: what the page's policy must let through.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl TryFrom<String> for TileUrl {
    type Error = BadTileUrl;

    fn try_from(text: String) -> Result<Self, BadTileUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadTileUrl::NotAbsolute)?;
        if !matches!(scheme, "https" | "http") {
            return Err(BadTileUrl::NotAbsolute);
        }
        if !["{z}", "{x}", "{y}"].iter().all(|placeholder| text.contains(placeholder)) {
            return Err(BadTileUrl::NoPlaceholders);
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // It stands in a header: nothing but a host, and a port.
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)) {
            return Err(BadTileUrl::BadHost);
        }
        let origin = format!("{scheme}://{host}");
        Ok(Self { text, origin })
    }
}

impl From<TileUrl> for String {
    fn from(url: TileUrl) -> Self {
        url.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TileUrl, BadTileUrl> {
        text.to_owned().try_into()
    }

    #[test]
    fn an_address_of_tiles_tells_its_origin() {
        let url = read("https://tiles.example:8443/t/{z}/{x}/{y}.png?key=1").unwrap();
        assert_eq!(url.origin(), "https://tiles.example:8443");
        assert_eq!(String::from(url), "https://tiles.example:8443/t/{z}/{x}/{y}.png?key=1");
    }

    #[test]
    fn what_cannot_be_one_is_refused() {
        assert_eq!(read("tiles/{z}/{x}/{y}"), Err(BadTileUrl::NotAbsolute));
        assert_eq!(read("ftp://a/{z}/{x}/{y}"), Err(BadTileUrl::NotAbsolute));
        assert_eq!(read("https://a/{z}/{x}.png"), Err(BadTileUrl::NoPlaceholders));
        assert_eq!(read("https://{z}.a/{z}/{x}/{y}"), Err(BadTileUrl::BadHost));
        assert_eq!(read("https://a; script-src */{z}/{x}/{y}"), Err(BadTileUrl::BadHost));
    }
}
