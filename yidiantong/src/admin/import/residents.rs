//! A list of residents: what its columns mean, who of them is there already, and what is new. Pure.
//!
//! An empty cell says nothing: what is known stays. A row is about somebody who is there when it names their number
//! (编号); without one, when it names somebody of that name with the same telephone, or at the same place or address
//! and not born in another year. Where two may be meant, none is taken.

use std::collections::HashMap;

use dispatcher::store::roll::{Contact, Resident};
use domain::datum::Datum;
use domain::place::Position;
use uuid::Uuid;

use super::cell::{self, BadCell};
use super::columns::{Columns, Field, SameTwice};
use super::sheet::{Row, Sheet};
use super::{Plan, Problem, Repair};
use crate::admin::node::Tree;

/// A home that lies further from the district than this is a slip, in metres.
const FAR_M: f64 = 200_000.0;
/// How many contacts a row can hold.
const CONTACTS: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Code,
    Name,
    Sex,
    Born,
    Phone,
    Category,
    Address,
    Door,
    Lat,
    Lon,
    Place,
    Datum,
    Node,
    Registered,
    Policy,
    Card,
    Risk,
    ContactName(u8),
    ContactRelation(u8),
    ContactPhone(u8),
    ContactEmail(u8),
    ContactWebhook(u8),
    ContactSecret(u8),
}

const FIELDS: &[Field<Key>] = &[
    (Key::Code, &["编号", "档案号", "人员编号", "服务对象编号", "code", "number", "no", "id"]),
    (Key::Name, &["姓名", "名字", "老人姓名", "服务对象", "name"]),
    (Key::Sex, &["性别", "sex", "gender"]),
    (
        Key::Born,
        &[
            "出生日期",
            "出生年月",
            "出生年份",
            "出生年",
            "出生",
            "生日",
            "born",
            "bornin",
            "birthday",
            "dateofbirth",
            "birthdate",
            "birthyear",
        ],
    ),
    (
        Key::Phone,
        &[
            "电话",
            "联系电话",
            "本人电话",
            "手机",
            "手机号",
            "手机号码",
            "电话号码",
            "固定电话",
            "phone",
            "telephone",
            "mobile",
        ],
    ),
    (Key::Category, &["类别", "人员类别", "人员类型", "类型", "category"]),
    (Key::Address, &["住址", "地址", "家庭住址", "居住地址", "现住址", "详细地址", "address"]),
    (Key::Door, &["门禁", "开门方式", "入户方式", "钥匙", "dooraccess", "door"]),
    (Key::Lat, &["纬度", "lat", "latitude", "latdeg"]),
    (Key::Lon, &["经度", "lon", "lng", "longitude", "londeg"]),
    (Key::Place, &["坐标", "经纬度", "位置", "coordinates", "place"]),
    (Key::Datum, &["坐标系", "坐标系统", "datum", "crs"]),
    (
        Key::Node,
        &[
            "所属",
            "社区",
            "所属社区",
            "服务社区",
            "所在社区",
            "网格",
            "所属网格",
            "所属区域",
            "区域",
            "node",
            "community",
            "area",
        ],
    ),
    (Key::Registered, &["户籍", "户籍地", "户籍社区", "户籍所在", "户籍所在地", "registered", "registerednode"]),
    (Key::Policy, &["120策略", "120", "转120", "handoverpolicy"]),
    (Key::Card, &["病史", "医疗卡", "医疗信息", "健康状况", "疾病", "medicalcard", "medical"]),
    (Key::Risk, &["高危", "医疗高危", "高风险", "medicalrisk", "highrisk", "risk"]),
    (
        Key::ContactName(1),
        &[
            "联系人",
            "联系人1",
            "联系人姓名",
            "联系人1姓名",
            "紧急联系人",
            "紧急联系人姓名",
            "contact",
            "contact1",
            "contactname",
            "contact1name",
        ],
    ),
    (
        Key::ContactRelation(1),
        &["关系", "联系人关系", "联系人1关系", "与本人关系", "contactrelation", "contact1relation", "relation"],
    ),
    (Key::ContactPhone(1), &["联系人电话", "联系人1电话", "紧急联系人电话", "contactphone", "contact1phone"]),
    (
        Key::ContactEmail(1),
        &["联系人1邮箱", "联系人邮箱", "邮箱", "紧急联系人邮箱", "contact1email", "contactemail", "email"],
    ),
    (
        Key::ContactWebhook(1),
        &["联系人1推送地址", "联系人推送地址", "推送地址", "contact1webhook", "contactwebhook", "webhook"],
    ),
    (
        Key::ContactSecret(1),
        &["联系人1推送密钥", "联系人推送密钥", "推送密钥", "contact1secret", "contactsecret", "secret"],
    ),
    (Key::ContactName(2), &["联系人2", "联系人2姓名", "contact2", "contact2name"]),
    (Key::ContactRelation(2), &["联系人2关系", "contact2relation"]),
    (Key::ContactPhone(2), &["联系人2电话", "contact2phone"]),
    (Key::ContactEmail(2), &["联系人2邮箱", "contact2email"]),
    (Key::ContactWebhook(2), &["联系人2推送地址", "contact2webhook"]),
    (Key::ContactSecret(2), &["联系人2推送密钥", "contact2secret"]),
    (Key::ContactName(3), &["联系人3", "联系人3姓名", "contact3", "contact3name"]),
    (Key::ContactRelation(3), &["联系人3关系", "contact3relation"]),
    (Key::ContactPhone(3), &["联系人3电话", "contact3phone"]),
    (Key::ContactEmail(3), &["联系人3邮箱", "contact3email"]),
    (Key::ContactWebhook(3), &["联系人3推送地址", "contact3webhook"]),
    (Key::ContactSecret(3), &["联系人3推送密钥", "contact3secret"]),
];

/// What a list is read against.
pub(super) struct Surroundings<'s> {
    pub(super) tree: &'s Tree,
    /// Where those belong whose row does not say it.
    pub(super) default_node: Option<Uuid>,
    /// In which terms places are said where no column says it.
    pub(super) datum: Datum,
    /// Who is there.
    pub(super) there: &'s [(Uuid, Resident)],
    /// Where the district is, if that is known.
    pub(super) centre: Option<Position>,
    /// The last year in which somebody can have been born.
    pub(super) this_year: i16,
}

/// What a row says. Nothing: it does not say it.
#[derive(Debug, Clone, Default)]
struct Said {
    code: Option<String>,
    name: String,
    sex: Option<String>,
    born_in: Option<i16>,
    phone: Option<String>,
    category: Option<String>,
    address: Option<String>,
    door_access: Option<String>,
    home: Option<Position>,
    node: Option<Uuid>,
    registered: Option<Uuid>,
    policy: Option<String>,
    card: Option<String>,
    risk: Option<bool>,
    contacts: Vec<Contact>,
}

/// The meaning of the headings.
pub(super) fn columns(sheet: &Sheet) -> Result<Columns<Key>, SameTwice> {
    Columns::of(&sheet.headings, FIELDS)
}

/// Plans the whole list. `locate` gives the node that covers a place.
pub(super) fn plan(
    sheet: &Sheet,
    columns: &Columns<Key>,
    around: &Surroundings<'_>,
    locate: impl Fn(Position) -> Option<Uuid>,
) -> Plan<Resident> {
    let mut plan = Plan::default();
    let mut read = Vec::new();
    for row in &sheet.rows {
        let mut reader = Reader { sheet, columns, row, problems: Vec::new(), repairs: Vec::new() };
        let said = reader.read(around);
        plan.repairs.append(&mut reader.repairs);
        if reader.problems.is_empty() {
            read.push((row, said));
        } else {
            plan.problems.append(&mut reader.problems);
        }
    }
    let centre = around.centre.or_else(|| middle(read.iter().filter_map(|(_, said)| said.home)));
    // Who is there, and who will be: a row must not be about somebody that an earlier one is about.
    let mut known = Known::default();
    around.there.iter().for_each(|(id, resident)| known.add(Some(*id), resident.clone()));
    let mut taken: HashMap<usize, u64> = HashMap::new();
    for (row, said) in read {
        let problem = |key: Key, why: String| Problem::new(sheet, row, columns.column(key), why);
        if let (Some(centre), Some(home)) = (centre, said.home)
            && home.distance(centre).0 > FAR_M
        {
            let km = home.distance(centre).0 / 1000.0;
            plan.problems.push(problem(place_key(columns), format!("lies {km:.0} km away from the district")));
            continue;
        }
        let node = said.node.or_else(|| said.home.and_then(&locate)).or(around.default_node);
        let meant = match known.meant(&said, node) {
            Ok(meant) => meant,
            Err(several) => {
                let why = format!("may be {several} people who are there: give each a number in a column 编号");
                plan.problems.push(problem(Key::Name, why));
                continue;
            }
        };
        if let Some(earlier) = meant.and_then(|index| taken.get(&index)) {
            plan.problems.push(problem(Key::Name, format!("is the same person as row {earlier}")));
            continue;
        }
        let before = meant.map(|index| known.all[index].clone());
        let Some(node) = node.or_else(|| before.as_ref().map(|(_, before)| before.serving_node)) else {
            let why = "belongs to no place: fill in the community, or give --node".to_owned();
            plan.problems.push(problem(Key::Node, why));
            continue;
        };
        let after = merged(before.as_ref().map(|(_, before)| before), said, node);
        let index = meant.unwrap_or(known.all.len());
        taken.insert(index, row.line);
        if let Some(code) = &after.code {
            known.by_code.insert(code.clone(), index);
        }
        if before.is_none() {
            if after.address.is_empty() {
                plan.problems.push(problem(Key::Address, BadCell::Missing.to_string()));
                continue;
            }
            known.add(None, after.clone());
        }
        plan.take(row.line, before.as_ref().map(|(id, before)| (*id, before)), after, differences);
    }
    plan.problems.sort_by_key(|problem| problem.row);
    plan
}

fn place_key(columns: &Columns<Key>) -> Key {
    if columns.column(Key::Lat).is_some() { Key::Lat } else { Key::Place }
}

/// The middle one by latitude and by longitude: a few slips do not move it.
fn middle(places: impl Iterator<Item = Position>) -> Option<Position> {
    let (mut lats, mut lons): (Vec<f64>, Vec<f64>) = places.map(|at| (at.lat_deg(), at.lon_deg())).unzip();
    lats.sort_by(f64::total_cmp);
    lons.sort_by(f64::total_cmp);
    Position::new(*lats.get(lats.len() / 2)?, *lons.get(lons.len() / 2)?).ok()
}

/// Everybody who is there or will be, found by number and by name.
#[derive(Debug, Default)]
struct Known {
    all: Vec<(Option<Uuid>, Resident)>,
    by_code: HashMap<String, usize>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Known {
    fn add(&mut self, id: Option<Uuid>, resident: Resident) {
        let index = self.all.len();
        if let Some(code) = &resident.code {
            self.by_code.insert(code.clone(), index);
        }
        self.by_name.entry(resident.name.clone()).or_default().push(index);
        self.all.push((id, resident));
    }

    /// Who of them a row is about; the error is how many it may be about.
    fn meant(&self, said: &Said, node: Option<Uuid>) -> Result<Option<usize>, usize> {
        if let Some(index) = said.code.as_ref().and_then(|code| self.by_code.get(code)) {
            return Ok(Some(*index));
        }
        let same_phone = |other: &Resident| said.phone.is_some() && other.phone == said.phone;
        let same_address = |other: &Resident| said.address.as_ref().is_some_and(|address| *address == other.address);
        let fits = |other: &Resident| {
            let other_code = other.code.is_some() && said.code.is_some();
            let other_birth = matches!((other.born_in, said.born_in), (Some(a), Some(b)) if a != b);
            let near = Some(other.serving_node) == node || same_address(other);
            !other_code && (same_phone(other) || (near && !other_birth))
        };
        let of_this_name = self.by_name.get(&said.name).into_iter().flatten().copied();
        let mut may_be: Vec<usize> = of_this_name.filter(|index| fits(&self.all[*index].1)).collect();
        for closer in [&same_phone as &dyn Fn(&Resident) -> bool, &same_address] {
            if may_be.len() > 1 && may_be.iter().any(|index| closer(&self.all[*index].1)) {
                may_be.retain(|index| closer(&self.all[*index].1));
            }
        }
        match may_be[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(may_be.len()),
        }
    }
}

fn merged(before: Option<&Resident>, said: Said, node: Uuid) -> Resident {
    let mut after = before
        .cloned()
        .unwrap_or_else(|| Resident { registered_node: said.registered.unwrap_or(node), ..Resident::default() });
    after.name = said.name;
    after.serving_node = node;
    after.address = said.address.unwrap_or(after.address);
    after.registered_node = said.registered.unwrap_or(after.registered_node);
    // What was read back from the database differs in the last digits from what was written.
    let moved = |home: &Position| after.home.is_none_or(|was| was.distance(*home).0 > 0.1);
    after.home = said.home.filter(moved).or(after.home);
    for (field, said) in [
        (&mut after.code, said.code),
        (&mut after.sex, said.sex),
        (&mut after.phone, said.phone),
        (&mut after.category, said.category),
        (&mut after.door_access, said.door_access),
        (&mut after.handover_policy, said.policy),
        (&mut after.medical_card, said.card),
    ] {
        if said.is_some() {
            *field = said;
        }
    }
    after.born_in = said.born_in.or(after.born_in);
    after.medical_risk = said.risk.unwrap_or(after.medical_risk);
    for contact in said.contacts {
        match after.contacts.iter_mut().find(|other| other.rank == contact.rank) {
            Some(other) => *other = reached(other, contact),
            None => after.contacts.push(contact),
        }
    }
    after.contacts.sort_by_key(|contact| contact.rank);
    after
}

/// A contact of the list in the place of one who is there: the same person is reached as before where the list does not
/// say otherwise; somebody else is not written to at the other's addresses.
fn reached(before: &Contact, mut said: Contact) -> Contact {
    if before.name != said.name {
        return said;
    }
    if said.webhook_url.is_none() {
        said.webhook_url.clone_from(&before.webhook_url);
    }
    if said.webhook_url == before.webhook_url && said.webhook_secret.is_none() {
        said.webhook_secret.clone_from(&before.webhook_secret);
    }
    Contact { email: said.email.or_else(|| before.email.clone()), ..said }
}

/// What changes, in the words of the list.
fn differences(before: &Resident, after: &Resident) -> Vec<&'static str> {
    let differs = [
        (before.code != after.code, "编号"),
        (before.name != after.name, "姓名"),
        (before.sex != after.sex, "性别"),
        (before.born_in != after.born_in, "出生年份"),
        (before.phone != after.phone, "电话"),
        (before.category != after.category, "类别"),
        (before.address != after.address, "住址"),
        (before.door_access != after.door_access, "开门方式"),
        (before.home != after.home, "坐标"),
        (before.serving_node != after.serving_node, "社区"),
        (before.registered_node != after.registered_node, "户籍社区"),
        (before.handover_policy != after.handover_policy, "120策略"),
        (before.medical_card != after.medical_card, "病史"),
        (before.medical_risk != after.medical_risk, "高危"),
        (before.contacts != after.contacts, "联系人"),
    ];
    differs.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect()
}

/// One row, read cell by cell; every problem is kept, not only the first.
struct Reader<'r> {
    sheet: &'r Sheet,
    columns: &'r Columns<Key>,
    row: &'r Row,
    problems: Vec<Problem>,
    repairs: Vec<Repair>,
}

impl Reader<'_> {
    fn text(&self, key: Key) -> Option<&str> {
        let cell = &self.row.cells[self.columns.column(key)?];
        Some(cell.as_str()).filter(|cell| !cell.is_empty())
    }

    fn owned(&self, key: Key) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    fn problem(&mut self, key: Key, why: impl std::fmt::Display) {
        let problem = Problem::new(self.sheet, self.row, self.columns.column(key), why.to_string());
        self.problems.push(problem);
    }

    fn parsed<T>(&mut self, key: Key, parse: impl FnOnce(&str) -> Result<T, BadCell>) -> Option<T> {
        match parse(self.text(key)?) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(key, why);
                None
            }
        }
    }

    fn node(&mut self, key: Key, tree: &Tree) -> Option<Uuid> {
        match tree.find(self.text(key)?) {
            Ok(node) => Some(node.id),
            Err(why) => {
                self.problem(key, why);
                None
            }
        }
    }

    fn read(&mut self, around: &Surroundings<'_>) -> Said {
        if self.row.cells.len() > self.sheet.headings.len()
            && self.row.cells[self.sheet.headings.len()..].iter().any(|cell| !cell.is_empty())
        {
            self.problems.push(Problem::new(
                self.sheet,
                self.row,
                None,
                "has more cells than there are headings: a comma inside a cell needs quotes around the cell".to_owned(),
            ));
        }
        // Spaces inside a name are how spreadsheets make short ones as wide as long ones: 陈　英.
        let name: String = match self.text(Key::Name) {
            Some(name) if name.is_ascii() => name.to_owned(),
            Some(name) => name.split_whitespace().collect(),
            None => String::new(),
        };
        if name.is_empty() {
            self.problem(Key::Name, BadCell::Missing);
        }
        let home = self.home(around.datum);
        Said {
            code: self.owned(Key::Code),
            name,
            sex: self.parsed(Key::Sex, cell::sex).map(str::to_owned),
            born_in: self.parsed(Key::Born, |text| cell::born_in(text, around.this_year)),
            phone: self.parsed(Key::Phone, cell::phone),
            category: self.owned(Key::Category),
            address: self.owned(Key::Address),
            door_access: self.owned(Key::Door),
            home,
            node: self.node(Key::Node, around.tree),
            registered: self.node(Key::Registered, around.tree),
            policy: self.parsed(Key::Policy, cell::policy).map(str::to_owned),
            card: self.owned(Key::Card),
            risk: self.parsed(Key::Risk, cell::yes),
            contacts: (1..=CONTACTS).filter_map(|rank| self.contact(rank)).collect(),
        }
    }

    fn home(&mut self, default: Datum) -> Option<Position> {
        let datum = match self.text(Key::Datum) {
            Some(_) => self.parsed(Key::Datum, cell::datum)?,
            None => default,
        };
        let (lat, lon) = (self.text(Key::Lat).unwrap_or_default(), self.text(Key::Lon).unwrap_or_default());
        let (key, placed) = if !lat.is_empty() || !lon.is_empty() {
            (if lat.is_empty() { Key::Lon } else { Key::Lat }, cell::place(lat, lon, datum))
        } else {
            (Key::Place, cell::place_in_one(self.text(Key::Place)?, datum))
        };
        match placed {
            Ok(placed) => {
                if placed.swapped {
                    self.repairs.push(Repair { row: self.row.line, what: "latitude and longitude were exchanged" });
                }
                Some(placed.at)
            }
            Err(why) => {
                self.problem(key, why);
                None
            }
        }
    }

    fn contact(&mut self, rank: u8) -> Option<Contact> {
        let name = self.owned(Key::ContactName(rank));
        let phone = self.parsed(Key::ContactPhone(rank), cell::phone);
        let has_phone = self.text(Key::ContactPhone(rank)).is_some();
        let relation = self.owned(Key::ContactRelation(rank)).unwrap_or_default();
        let email = self.parsed(Key::ContactEmail(rank), cell::email);
        let webhook_url = self.parsed(Key::ContactWebhook(rank), cell::webhook);
        let webhook_secret = self.parsed(Key::ContactSecret(rank), cell::webhook_secret);
        let is_written_to =
            [Key::ContactEmail(rank), Key::ContactWebhook(rank)].into_iter().find(|key| self.text(*key).is_some());
        match (name, phone) {
            (Some(name), Some(phone)) => {
                // A key without an address would never be used; one with a bad address is told of with that.
                if webhook_secret.is_some() && self.text(Key::ContactWebhook(rank)).is_none() {
                    self.problem(Key::ContactSecret(rank), "belongs to no address: the webhook's is missing");
                    return None;
                }
                Some(Contact { rank: rank.into(), name, relation, phone, email, webhook_url, webhook_secret })
            }
            (None, None) if is_written_to.is_some() && !has_phone => {
                let key = is_written_to.unwrap_or(Key::ContactEmail(rank));
                self.problem(key, "belongs to nobody: the contact's name and telephone number are missing");
                None
            }
            (Some(_), None) if !has_phone => {
                self.problem(Key::ContactName(rank), "has no telephone number: a contact needs one");
                None
            }
            (None, Some(_)) => {
                self.problem(Key::ContactPhone(rank), "belongs to nobody: the contact's name is missing");
                None
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use dispatcher::store::tree::Node;

    use super::*;

    const DISTRICT: Uuid = Uuid::from_u128(1);
    const PEACE: Uuid = Uuid::from_u128(2);
    const BAY: Uuid = Uuid::from_u128(3);

    fn tree() -> Tree {
        let node = |id: Uuid, parent, path: &str| Node {
            id,
            parent,
            level: "community".into(),
            name: path.rsplit('/').next().unwrap().into(),
            path: path.into(),
            area_m2: None,
            residents: 0,
        };
        Tree(vec![
            node(DISTRICT, None, "开福区"),
            node(PEACE, Some(DISTRICT), "开福区/和平社区"),
            node(BAY, Some(DISTRICT), "开福区/江湾社区"),
        ])
    }

    fn planned(text: &str, there: &[(Uuid, Resident)]) -> Plan<Resident> {
        let sheet = Sheet::read(text.as_bytes()).unwrap();
        let tree = tree();
        let around = Surroundings {
            tree: &tree,
            default_node: None,
            datum: Datum::Wgs84,
            there,
            centre: Position::new(28.22, 112.98).ok(),
            this_year: 2026,
        };
        plan(&sheet, &columns(&sheet).unwrap(), &around, |_| None)
    }

    /// What is there after the list was brought in.
    fn applied(plan: &Plan<Resident>, there: &[(Uuid, Resident)]) -> Vec<(Uuid, Resident)> {
        let mut after = there.to_vec();
        for planned in &plan.planned {
            match planned.id {
                Some(id) => after.iter_mut().find(|(other, _)| *other == id).unwrap().1 = planned.entry.clone(),
                None => after.push((Uuid::from_u128(1000 + after.len() as u128), planned.entry.clone())),
            }
        }
        after
    }

    fn whys(plan: &Plan<Resident>) -> Vec<(u64, &str, &str)> {
        plan.problems.iter().map(|problem| (problem.row, problem.field.as_str(), problem.why.as_str())).collect()
    }

    const LIST: &str = "\
姓名,性别,出生日期,电话,住址,社区,纬度,经度,坐标系,联系人,关系,联系人电话
陈秀英,女,1941-03-05,0731-80001001,3栋102,和平社区,28.2182,112.9867,WGS-84,陈明,儿子,138 0000 0101
王建国,男,15040,13800000102,7栋501,开福区/江湾社区,112.9891,28.2204,,,,
";

    #[test]
    fn a_list_is_planned_once_and_the_second_time_nothing_changes() {
        let plan = planned(LIST, &[]);
        assert_eq!(whys(&plan), []);
        assert_eq!(plan.planned.len(), 2);
        let first = &plan.planned[0].entry;
        assert_eq!(
            (first.born_in, first.phone.as_deref(), first.serving_node),
            (Some(1941), Some("0731-80001001"), PEACE)
        );
        assert_eq!(first.contacts[0].phone, "13800000101");
        assert_eq!(plan.repairs, [Repair { row: 3, what: "latitude and longitude were exchanged" }]);

        let there = applied(&plan, &[]);
        let again = planned(LIST, &there);
        assert_eq!((again.planned.len(), again.unchanged, again.problems.len()), (0, 2, 0));
    }

    #[test]
    fn who_is_at_medical_risk_is_so_until_the_list_says_otherwise() {
        let said = |risk: &str, there: &[(Uuid, Resident)]| {
            planned(&format!("姓名,社区,住址,医疗高危\n陈秀英,和平社区,3栋102,{risk}\n"), there)
        };
        let there = applied(&said("是", &[]), &[]);
        assert!(there[0].1.medical_risk);
        assert_eq!((said("", &there).planned.len(), said("是", &there).planned.len()), (0, 0));
        let cleared = said("否", &there);
        assert_eq!((cleared.planned[0].entry.medical_risk, cleared.planned.len()), (false, 1));
        assert!(said("也许", &there).problems[0].why.contains("neither 是 nor 否"));
    }

    #[test]
    fn a_change_names_its_field_and_an_empty_cell_changes_nothing() {
        let there = applied(&planned(LIST, &[]), &[]);
        let plan = planned("姓名,电话,社区,住址\n陈秀英,0731-80009999,和平社区,\n", &there);
        assert_eq!(whys(&plan), []);
        assert_eq!(plan.planned[0].changes, ["电话"]);
        assert_eq!(plan.planned[0].id, Some(there[0].0));
        assert_eq!(plan.planned[0].entry.address, "3栋102");
    }

    #[test]
    fn whom_a_row_is_about_is_known_by_number_telephone_or_place_and_never_guessed() {
        let resident = |code: Option<&str>, phone: &str, born: i16, address: &str| Resident {
            code: code.map(str::to_owned),
            name: "王建国".into(),
            phone: Some(phone.into()),
            born_in: Some(born),
            address: address.into(),
            serving_node: PEACE,
            registered_node: PEACE,
            ..Resident::default()
        };
        let there = vec![
            (Uuid::from_u128(11), resident(None, "13800000001", 1938, "1栋")),
            (Uuid::from_u128(12), resident(None, "13800000002", 1938, "2栋")),
        ];
        let about = |text: &str| planned(text, &there);
        // Two of this name and age live there.
        assert!(about("姓名,出生年份,社区,住址\n王建国,1938,和平社区,3栋").problems[0].why.contains("2 people"));
        assert_eq!(about("姓名,社区,住址,性别\n王建国,和平社区,2栋,男").planned[0].id, Some(Uuid::from_u128(12)));
        assert_eq!(
            about("姓名,社区,住址,电话\n王建国,江湾社区,9栋,13800000001").planned[0].id,
            Some(Uuid::from_u128(11))
        );
        // Another year of birth, another person.
        assert_eq!(about("姓名,出生年份,社区,住址\n王建国,1950,和平社区,3栋").planned[0].id, None);

        let numbered = vec![(Uuid::from_u128(13), resident(Some("K7"), "13800000003", 1938, "1栋"))];
        let moved = planned("编号,姓名,社区\nK7,王建国,江湾社区\n", &numbered);
        assert_eq!(
            (moved.planned[0].id, moved.planned[0].changes.as_slice()),
            (Some(Uuid::from_u128(13)), &["社区"][..])
        );
        assert_eq!(planned("编号,姓名,社区,住址\nK8,王建国,和平社区,1栋\n", &numbered).planned[0].id, None);
    }

    #[test]
    fn a_contact_keeps_their_addresses_and_whoever_takes_their_place_does_not_get_them() {
        let heading = "姓名,社区,住址,联系人,联系人电话,联系人邮箱,推送地址,推送密钥\n";
        let row = |contact: &str| format!("{heading}陈秀英,和平社区,1栋,{contact}\n");
        let key = "0123456789abcdef";
        let plan = planned(&row(&format!("陈明,13800000101,ming@mail.example,https://hook.example/1,{key}")), &[]);
        assert_eq!(whys(&plan), []);
        let there = applied(&plan, &[]);
        let contact = |plan: &Plan<Resident>| plan.planned[0].entry.contacts[0].clone();
        assert_eq!(contact(&plan).webhook_secret.as_deref(), Some(key));

        assert_eq!(planned(&row("陈明,13800000101,,,"), &there).unchanged, 1);
        let moved = contact(&planned(&row("陈明,13800000102,,https://hook.example/1,"), &there));
        assert_eq!(moved.email.as_deref(), Some("ming@mail.example"));
        assert_eq!(moved.webhook_secret.as_deref(), Some(key), "the same address is signed with the same key");
        let elsewhere = contact(&planned(&row("陈明,13800000101,,https://hook.example/2,"), &there));
        assert_eq!(elsewhere.webhook_secret, None, "another address gets a key of its own");
        let other = contact(&planned(&row("陈丽,13800000109,,,"), &there));
        assert_eq!((other.email, other.webhook_url, other.webhook_secret), (None, None, None));
    }

    #[test]
    fn an_address_that_reaches_nobody_is_a_problem_of_its_field() {
        let plan = planned(
            "姓名,社区,住址,联系人,联系人电话,联系人邮箱,推送地址,推送密钥\n\
             甲,和平社区,1栋,乙,13800000101,yi,http://hook.example/,short\n\
             丙,和平社区,2栋,,,bing@mail.example,,\n\
             丁,和平社区,3栋,戊,13800000102,,,0123456789abcdef\n",
            &[],
        );
        assert_eq!(
            whys(&plan),
            [
                (2, "联系人邮箱", "is no e-mail address"),
                (2, "推送地址", "is no address of a webhook: it begins with https:// (http:// to this machine only)"),
                (2, "推送密钥", "is no key for a webhook: it takes 16 to 200 plain characters"),
                (3, "联系人邮箱", "belongs to nobody: the contact's name and telephone number are missing"),
                (4, "推送密钥", "belongs to no address: the webhook's is missing"),
            ]
        );
    }

    #[test]
    fn the_same_person_twice_in_a_list_is_a_problem_of_the_second_row() {
        let plan = planned("姓名,社区,住址\n陈秀英,和平社区,1栋\n陈　秀英,和平社区,1栋\n", &[]);
        assert_eq!(whys(&plan), [(3, "姓名", "is the same person as row 2")]);
        assert_eq!(plan.planned.len(), 1);
    }

    #[test]
    fn every_problem_of_a_row_is_told_with_its_row_field_and_value() {
        let plan = planned(
            "姓名,出生日期,电话,社区,纬度,经度,联系人,联系人电话,住址\n\
             甲,41-03-05,1380,火星社区,52.5,13.4,乙,,1栋\n\
             ,1941,,和平社区,,,,,2栋\n\
             丙,1941,,,28.2,112.9,,,3栋\n\
             丁,1941,,和平社区,39.9,116.4,,,4栋\n\
             戊,1941,,和平社区,,,,,,多\n\
             己,1941,,和平社区,,,,,\n",
            &[],
        );
        let rows_and_fields: Vec<_> =
            plan.problems.iter().map(|problem| (problem.row, problem.field.as_str())).collect();
        assert_eq!(
            rows_and_fields,
            [
                (2, "纬度"),
                (2, "出生日期"),
                (2, "电话"),
                (2, "社区"),
                (2, "联系人"),
                (3, "姓名"),
                (4, "社区"),
                (5, "纬度"),
                (6, ""),
                (7, "住址"),
            ]
        );
        assert_eq!(plan.problems[1].value, "41-03-05");
        assert!(plan.problems[7].why.contains("km away"), "{}", plan.problems[7].why);
        assert_eq!(plan.planned.len(), 0);
    }
}
