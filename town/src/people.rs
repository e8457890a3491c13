//! Who is to be helped: where they live, who they are, who is told about them, and how their days go.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;
use crate::ground::Point;
use crate::map::{Level, Map, NodeNo, SpotKind};
use crate::names::{Generation, Register};

/// How many wear a terminal, as in the first service of this kind.
pub const RESIDENTS: usize = 277;
/// The year in which everybody has the age that they were given.
const YEAR: i16 = 2026;
/// How many in a hundred are registered in another community than they live in.
const REGISTERED_ELSEWHERE: u32 = 8;
/// What a fence leaves between somebody's ordinary ways and its line: a receiver's everyday error.
const FENCE_MARGIN_M: f64 = 180.0;

/// Why somebody is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Category {
    /// Lives alone, without family.
    #[serde(rename = "孤寡")]
    Alone,
    /// The children have moved away.
    #[serde(rename = "空巢")]
    EmptyNest,
    /// Disabled.
    #[serde(rename = "残疾")]
    Disabled,
    /// Mentally handicapped.
    #[serde(rename = "智障")]
    Handicapped,
    /// A veteran, or of a fallen one's family.
    #[serde(rename = "优抚")]
    Veteran,
    /// A child.
    #[serde(rename = "儿童")]
    Child,
}

impl Category {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alone => "孤寡",
            Self::EmptyNest => "空巢",
            Self::Disabled => "残疾",
            Self::Handicapped => "智障",
            Self::Veteran => "优抚",
            Self::Child => "儿童",
        }
    }

    const fn ages(self) -> (u32, u32) {
        match self {
            Self::Alone => (66, 96),
            Self::EmptyNest => (62, 92),
            Self::Disabled => (28, 84),
            Self::Handicapped => (8, 52),
            Self::Veteran => (70, 97),
            Self::Child => (7, 12),
        }
    }
}

/// How many there are of each, the first eight included.
const CATEGORIES: [(Category, usize); 6] = [
    (Category::EmptyNest, 112),
    (Category::Alone, 48),
    (Category::Disabled, 37),
    (Category::Child, 36),
    (Category::Handicapped, 22),
    (Category::Veteran, 22),
];

/// How somebody's days go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Habit {
    /// Stays at home.
    #[default]
    AtHome,
    /// Goes out in the morning, rests at noon, often goes out again.
    Out,
    /// Goes to school.
    Pupil,
    /// Is brought to the community's centre and back.
    Accompanied,
}

/// Somewhere that somebody goes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Haunt {
    /// What it is: `market`, `park`, `centre`, `school`.
    pub kind: String,
    /// How they get there: from home along the streets; it is at the end.
    pub way: Vec<Point>,
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// Name.
    pub name: String,
    /// What they are to the resident.
    pub relation: String,
    /// Telephone.
    pub phone: String,
    /// E-mail, at a name that is nobody's (RFC 2606).
    pub email: String,
}

/// Where somebody should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fence {
    /// What it is called.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
}

/// The shape of a fence.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Everything so near to a point.
    Circle {
        /// The point.
        middle: Point,
        /// How near.
        radius_m: f64,
    },
    /// Everything inside a ring, counter-clockwise, its first corner not repeated.
    Polygon {
        /// The ring.
        ring: Vec<Point>,
    },
}

/// Somebody who is to be helped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resident {
    /// Name.
    pub name: String,
    /// `female` or `male`.
    pub sex: &'static str,
    /// Year of birth.
    pub born_in: i16,
    /// Why they are looked after.
    pub category: Category,
    /// Telephone.
    pub phone: String,
    /// Where they live, in words.
    pub address: String,
    /// How to get in.
    pub door_access: String,
    /// Where they live.
    pub home: Point,
    /// The courtyard that they live in.
    pub courtyard: NodeNo,
    /// The community that they are registered in.
    pub registered: NodeNo,
    /// Illnesses, medicines, allergies.
    pub medical_card: String,
    /// Who is told, nearest first.
    pub contacts: Vec<Contact>,
    /// Where they should be; empty where nobody has drawn one.
    pub fences: Vec<Fence>,
    /// How their days go.
    pub habit: Habit,
    /// Where they go.
    pub haunts: Vec<Haunt>,
}

/// Name, sex, born in, category, door of the house, how to get in, home, medical card, contacts, habit.
type Known = (
    &'static str,
    &'static str,
    i16,
    Category,
    &'static str,
    &'static str,
    (f64, f64),
    &'static str,
    [(&'static str, &'static str); 2],
    Habit,
);

/// The people of the stories that are told about this district.
const KNOWN: [Known; 8] = [
    (
        "陈秀英",
        "female",
        1941,
        Category::Disabled,
        "3 栋 102",
        "钥匙在 101 刘家",
        (28.2182, 112.9867),
        "双下肢瘫痪；高血压，每日服氨氯地平；青霉素过敏",
        [("陈明", "儿子"), ("刘玉梅", "邻居")],
        Habit::AtHome,
    ),
    (
        "王建国",
        "male",
        1938,
        Category::EmptyNest,
        "7 栋 501",
        "门禁 2580",
        (28.2204, 112.9891),
        "冠心病，放过支架；服阿司匹林",
        [("王芳", "女儿"), ("赵勇", "楼长")],
        Habit::Out,
    ),
    (
        "刘玉兰",
        "female",
        1945,
        Category::Alone,
        "12 栋 203",
        "密码锁 1357",
        (28.2351, 112.9823),
        "二型糖尿病，用胰岛素",
        [("刘建军", "侄子"), ("孙姨", "邻居")],
        Habit::Out,
    ),
    (
        "周德明",
        "male",
        1950,
        Category::EmptyNest,
        "5 栋 1102",
        "物业有钥匙",
        (28.2338, 112.9851),
        "帕金森病，易跌倒",
        [("周丽", "女儿"), ("吴涛", "邻居")],
        Habit::Out,
    ),
    (
        "黄桂花",
        "female",
        1936,
        Category::Alone,
        "2 栋 101",
        "钥匙盒 4 号",
        (28.2271, 112.9795),
        "高龄，骨质疏松；听力差，请大声",
        [("黄志强", "侄孙"), ("何大姐", "邻居")],
        Habit::AtHome,
    ),
    (
        "唐小满",
        "male",
        2016,
        Category::Handicapped,
        "9 栋 402",
        "父亲 8 时至 18 时不在家",
        (28.2296, 112.9762),
        "自闭症；怕强光和警笛",
        [("唐军", "父亲"), ("李霞", "母亲")],
        Habit::Accompanied,
    ),
    (
        "谢长林",
        "male",
        1932,
        Category::Veteran,
        "1 栋 301",
        "门禁 9090",
        (28.2402, 113.0013),
        "右眼失明；心房颤动，服华法林",
        [("谢敏", "孙女"), ("彭师傅", "邻居")],
        Habit::Out,
    ),
    (
        "郭淑贞",
        "female",
        1943,
        Category::EmptyNest,
        "6 栋 704",
        "密码锁 2468",
        (28.2437, 112.9978),
        "慢性阻塞性肺病，家中有氧气机",
        [("郭伟", "儿子"), ("陆阿姨", "邻居")],
        Habit::Out,
    ),
];

/// The homes of the first eight, for whom it is known who is nearest.
pub(crate) fn known_homes() -> [Point; 8] {
    KNOWN.map(|known| Point { lat: known.6.0, lon: known.6.1 })
}

const ILLS_OF_AGE: [&str; 14] = [
    "高血压，每日服氨氯地平",
    "冠心病；服阿司匹林和他汀",
    "二型糖尿病，口服二甲双胍",
    "脑梗后遗症，左侧行动不便",
    "阿尔茨海默病早期，会忘记回家的路",
    "骨质疏松，去年髋部骨折",
    "慢性支气管炎，冬天易发",
    "白内障术后；磺胺过敏",
    "类风湿关节炎，起身困难",
    "心房颤动，服华法林，出血要当心",
    "慢性肾病，少盐",
    "听力下降，戴助听器",
    "前列腺增生；头孢过敏",
    "轻度抑郁，服舍曲林",
];
const ILLS_OF_THE_DISABLED: [&str; 6] = [
    "脊髓损伤，坐轮椅",
    "双目失明，有导盲杖",
    "聋哑，请用手机打字",
    "小儿麻痹后遗症，右腿支具",
    "下肢截肢，假肢",
    "脑瘫，言语不清，神志清楚",
];
const ILLS_OF_THE_HANDICAPPED: [&str; 4] = [
    "智力发育迟缓，不会过马路",
    "唐氏综合征；先天性心脏病术后",
    "自闭症，不爱说话，喜欢往有水的地方走",
    "癫痫，服丙戊酸钠",
];
const ILLS_OF_CHILDREN: [&str; 4] = ["体健", "哮喘，书包里有沙丁胺醇", "花生过敏", "体健；近视"];
const DOORS: [&str; 8] = [
    "门禁 {}",
    "密码锁 {}",
    "楼下按 {} 呼叫物业",
    "钥匙盒密码 {}",
    "钥匙在对门",
    "钥匙在社区服务站",
    "物业有钥匙",
    "敲门要响，走到门口需要两分钟",
];

pub(crate) fn settle(dice: &mut Dice, map: &Map) -> Vec<Resident> {
    let mut register = Register::with(KNOWN.map(|known| known.0));
    let mut numbers = 101..;
    let mut residents: Vec<Resident> = KNOWN.iter().map(|known| know(dice, map, known, &mut numbers)).collect();
    let mut others: Vec<Category> = CATEGORIES
        .iter()
        .flat_map(|(category, count)| {
            let known = KNOWN.iter().filter(|known| known.3 == *category).count();
            std::iter::repeat_n(*category, count - known)
        })
        .collect();
    dice.shuffle(&mut others);
    // Everybody has neighbours: the courtyards fill in turn, and then some of them again.
    let mut yards: Vec<NodeNo> = map.on(Level::Courtyard).collect();
    dice.shuffle(&mut yards);
    for (category, courtyard) in others.into_iter().zip(yards.into_iter().cycle()) {
        residents.push(invent(dice, map, &mut register, category, courtyard, &mut numbers));
    }
    for (number, resident) in (1..).zip(&mut residents) {
        resident.phone = format!("0731-8000{number:04}");
        if dice.chance(REGISTERED_ELSEWHERE) {
            let own = resident.registered;
            let others: Vec<NodeNo> = map.on(Level::Community).filter(|community| *community != own).collect();
            resident.registered = dice.pick(&others);
        }
        // The stories about the first eight are about something else.
        if number > KNOWN.len() {
            resident.fences = fences(dice, map, resident);
        }
    }
    residents
}

fn know(dice: &mut Dice, map: &Map, known: &Known, numbers: &mut impl Iterator<Item = u32>) -> Resident {
    let (name, sex, born_in, category, door, door_access, (lat, lon), medical_card, contacts, habit) = *known;
    let home = Point { lat, lon };
    let courtyard = map.courtyard_at(home).unwrap_or_else(|| unreachable!("{name} lives in this district"));
    let contacts = contacts.iter().map(|(name, relation)| contact(*name, relation, numbers)).collect();
    let haunts = haunts(dice, map, home, courtyard, habit);
    Resident {
        name: name.into(),
        sex,
        born_in,
        category,
        phone: String::new(),
        address: address(map, courtyard, door),
        door_access: door_access.into(),
        home,
        courtyard,
        registered: map.above(courtyard, Level::Community),
        medical_card: medical_card.into(),
        contacts,
        fences: Vec::new(),
        habit,
        haunts,
    }
}

fn invent(
    dice: &mut Dice,
    map: &Map,
    register: &mut Register,
    category: Category,
    courtyard: NodeNo,
    numbers: &mut impl Iterator<Item = u32>,
) -> Resident {
    let (youngest, oldest) = category.ages();
    let age = dice.between(youngest, oldest);
    let generation = if age >= 56 { Generation::Old } else { Generation::Young };
    let sex = if dice.chance(54) { "female" } else { "male" };
    let name = register.name(dice, None, sex, generation);
    let home = map.point_in(dice, courtyard);
    let habit = match category {
        Category::Child => Habit::Pupil,
        Category::Handicapped => Habit::Accompanied,
        Category::Disabled if dice.chance(55) => Habit::AtHome,
        _ if age > 88 || dice.chance(12) => Habit::AtHome,
        _ => Habit::Out,
    };
    let haunts = haunts(dice, map, home, courtyard, habit);
    let storey = dice.between(1, 18);
    let door = format!("{} 栋 {storey}0{}", dice.between(1, 16), dice.between(1, 4));
    let door_access = dice.pick(&DOORS).replace("{}", &format!("{:04}", dice.between(0, 9999)));
    let ill: &[&str] = match category {
        Category::Disabled => &ILLS_OF_THE_DISABLED,
        Category::Handicapped => &ILLS_OF_THE_HANDICAPPED,
        Category::Child => &ILLS_OF_CHILDREN,
        Category::Alone | Category::EmptyNest | Category::Veteran => &ILLS_OF_AGE,
    };
    let mut medical_card = dice.pick(ill).to_owned();
    if age >= 70 && dice.chance(50) {
        let more = dice.pick(&ILLS_OF_AGE);
        if !medical_card.contains(more) {
            medical_card = format!("{medical_card}；{more}");
        }
    }
    let contacts = kin(dice, &name, category, numbers);
    Resident {
        name,
        sex,
        born_in: YEAR - i16::try_from(age).unwrap_or_default(),
        category,
        phone: String::new(),
        address: address(map, courtyard, &door),
        door_access,
        home,
        courtyard,
        registered: map.above(courtyard, Level::Community),
        medical_card,
        contacts,
        fences: Vec::new(),
        habit,
        haunts,
    }
}

fn address(map: &Map, courtyard: NodeNo, door: &str) -> String {
    let name = |level| map.nodes[map.above(courtyard, level)].name.as_str();
    format!("{} {} {} {door}", name(Level::Street), name(Level::Community), name(Level::Courtyard))
}

fn contact(name: impl Into<String>, relation: &str, numbers: &mut impl Iterator<Item = u32>) -> Contact {
    let number = numbers.next().unwrap_or_default();
    Contact {
        name: name.into(),
        relation: relation.into(),
        phone: format!("138{number:08}"),
        email: format!("contact{number:04}@family.example"),
    }
}

/// One to three who are told: parents of the young, children of the old, neighbours of those who have
/// nobody.
fn kin(dice: &mut Dice, name: &str, category: Category, numbers: &mut impl Iterator<Item = u32>) -> Vec<Contact> {
    let family: &[(&str, &str)] = match category {
        Category::Child | Category::Handicapped => &[("父亲", "male"), ("母亲", "female"), ("姑姑", "female")],
        Category::Alone => &[("邻居", "female"), ("侄子", "male"), ("楼长", "male")],
        Category::EmptyNest => &[("女儿", "female"), ("儿子", "male"), ("邻居", "female")],
        Category::Disabled => &[("配偶", "female"), ("哥哥", "male"), ("邻居", "male")],
        Category::Veteran => &[("孙女", "female"), ("儿子", "male"), ("战友", "male")],
    };
    let count = match category {
        Category::Child | Category::Handicapped => dice.between(2, 3),
        _ => dice.between(1, 3),
    };
    // They may have anybody's name: only who is looked after is told apart by it.
    let mut register = Register::default();
    let surname = name.chars().next().map(String::from);
    let kin = family.iter().take(usize::try_from(count).unwrap_or(1));
    kin.map(|(relation, sex)| {
        let shares_name = !["邻居", "楼长", "战友", "母亲", "配偶"].contains(relation);
        let surname = surname.as_deref().filter(|_| shares_name);
        let name = register.name(dice, surname, sex, Generation::Young);
        contact(name, relation, numbers)
    })
    .collect()
}

/// Where somebody of this habit goes.
fn haunts(dice: &mut Dice, map: &Map, home: Point, courtyard: NodeNo, habit: Habit) -> Vec<Haunt> {
    let ways = map.ways(home, courtyard);
    let wanted: &[SpotKind] = match habit {
        Habit::AtHome => &[],
        Habit::Out => &[SpotKind::Market, SpotKind::Park, SpotKind::Centre],
        Habit::Pupil => &[SpotKind::School],
        Habit::Accompanied => &[SpotKind::Centre],
    };
    let mut haunts: Vec<Haunt> = ways
        .into_iter()
        .filter(|(kind, _)| wanted.contains(kind))
        .map(|(kind, way)| Haunt { kind: kind.as_str().to_owned(), way })
        .collect();
    dice.shuffle(&mut haunts);
    haunts
}

impl SpotKind {
    /// Its spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Park => "park",
            Self::Centre => "centre",
            Self::School => "school",
        }
    }
}

/// Around a home, wide enough for somebody's ordinary ways; around a community for who must not leave it.
fn fences(dice: &mut Dice, map: &Map, resident: &Resident) -> Vec<Fence> {
    match resident.category {
        Category::Child | Category::Handicapped => {
            let community = map.above(resident.courtyard, Level::Community);
            let mut corners = map.nodes[community].ring.clone();
            corners.extend(resident.haunts.iter().flat_map(|haunt| &haunt.way));
            let name = map.nodes[community].name.clone();
            vec![Fence { name, shape: Shape::Polygon { ring: around(&corners, FENCE_MARGIN_M) } }]
        }
        Category::Disabled if resident.habit == Habit::AtHome => Vec::new(),
        _ if dice.chance(62) => {
            let farthest_m = resident
                .haunts
                .iter()
                .flat_map(|haunt| &haunt.way)
                .map(|corner| corner.distance_m(resident.home))
                .fold(0.0, f64::max);
            let radius_m = ((farthest_m + FENCE_MARGIN_M) / 50.0).ceil() * 50.0;
            let shape = Shape::Circle { middle: resident.home, radius_m: radius_m.max(300.0) };
            vec![Fence { name: "家附近".into(), shape }]
        }
        _ => Vec::new(),
    }
}

/// A ring around points that leaves so much between itself and each of them: the hull of the corners of
/// squares around them, counter-clockwise (Andrew's monotone chain).
fn around(points: &[Point], margin_m: f64) -> Vec<Point> {
    let mut corners: Vec<Point> = points
        .iter()
        .flat_map(|point| {
            [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
                .map(|(east, north)| point.moved(east * margin_m, north * margin_m).rounded())
        })
        .collect();
    corners.sort_by(|one, other| one.lon.total_cmp(&other.lon).then(one.lat.total_cmp(&other.lat)));
    corners.dedup();
    let half = |corners: &mut dyn Iterator<Item = Point>| {
        let mut hull: Vec<Point> = Vec::new();
        for point in corners {
            while let [.., one, other] = hull[..]
                && (other.lon - one.lon) * (point.lat - one.lat) <= (other.lat - one.lat) * (point.lon - one.lon)
            {
                hull.pop();
            }
            hull.push(point);
        }
        hull.pop();
        hull
    };
    let mut ring = half(&mut corners.iter().copied());
    ring.extend(half(&mut corners.iter().rev().copied()));
    ring
}
