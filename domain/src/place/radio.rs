//! Which radio stations say where they are: the identities that stand for nothing, and the access points that walk about.

/// Whether a cell can be looked up: its area and identity are numbers that a network gives.
///
/// Receivers write zeros or all ones when they do not know.
pub const fn is_cell(mcc: u16, lac: u32, cid: u64) -> bool {
    let no_lac = matches!(lac, 0 | 0xFFFE | 0xFFFF | 0x7FFF_FFFF | 0xFFFF_FFFF);
    let no_cid = matches!(cid, 0 | 0xFFFF | 0x0FFF_FFFF | 0x7FFF_FFFF | 0xFFFF_FFFF | u64::MAX);
    mcc >= 200 && mcc < 1000 && !no_lac && !no_cid
}

/// Whether an access point stands still: its address is a maker's. A locally administered one is mostly a telephone's
/// hotspot, a group address nobody's, and of zeros alone a placeholder.
pub const fn is_standing(mac: [u8; 6]) -> bool {
    let [first, ..] = mac;
    let is_local = first & 0b10 != 0;
    let is_group = first & 0b01 != 0;
    !is_local && !is_group && !matches!(mac, [0, 0, 0, 0, 0, 0])
}

/// Whether a signal was measured: zero dBm stands at the antenna itself.
pub const fn is_measured(rssi_dbm: Option<i16>) -> bool {
    !matches!(rssi_dbm, Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_nothing_is_no_cell() {
        assert!(is_cell(460, 0x1a2b, 0x3c40) && is_cell(460, 0x1a2b, 0x0f_00ff));
        for (mcc, lac, cid) in [
            (460, 0, 1),
            (460, 0xFFFF, 1),
            (460, 0xFFFE, 1),
            (460, 7, 0),
            (460, 7, 0xFFFF),
            (460, 7, 2_147_483_647),
            (0, 7, 9),
        ] {
            assert!(!is_cell(mcc, lac, cid), "{mcc} {lac} {cid}");
        }
    }

    #[test]
    fn hotspots_and_placeholders_say_nothing_about_a_place() {
        assert!(is_standing([0xd0, 0x76, 0xe7, 0, 0, 0x14]));
        for mac in [[0; 6], [0x02, 0, 0, 0, 0, 1], [0xda, 0x76, 0xe7, 0, 0, 1], [0xff; 6], [0x01, 0, 0x5e, 0, 0, 1]] {
            assert!(!is_standing(mac), "{mac:x?}");
        }
        assert!(is_measured(Some(-54)) && is_measured(None) && !is_measured(Some(0)));
    }
}
