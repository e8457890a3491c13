//! Who helps: providers with their contracts and people, and the stations of ambulances.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;
use crate::ground::Point;
use crate::map::{Level, Map, NodeNo};
use crate::names::{Generation, Register};
use crate::people::known_homes;

/// How many providers there are.
pub const PROVIDERS: usize = 40;
/// How many people they have in all.
pub const RESPONDERS: usize = 120;
/// Around the homes of the first eight it is known who is nearest: no other emergency team stands nearer.
const LEFT_ALONE_M: f64 = 900.0;

/// A company that helps every day, or comes when it is urgent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provider {
    /// Name.
    pub name: String,
    /// Telephone.
    pub phone: String,
    /// Where it is.
    pub place: Point,
    /// The place of the tree that it belongs to.
    pub node: NodeNo,
    /// What it does: `meal`, `repair`, `nurse`, `cleaning`, `escort`, `errand`, `emergency`.
    pub categories: Vec<&'static str>,
    /// Below which places it does so.
    pub areas: Vec<NodeNo>,
    /// How good its work is held to be, 5 the best.
    pub grade: i16,
    /// Its people.
    pub responders: Vec<Responder>,
}

/// Somebody who goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Responder {
    /// Name; no two have the same.
    pub name: String,
    /// Telephone.
    pub phone: String,
    /// Where they are when the day begins.
    pub place: Point,
    /// How they get about.
    pub rides: Ride,
    /// `female` or `male`.
    pub sex: &'static str,
    /// What they do of what their company does; nothing: all of it.
    pub skills: Vec<&'static str>,
    /// What they speak beside Mandarin.
    pub languages: Vec<&'static str>,
}

/// How somebody gets about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ride {
    /// On foot.
    Feet,
    /// By bicycle.
    Bicycle,
    /// By electric scooter.
    #[default]
    Scooter,
    /// By car.
    Car,
}

impl Ride {
    /// In a city, with its crossings.
    pub const fn speed_kmh(self) -> f64 {
        match self {
            Self::Feet => 5.0,
            Self::Bicycle => 13.0,
            Self::Scooter => 25.0,
            Self::Car => 30.0,
        }
    }
}

/// Where ambulances stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Station {
    /// Name.
    pub name: String,
    /// The place of the tree that it lies in.
    pub node: NodeNo,
    /// Where.
    pub place: Point,
}

/// Name, telephone, and its people: name, sex, and where they are.
type Known = (&'static str, &'static str, [(&'static str, &'static str, f64, f64); 4]);

/// The companies of the stories that are told about this district; they go everywhere in it.
const KNOWN: [Known; 3] = [
    (
        "康乐居家养老服务中心",
        "0731-80001001",
        [
            ("李卫", "male", 28.2196, 112.9878),
            ("张兰", "female", 28.2221, 112.9842),
            ("罗勇", "male", 28.2173, 112.9921),
            ("邓倩", "female", 28.2248, 112.9903),
        ],
    ),
    (
        "福寿家政",
        "0731-80001002",
        [
            ("肖刚", "male", 28.2343, 112.9832),
            ("曾莉", "female", 28.2312, 112.9797),
            ("蒋波", "male", 28.2367, 112.9870),
            ("袁静", "female", 28.2285, 112.9781),
        ],
    ),
    (
        "鹭洲社区卫生服务站",
        "0731-80001003",
        [
            ("戴医生", "male", 28.2410, 113.0002),
            ("龙护士", "female", 28.2429, 112.9990),
            ("石敏", "female", 28.2391, 112.9961),
            ("余斌", "male", 28.2448, 113.0031),
        ],
    ),
];

/// What a kind of company is called and does, how many there are, and how far one of them reaches.
type Kind = (&'static str, &'static [&'static str], usize, Reach);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Street,
    Communities,
}

const KINDS: [Kind; 8] = [
    ("长者食堂", &["meal"], 6, Reach::Communities),
    ("送餐站", &["meal", "errand"], 4, Reach::Street),
    ("便民维修", &["repair"], 6, Reach::Street),
    ("护理站", &["nurse", "escort"], 6, Reach::Street),
    ("家政服务部", &["cleaning"], 6, Reach::Communities),
    ("陪诊服务社", &["escort", "errand"], 3, Reach::Street),
    ("应急救援队", &["emergency"], 4, Reach::Street),
    ("药房", &["errand", "nurse"], 2, Reach::Communities),
];
const BRANDS: [&str; 37] = [
    "邻里",
    "百姓",
    "暖心",
    "晚晴",
    "夕照",
    "贴心",
    "万家",
    "长青",
    "和美",
    "好帮手",
    "一家亲",
    "银龄",
    "松鹤",
    "康宁",
    "仁爱",
    "惠民",
    "快到",
    "安居",
    "巧手",
    "顺达",
    "诚信",
    "温馨",
    "阳光",
    "蓝天",
    "守望",
    "平安",
    "先锋",
    "益民",
    "普济",
    "同福",
    "佳佳",
    "乐享",
    "春风",
    "常青藤",
    "小蜜蜂",
    "老伙伴",
    "好邻居",
];

pub(crate) fn settle(dice: &mut Dice, map: &Map) -> Vec<Provider> {
    let mut register = Register::with(KNOWN.iter().flat_map(|known| known.2.map(|who| who.0)));
    let mut providers: Vec<Provider> = KNOWN.iter().map(|known| know(dice, known)).collect();
    let kinds: Vec<&Kind> = KINDS.iter().flat_map(|kind| std::iter::repeat_n(kind, kind.2)).collect();
    let mut brands = BRANDS;
    dice.shuffle(&mut brands);
    let mut streets: Vec<NodeNo> = map.on(Level::Street).collect();
    dice.shuffle(&mut streets);
    let crews = crews(dice, kinds.len(), RESPONDERS - KNOWN.iter().map(|known| known.2.len()).sum::<usize>());
    for (((kind, brand), street), crew) in kinds.into_iter().zip(brands).zip(streets.into_iter().cycle()).zip(crews) {
        let number = providers.len() + 1;
        providers.push(invent(dice, map, &mut register, kind, brand, street, (number, crew)));
    }
    let numbers = providers.iter_mut().flat_map(|provider| &mut provider.responders).zip(1..);
    for (responder, number) in numbers {
        responder.phone = format!("139{number:08}");
    }
    providers
}

/// How many people each company has: two to four, so many in all.
fn crews(dice: &mut Dice, companies: usize, people: usize) -> Vec<usize> {
    let mut crews = vec![2; companies];
    while crews.iter().sum::<usize>() < people {
        let crew = &mut crews[dice.index(companies)];
        *crew = (*crew + 1).min(4);
    }
    crews
}

fn know(dice: &mut Dice, (name, phone, people): &Known) -> Provider {
    let responders: Vec<Responder> = people
        .iter()
        .enumerate()
        .map(|(index, (name, sex, lat, lon))| Responder {
            name: (*name).into(),
            phone: String::new(),
            place: Point { lat: *lat, lon: *lon },
            rides: dice.pick(&[Ride::Scooter, Ride::Scooter, Ride::Car]),
            sex,
            skills: Vec::new(),
            languages: languages(index),
        })
        .collect();
    Provider {
        name: (*name).into(),
        phone: (*phone).into(),
        place: responders[0].place,
        node: 0,
        categories: vec!["emergency", "meal", "repair"],
        areas: vec![0],
        grade: 4,
        responders,
    }
}

fn invent(
    dice: &mut Dice,
    map: &Map,
    register: &mut Register,
    (kind, categories, _, reach): &Kind,
    brand: &str,
    street: NodeNo,
    (number, crew): (usize, usize),
) -> Provider {
    let is_emergency = categories.contains(&"emergency");
    let place = loop {
        let place = map.corner_in(dice, street);
        let is_left_alone = known_homes().iter().all(|home| home.distance_m(place) > LEFT_ALONE_M);
        if is_left_alone || !is_emergency {
            break place;
        }
    };
    let areas = match reach {
        Reach::Street => vec![street],
        Reach::Communities => {
            let mut communities: Vec<NodeNo> = map.below(street, Level::Community).collect();
            dice.shuffle(&mut communities);
            communities.truncate(3);
            communities
        }
    };
    let responders = (0..crew)
        .map(|index| {
            let sex = if dice.chance(45) { "female" } else { "male" };
            let spread_m = 130.0;
            Responder {
                name: register.name(dice, None, sex, Generation::Young),
                phone: String::new(),
                place: place.moved(dice.within(-spread_m, spread_m), dice.within(-spread_m, spread_m)).rounded(),
                rides: dice.pick(&[Ride::Feet, Ride::Bicycle, Ride::Scooter, Ride::Scooter, Ride::Car]),
                sex,
                // The second of a crew has learnt one thing only.
                skills: if index == 1 && categories.len() > 1 { vec![categories[0]] } else { Vec::new() },
                languages: languages(index),
            }
        })
        .collect();
    Provider {
        name: format!("{brand}{kind}"),
        phone: format!("0731-8000{:04}", 1000 + number),
        place,
        node: street,
        categories: categories.to_vec(),
        areas,
        grade: [3, 4, 5][number % 3],
        responders,
    }
}

/// The first of each crew is from here.
fn languages(index: usize) -> Vec<&'static str> {
    if index == 0 { vec!["长沙话"] } else { Vec::new() }
}

/// One in each street, near its middle.
pub(crate) fn stations(map: &Map) -> Vec<Station> {
    map.on(Level::Street)
        .map(|node| {
            let middle = map.middle(node);
            let corners = map.below(node, Level::Courtyard).flat_map(|yard| map.nodes[yard].ring.iter().copied());
            let nearest = corners.min_by(|one, other| one.distance_m(middle).total_cmp(&other.distance_m(middle)));
            let street = map.nodes[node].name.trim_end_matches("街道");
            Station { name: format!("{street}急救站"), node, place: nearest.unwrap_or(middle) }
        })
        .collect()
}
