//! What an operator reads out when a centre has to be told by telephone: in the order in which a dispatcher
//! there asks. Where first, because a call may break off.

use domain::incident::Centre;
use domain::word::Word as _;
use serde::Serialize;
use utoipa::ToSchema;
use wire::centre::kind_in_zh;

use crate::store::views::Detail;

/// The same in both languages of the console.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Script {
    /// For whom it is: `120`, `119`, `110`.
    centre: &'static str,
    zh: String,
    en: String,
}

/// What each centre is told that has to be telephoned now; before that, what 120 would be told.
pub(super) fn scripts(detail: &Detail, call_back: &str) -> Vec<Script> {
    let is_due = |centre: &&Centre| {
        detail.summary.handovers.iter().any(|handover| handover.voice_due && handover.centre == centre.as_str())
    };
    let due: Vec<Centre> = Centre::ALL.iter().filter(is_due).copied().collect();
    let centres = if due.is_empty() { vec![Centre::Ambulance] } else { due };
    centres.into_iter().map(|centre| script(detail, centre, call_back)).collect()
}

/// What is known about the person, in the order in which it is read out.
fn script(detail: &Detail, centre: Centre, call_back: &str) -> Script {
    let mut zh = Vec::new();
    let mut en = Vec::new();
    if detail.summary.drill {
        zh.push("【演练，请勿出动】".to_owned());
        en.push("THIS IS A DRILL, SEND NOBODY.".to_owned());
    }
    let (wanted_zh, wanted_en) = match centre {
        Centre::Ambulance => ("请求急救", "an ambulance"),
        Centre::Fire => ("请求消防救援", "the fire brigade"),
        Centre::Police => ("请求警察协助", "the police"),
    };
    zh.push(format!("您好，这里是一点通呼叫中心，{wanted_zh}。"));
    en.push(format!("This is the Yidiantong call centre; we need {wanted_en}."));
    if let Some(address) = &detail.address {
        zh.push(format!("地址：{address}。"));
        en.push(format!("Address: {address}."));
    }
    if let Some(home) = &detail.home_address {
        zh.push(format!("不在住处，住址是：{home}。"));
        en.push(format!("Not at home; home is: {home}."));
    }
    if let Some(place) = &detail.place {
        let (lat, lon) = (place.lat, place.lon);
        let accuracy_zh = place.accuracy_m.map_or(String::new(), |metres| format!("，误差约 {metres:.0} 米"));
        let accuracy_en = place.accuracy_m.map_or(String::new(), |metres| format!(", within {metres:.0} m"));
        let age_zh = place.at.map_or(String::new(), |_| format!("，{} 分钟前", place.age_s / 60));
        let age_en = place.at.map_or(String::new(), |_| format!(", {} min ago", place.age_s / 60));
        zh.push(format!("坐标：北纬 {lat:.5}，东经 {lon:.5}{accuracy_zh}{age_zh}。"));
        en.push(format!("Coordinates (WGS-84): latitude {lat:.5}, longitude {lon:.5}{accuracy_en}{age_en}."));
    }
    if let Some(name) = &detail.summary.subject.name {
        let (sex_zh, sex_en) = match detail.sex.as_deref() {
            Some("female") => ("，女", ", female"),
            Some("male") => ("，男", ", male"),
            _ => ("", ""),
        };
        let born_zh = detail.born_in.map_or(String::new(), |year| format!("，{year} 年生"));
        let born_en = detail.born_in.map_or(String::new(), |year| format!(", born {year}"));
        zh.push(format!("求助人：{name}{sex_zh}{born_zh}。"));
        en.push(format!("Person: {name}{sex_en}{born_en}."));
    }
    let kinds = &detail.summary.kinds;
    if !kinds.is_empty() {
        let kinds_zh: Vec<&str> = kinds.iter().map(|kind| kind_in_zh(kind)).collect();
        let kinds_en: Vec<String> = kinds.iter().map(|kind| kind.replace('_', " ")).collect();
        zh.push(format!("情况：{}。", kinds_zh.join("、")));
        en.push(format!("Raised by: {}.", kinds_en.join(", ")));
    }
    if let Some(card) = &detail.medical_card {
        zh.push(format!("病史：{card}。"));
        en.push(format!("Medical: {card}."));
    }
    if let Some(door_access) = &detail.door_access {
        zh.push(format!("进门方式：{door_access}。"));
        en.push(format!("Getting in: {door_access}."));
    }
    if let Some(phone) = &detail.phone {
        zh.push(format!("现场电话：{phone}。"));
        en.push(format!("Telephone there: {phone}."));
    }
    zh.push(format!("请回拨：{call_back}。"));
    en.push(format!("Call us back: {call_back}."));
    Script { centre: centre.as_str(), zh: zh.concat(), en: en.join(" ") }
}
