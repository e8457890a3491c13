//! A list of providers: what its columns mean, which of them is there already, and what is new. Pure.
//!
//! A row is about a provider of the same number (编号), else of the same name.

use dispatcher::store::orders::CategoryView;
use dispatcher::store::roll::Provider;
use uuid::Uuid;

use super::cell::{self, BadCell, narrow};
use super::columns::{Columns, Field, SameTwice};
use super::sheet::Sheet;
use super::{Plan, Problem};
use crate::admin::node::Tree;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Code,
    Name,
    Phone,
    Node,
    Categories,
}

const FIELDS: &[Field<Key>] = &[
    (Key::Code, &["编号", "服务商编号", "code", "number", "no", "id"]),
    (Key::Name, &["名称", "服务商", "服务商名称", "单位名称", "name", "provider"]),
    (Key::Phone, &["电话", "联系电话", "电话号码", "phone", "telephone"]),
    (Key::Node, &["区域", "服务区域", "所属", "社区", "街道", "node", "area"]),
    (Key::Categories, &["类别", "服务类别", "服务项目", "categories", "category", "services"]),
];

/// What a provider may do, and the words that mean it. One of them is no order for daily help: to go when somebody has
/// pressed.
#[derive(Debug, Clone)]
pub(super) struct Services(pub(super) Vec<CategoryView>);

const EMERGENCY: (&str, &[&str]) = ("emergency", &["紧急", "应急", "急救", "紧急救助"]);

impl Services {
    fn word(&self, said: &str) -> Option<&str> {
        let (word, names) = EMERGENCY;
        if said == word || names.contains(&said) {
            return Some(word);
        }
        let means =
            |known: &&CategoryView| said == known.word || said == known.zh || said.eq_ignore_ascii_case(&known.en);
        self.0.iter().find(means).map(|known| known.word.as_str())
    }

    fn all(&self) -> String {
        let all = [EMERGENCY.1[0]].into_iter().chain(self.0.iter().map(|known| known.zh.as_str()));
        all.collect::<Vec<_>>().join(", ")
    }

    /// The words of a cell that holds several; the error is what is none.
    fn read(&self, text: &str) -> Result<Vec<String>, String> {
        let text = narrow(text);
        let said = text.split([',', ';', '/', '+', '|']).map(str::trim).filter(|said| !said.is_empty());
        said.map(|said| self.word(said).map(str::to_owned).ok_or_else(|| said.to_owned())).collect()
    }
}

/// The meaning of the headings.
pub(super) fn columns(sheet: &Sheet) -> Result<Columns<Key>, SameTwice> {
    Columns::of(&sheet.headings, FIELDS)
}

/// Plans the whole list.
pub(super) fn plan(
    sheet: &Sheet,
    columns: &Columns<Key>,
    tree: &Tree,
    services: &Services,
    default_node: Option<Uuid>,
    there: &[(Uuid, Provider)],
) -> Plan<Provider> {
    let mut plan = Plan::default();
    let mut seen: Vec<(u64, String)> = Vec::new();
    for row in &sheet.rows {
        let text = |key: Key| {
            let cell = columns.column(key).map(|column| row.cells[column].as_str());
            cell.filter(|cell| !cell.is_empty())
        };
        let mut problems = Vec::new();
        let mut problem = |key: Key, why: String| problems.push(Problem::new(sheet, row, columns.column(key), why));

        let name = text(Key::Name).unwrap_or_default().to_owned();
        if name.is_empty() {
            problem(Key::Name, BadCell::Missing.to_string());
        }
        if let Some((earlier, _)) = seen.iter().find(|(_, other)| *other == name) {
            problem(Key::Name, format!("is the same provider as row {earlier}"));
        }
        let code = text(Key::Code).map(str::to_owned);
        let before = there
            .iter()
            .find(|(_, other)| code.is_some() && other.code == code)
            .or_else(|| there.iter().find(|(_, other)| other.name == name && (other.code.is_none() || code.is_none())));
        let phone = match text(Key::Phone).map(cell::phone).transpose() {
            Ok(phone) => phone,
            Err(why) => {
                problem(Key::Phone, why.to_string());
                None
            }
        };
        let node = match text(Key::Node).map(|text| tree.find(text).map(|node| node.id)) {
            Some(Ok(node)) => Some(node),
            Some(Err(why)) => {
                problem(Key::Node, why.to_string());
                None
            }
            None => {
                let node = before.map(|(_, before)| before.node).or(default_node);
                if node.is_none() {
                    let why =
                        "has no area: a provider is asked only below the place that is named here, or with --node";
                    problem(Key::Node, why.to_owned());
                }
                node
            }
        };
        let said = match services.read(text(Key::Categories).unwrap_or_default()) {
            Ok(said) => said,
            Err(unknown) => {
                problem(Key::Categories, format!("{unknown} is no service that is known here: {}", services.all()));
                Vec::new()
            }
        };
        if problems.is_empty() && said.is_empty() && before.is_none() {
            let problem = Problem::new(
                sheet,
                row,
                columns.column(Key::Categories),
                "has no service: what may they be asked for?".into(),
            );
            problems.push(problem);
        }
        let (Some(node), true) = (node, problems.is_empty()) else {
            plan.problems.append(&mut problems);
            continue;
        };
        seen.push((row.line, name.clone()));
        let mut after = before.map_or_else(
            || Provider { code: None, name: String::new(), phone: None, node, categories: Vec::new() },
            |(_, before)| before.clone(),
        );
        after.name = name;
        after.code = code.or(after.code);
        after.phone = phone.or(after.phone);
        // Contracts go with the node that they are for.
        if after.node != node {
            after.categories.clear();
        }
        after.node = node;
        after.categories.extend(said);
        after.categories.sort();
        after.categories.dedup();
        plan.take(row.line, before.map(|(id, before)| (Some(*id), before)), after, differences);
    }
    plan
}

fn differences(before: &Provider, after: &Provider) -> Vec<&'static str> {
    let differs = [
        (before.code != after.code, "编号"),
        (before.name != after.name, "名称"),
        (before.phone != after.phone, "电话"),
        (before.node != after.node, "区域"),
        (before.categories != after.categories, "类别"),
    ];
    differs.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree(vec![dispatcher::store::tree::Node {
            id: Uuid::from_u128(1),
            parent: None,
            level: "district".into(),
            name: "开福区".into(),
            path: "开福区".into(),
            area_m2: None,
            residents: 0,
        }])
    }

    fn planned(text: &str, there: &[(Uuid, Provider)]) -> Plan<Provider> {
        let sheet = Sheet::read(text.as_bytes()).unwrap();
        let category =
            |word: &str, zh: &str, en: &str| CategoryView { word: word.into(), zh: zh.into(), en: en.into() };
        let services = Services(vec![category("meal", "送餐", "meal delivery"), category("repair", "维修", "repair")]);
        plan(&sheet, &columns(&sheet).unwrap(), &tree(), &services, None, there)
    }

    #[test]
    fn a_provider_needs_an_area_and_a_service() {
        let plan = planned("名称,区域,类别\n甲,,送餐\n乙,开福区,\n丙,开福区,飞行\n丁,开福区,送餐、维修\n", &[]);
        let problems: Vec<_> = plan.problems.iter().map(|problem| (problem.row, problem.field.as_str())).collect();
        assert_eq!(problems, [(2, "区域"), (3, "类别"), (4, "类别")]);
        assert!(plan.problems[0].why.contains("no area"));
        assert_eq!(plan.planned[0].entry.categories, ["meal", "repair"]);
    }

    #[test]
    fn a_second_time_changes_nothing_and_a_new_service_is_added() {
        let list = "名称,电话,区域,类别\n康乐,0731-80001001,开福区,紧急\n";
        let id = Uuid::from_u128(7);
        let there = vec![(id, planned(list, &[]).planned[0].entry.clone())];
        assert_eq!(planned(list, &there).unchanged, 1);
        let more = planned("名称,类别\n康乐,送餐\n", &there);
        assert_eq!((more.planned[0].id, more.planned[0].changes.as_slice()), (Some(id), &["类别"][..]));
        assert_eq!(more.planned[0].entry.categories, ["emergency", "meal"]);
    }
}
