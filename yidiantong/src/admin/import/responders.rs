//! A list of responders: what its columns mean, which of them is there already, and what is new. Pure.
//!
//! A row is about somebody of that provider with the same telephone number, else with the same name. Where they are
//! now is no matter of a list: it is told from their page or their application.

use dispatcher::store::roll::{Provider, Responder};
use uuid::Uuid;

use super::cell::{self, BadCell};
use super::columns::{Columns, Field, SameTwice};
use super::sheet::Sheet;
use super::{Plan, Problem};
use crate::admin::node::Tree;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Name,
    Provider,
    Phone,
    Node,
    Login,
    Token,
    Duty,
}

const FIELDS: &[Field<Key>] = &[
    (Key::Name, &["姓名", "名字", "服务人员", "name", "responder"]),
    (Key::Provider, &["服务商", "服务商编号", "服务商名称", "单位", "单位名称", "provider", "company"]),
    (Key::Phone, &["电话", "联系电话", "手机", "手机号", "手机号码", "电话号码", "phone", "telephone", "mobile"]),
    (Key::Node, &["区域", "服务区域", "所属", "社区", "街道", "node", "area"]),
    (Key::Login, &["登录名", "用户名", "账号", "login", "user", "username"]),
    (Key::Token, &["应用令牌", "令牌", "token"]),
    (Key::Duty, &["在岗", "值班", "onduty", "duty"]),
];

/// The meaning of the headings.
pub(super) fn columns(sheet: &Sheet) -> Result<Columns<Key>, SameTwice> {
    Columns::of(&sheet.headings, FIELDS)
}

/// What a list is read against.
pub(super) struct Surroundings<'s> {
    pub(super) tree: &'s Tree,
    /// Where those belong whose row does not say it; else where their provider does.
    pub(super) default_node: Option<Uuid>,
    pub(super) providers: &'s [(Uuid, Provider)],
    /// Every login there is.
    pub(super) logins: &'s [String],
    /// Who is there.
    pub(super) there: &'s [(Uuid, Responder)],
}

impl Surroundings<'_> {
    /// By number, else by name.
    fn provider(&self, said: &str) -> Result<&(Uuid, Provider), String> {
        if let Some(numbered) = self.providers.iter().find(|(_, provider)| provider.code.as_deref() == Some(said)) {
            return Ok(numbered);
        }
        let named: Vec<_> = self.providers.iter().filter(|(_, provider)| provider.name == said).collect();
        match named[..] {
            [one] => Ok(one),
            [] => Err("is no provider that is there: `yidiantong import providers` brings them in".to_owned()),
            _ => Err(format!("is the name of {} providers: write its number", named.len())),
        }
    }
}

/// Plans the whole list.
pub(super) fn plan(sheet: &Sheet, columns: &Columns<Key>, around: &Surroundings<'_>) -> Plan<Responder> {
    let mut plan = Plan::default();
    // Whom earlier rows were about, and what they will be called.
    let mut seen: Vec<(u64, Responder)> = Vec::new();
    for row in &sheet.rows {
        let text = |key: Key| {
            let cell = columns.column(key).map(|column| row.cells[column].as_str());
            cell.filter(|cell| !cell.is_empty())
        };
        let mut problems = Vec::new();
        let mut problem = |key: Key, why: &dyn std::fmt::Display| {
            problems.push(Problem::new(sheet, row, columns.column(key), why.to_string()));
        };

        let name = text(Key::Name).unwrap_or_default().to_owned();
        if name.is_empty() {
            problem(Key::Name, &BadCell::Missing);
        }
        let phone = text(Key::Phone).map(cell::phone).transpose().unwrap_or_else(|why| {
            problem(Key::Phone, &why);
            None
        });
        let provider = match text(Key::Provider).map(|said| around.provider(said)) {
            Some(Ok(provider)) => Some(provider),
            Some(Err(why)) => {
                problem(Key::Provider, &why);
                None
            }
            None => {
                problem(Key::Provider, &"is empty: whose are they?");
                None
            }
        };
        let mut yes = |key: Key| {
            text(key).map(cell::yes).transpose().unwrap_or_else(|why| {
                problem(key, &why);
                None
            })
        };
        let (wants_token, on_duty) = (yes(Key::Token), yes(Key::Duty));
        let said_node = text(Key::Node).map(|said| around.tree.find(said).map(|node| node.id)).transpose();
        let said_node = said_node.unwrap_or_else(|why| {
            problem(Key::Node, &why);
            None
        });
        let Some((provider, company)) = provider else {
            plan.problems.append(&mut problems);
            continue;
        };

        let before = match whom(around.there, *provider, &name, phone.as_deref()) {
            Ok(before) => before,
            Err(why) => {
                problem(Key::Name, &why);
                None
            }
        };
        let is_same = |(_, other): &&(u64, Responder)| {
            other.provider == *provider && (Some(&other.phone) == phone.as_ref() || other.name == name)
        };
        if let Some((earlier, _)) = seen.iter().find(is_same) {
            problem(Key::Name, &format!("is the same responder as row {earlier}"));
        }
        let login = text(Key::Login).map(str::to_owned);
        if let Some(why) = login.as_deref().and_then(|login| login_fault(login, before, around.logins, &seen)) {
            problem(Key::Login, &why);
        }
        let known_phone = phone.clone().or_else(|| before.map(|(_, before)| before.phone.clone()));
        if known_phone.is_none() && text(Key::Phone).is_none() {
            problem(Key::Phone, &BadCell::Missing);
        }
        let (Some(phone), true) = (known_phone, problems.is_empty()) else {
            plan.problems.append(&mut problems);
            continue;
        };
        let node =
            said_node.or_else(|| before.map(|(_, before)| before.node)).or(around.default_node).unwrap_or(company.node);
        let had_token = before.is_some_and(|(_, before)| before.has_token);
        let after = Responder {
            provider: *provider,
            name,
            phone,
            node,
            on_duty: on_duty.or_else(|| before.map(|(_, before)| before.on_duty)).unwrap_or_default(),
            login: login.or_else(|| before.and_then(|(_, before)| before.login.clone())),
            // No is no order to take one away.
            has_token: had_token || wants_token == Some(true),
        };
        seen.push((row.line, after.clone()));
        plan.take(row.line, before.map(|(id, before)| (Some(*id), before)), after, differences);
    }
    plan
}

/// Who of those who are there a row is about; the error says why that cannot be told.
fn whom<'t>(
    there: &'t [(Uuid, Responder)],
    provider: Uuid,
    name: &str,
    phone: Option<&str>,
) -> Result<Option<&'t (Uuid, Responder)>, String> {
    let theirs = || there.iter().filter(|(_, other)| other.provider == provider);
    if let Some(same) = theirs().find(|(_, other)| Some(other.phone.as_str()) == phone) {
        return Ok(Some(same));
    }
    match theirs().filter(|(_, other)| other.name == name).collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        ref several => Err(format!("may be {} people of this provider: write the telephone", several.len())),
    }
}

/// Why a login cannot be theirs.
fn login_fault(
    login: &str,
    before: Option<&(Uuid, Responder)>,
    logins: &[String],
    seen: &[(u64, Responder)],
) -> Option<String> {
    let own = before.and_then(|(_, before)| before.login.as_deref());
    if own.is_some_and(|own| own != login) {
        return Some("is another login than theirs; one is enough".to_owned());
    }
    if own.is_none() && logins.iter().any(|other| other == login) {
        return Some("is somebody's login already".to_owned());
    }
    if login.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Some("has a space in it".to_owned());
    }
    let earlier = seen.iter().find(|(_, other)| other.login.as_deref() == Some(login));
    earlier.map(|(row, _)| format!("is the login of row {row} already"))
}

fn differences(before: &Responder, after: &Responder) -> Vec<&'static str> {
    let differs = [
        (before.name != after.name, "姓名"),
        (before.phone != after.phone, "电话"),
        (before.node != after.node, "区域"),
        (before.login != after.login, "登录名"),
        (before.has_token != after.has_token, "应用令牌"),
        (before.on_duty != after.on_duty, "在岗"),
    ];
    differs.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTRICT: Uuid = Uuid::from_u128(1);
    const STREET: Uuid = Uuid::from_u128(2);

    fn planned(text: &str, there: &[(Uuid, Responder)]) -> Plan<Responder> {
        let node = |id: Uuid, path: &str| dispatcher::store::tree::Node {
            id,
            parent: None,
            level: "street".into(),
            name: path.rsplit('/').next().unwrap().into(),
            path: path.into(),
            area_m2: None,
            residents: 0,
        };
        let tree = Tree(vec![node(DISTRICT, "开福区"), node(STREET, "开福区/湘雅路街道")]);
        let provider = |id: u128, code: Option<&str>, name: &str| {
            let provider = Provider {
                code: code.map(str::to_owned),
                name: name.into(),
                phone: None,
                node: DISTRICT,
                categories: vec!["emergency".into()],
            };
            (Uuid::from_u128(id), provider)
        };
        let providers = [provider(11, None, "康乐"), provider(12, Some("F2"), "安心"), provider(13, None, "安心")];
        let logins = ["operator".to_owned()];
        let around = Surroundings { tree: &tree, default_node: None, providers: &providers, logins: &logins, there };
        let sheet = Sheet::read(text.as_bytes()).unwrap();
        plan(&sheet, &columns(&sheet).unwrap(), &around)
    }

    const LIST: &str = "姓名,服务商,电话,区域,登录名,应用令牌,在岗\n\
        刘芳,康乐,138 0000 0201,,liu,,是\n\
        张伟,F2,13800000202,湘雅路街道,,是,\n";

    #[test]
    fn a_list_is_read_and_a_second_time_changes_nothing() {
        let plan = planned(LIST, &[]);
        assert_eq!(plan.problems, []);
        let (first, second) = (&plan.planned[0].entry, &plan.planned[1].entry);
        assert_eq!((first.provider, first.node, first.on_duty), (Uuid::from_u128(11), DISTRICT, true));
        assert_eq!((first.login.as_deref(), first.has_token), (Some("liu"), false));
        assert_eq!((second.provider, second.node, second.has_token), (Uuid::from_u128(12), STREET, true));
        assert!(!second.on_duty, "whoever is new says themselves that they are on duty");

        let there: Vec<_> =
            (21..).map(Uuid::from_u128).zip(plan.planned.into_iter().map(|planned| planned.entry)).collect();
        let again = planned(LIST, &there);
        assert_eq!((again.planned.len(), again.unchanged, again.problems.len()), (0, 2, 0));
        let changed = planned("姓名,服务商,电话\n刘芳,康乐,13800000209\n", &there);
        assert_eq!((changed.planned[0].id, changed.planned[0].changes.as_slice()), (Some(there[0].0), &["电话"][..]));
        let married = planned("姓名,服务商,电话\n刘芳芳,康乐,13800000201\n", &there);
        assert_eq!((married.planned[0].id, married.planned[0].changes.as_slice()), (Some(there[0].0), &["姓名"][..]));
    }

    #[test]
    fn every_problem_of_a_row_is_told_with_its_row_field_and_a_sentence() {
        let plan = planned(
            "姓名,服务商,电话,区域,登录名,在岗\n\
             ,康乐,13800000201,,,\n\
             甲,无名,13800000202,,,\n\
             乙,安,13800000203,,,\n\
             丙,,13800000204,,,\n\
             丁,康乐,1380,,,\n\
             戊,康乐,,,,\n\
             己,康乐,13800000205,火星,operator,也许\n\
             庚,康乐,13800000206,,geng,\n\
             辛,康乐,13800000206,,,\n\
             壬,康乐,13800000207,,geng,\n\
             癸,安心,13800000208,,,\n",
            &[],
        );
        let told: Vec<_> = plan.problems.iter().map(|problem| (problem.row, problem.field.as_str())).collect();
        assert_eq!(
            told,
            [
                (2, "姓名"),
                (3, "服务商"),
                (4, "服务商"),
                (5, "服务商"),
                (6, "电话"),
                (7, "电话"),
                (8, "在岗"),
                (8, "区域"),
                (8, "登录名"),
                (10, "姓名"),
                (11, "登录名"),
                (12, "服务商"),
            ]
        );
        assert!(plan.problems[1].why.contains("import providers"), "{:?}", plan.problems[1]);
        assert!(plan.problems[9].why.contains("row 9"), "{:?}", plan.problems[9]);
        assert!(plan.problems[11].why.contains("2 providers"), "{:?}", plan.problems[11]);
        assert_eq!(plan.planned.len(), 1);
    }

    #[test]
    fn a_login_stays_whose_it_is() {
        let responder = |name: &str, phone: &str, login: Option<&str>| Responder {
            provider: Uuid::from_u128(11),
            name: name.into(),
            phone: phone.into(),
            node: DISTRICT,
            on_duty: true,
            login: login.map(str::to_owned),
            has_token: false,
        };
        let there = [(Uuid::from_u128(21), responder("刘芳", "13800000201", Some("liu")))];
        assert_eq!(planned("姓名,服务商,登录名\n刘芳,康乐,liu\n", &there).unchanged, 1);
        let other = planned("姓名,服务商,登录名\n刘芳,康乐,fang\n", &there);
        assert!(other.problems[0].why.contains("another login"), "{:?}", other.problems);
    }
}
