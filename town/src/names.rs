//! Names that sound right and belong to nobody: of places and of people.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::Dice;
use crate::map::{Level, Node};

const DISTRICT: &str = "橘江区";
const STREETS: [&str; 6] = ["青萍", "柳湾", "鹤鸣", "橘影", "松涛", "云渚"];
const COMMUNITIES: [&str; 24] = [
    "听雨",
    "杏影",
    "荷塘月",
    "桂香",
    "竹里",
    "望帆",
    "南塘",
    "晓春",
    "向暖",
    "梅坞",
    "兰溪",
    "枫桥",
    "银杏坪",
    "茶亭坳",
    "东篱",
    "石埠",
    "古井湾",
    "栗山坡",
    "碧波",
    "莲池",
    "鹭洲",
    "槐荫",
    "灯塔巷",
    "丰禾",
];
const COURTYARDS: [&str; 28] = [
    "安和", "福康", "和顺", "长乐", "锦书", "翠微", "朝晖", "春晓", "金桂", "玉兰", "紫藤", "海棠", "静安", "怡然",
    "同心", "双喜", "南风", "北斗", "望月", "枕流", "百合", "丁香", "青松", "银河", "明德", "勤俭", "团结", "红旗",
];
const COURTYARD_KINDS: [&str; 4] = ["苑", "里", "大院", "小区"];
const NUMBERS: [&str; 10] = ["一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];

const SURNAMES: [&str; 50] = [
    "李", "王", "张", "刘", "陈", "杨", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何", "郭", "马", "罗",
    "梁", "宋", "郑", "谢", "韩", "唐", "冯", "于", "董", "萧", "程", "曹", "袁", "邓", "许", "傅", "沈", "曾", "彭",
    "吕", "苏", "卢", "蒋", "蔡", "贾", "丁", "魏", "薛", "叶", "阎", "余",
];
const OLD_WOMEN: [&str; 30] = [
    "秀兰", "桂英", "玉珍", "淑华", "凤英", "素珍", "月娥", "菊香", "翠云", "春梅", "满秀", "冬莲", "金枝", "美玉",
    "爱莲", "惠芳", "银花", "福秀", "腊梅", "喜凤", "贵珍", "元秀", "玉娥", "雪梅", "招娣", "九妹", "云香", "娥英",
    "佩兰", "静芬",
];
const OLD_MEN: [&str; 30] = [
    "德胜", "国华", "长庚", "福生", "明贵", "建业", "忠义", "水生", "庆余", "家声", "汉卿", "云山", "铁生", "伯年",
    "启明", "光裕", "运来", "冬生", "满仓", "正伦", "岳林", "佑民", "振邦", "祖德", "万里", "春和", "永昌", "其昌",
    "世安", "守仁",
];
const YOUNG_WOMEN: [&str; 24] = [
    "欣怡", "雨桐", "思琪", "佳慧", "晓雯", "婷婷", "梦瑶", "诗涵", "芷若", "语嫣", "若溪", "可馨", "敏", "丽", "娟",
    "艳", "霞", "燕", "玲", "慧", "倩", "洁", "颖", "蓉",
];
const YOUNG_MEN: [&str; 24] = [
    "子轩", "浩然", "宇航", "俊杰", "志远", "明轩", "天佑", "嘉豪", "文博", "一鸣", "晨曦", "睿", "伟", "强", "磊",
    "军", "洋", "勇", "杰", "涛", "超", "斌", "鹏", "辉",
];

/// Which names are in fashion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Born before 1970.
    Old,
    /// Born later.
    Young,
}

/// Names that are given once.
#[derive(Debug, Default)]
pub(crate) struct Register {
    taken: BTreeSet<String>,
}

impl Register {
    /// One in which these are taken.
    pub(crate) fn with<'n>(taken: impl IntoIterator<Item = &'n str>) -> Self {
        Self { taken: taken.into_iter().map(str::to_owned).collect() }
    }

    /// A surname.
    pub(crate) fn surname(dice: &mut Dice) -> &'static str {
        dice.pick(&SURNAMES)
    }

    /// A whole name that nobody in this register has.
    pub(crate) fn name(&mut self, dice: &mut Dice, surname: Option<&str>, sex: &str, generation: Generation) -> String {
        loop {
            let given = match (sex, generation) {
                ("female", Generation::Old) => dice.pick(&OLD_WOMEN),
                (_, Generation::Old) => dice.pick(&OLD_MEN),
                ("female", Generation::Young) => dice.pick(&YOUNG_WOMEN),
                (_, Generation::Young) => dice.pick(&YOUNG_MEN),
            };
            let name = format!("{}{given}", surname.unwrap_or_else(|| Self::surname(dice)));
            // A surname of one's own has few names to give: another of the same is no wonder.
            if self.taken.insert(name.clone()) || surname.is_some() {
                return name;
            }
        }
    }
}

/// Names every place of a tree, each after its parent; no two below one parent alike.
pub(crate) fn name_places(dice: &mut Dice, nodes: &mut [Node]) {
    let mut communities = COMMUNITIES;
    dice.shuffle(&mut communities);
    let mut yards: Vec<String> =
        COURTYARD_KINDS.iter().flat_map(|kind| COURTYARDS.map(|yard| format!("{yard}{kind}"))).collect();
    dice.shuffle(&mut yards);
    let mut counted: BTreeMap<(Option<usize>, Level), usize> = BTreeMap::new();
    let mut of_level: BTreeMap<Level, usize> = BTreeMap::new();
    for node in nodes {
        let in_parent = counted.entry((node.parent, node.level)).or_default();
        let of_all = of_level.entry(node.level).or_default();
        node.name = match node.level {
            Level::District => DISTRICT.to_owned(),
            Level::Street => format!("{}街道", STREETS[*of_all % STREETS.len()]),
            Level::Community => format!("{}社区", communities[*of_all % communities.len()]),
            Level::Grid => format!("第{}网格", NUMBERS[*in_parent % NUMBERS.len()]),
            Level::Courtyard => yards[*of_all % yards.len()].clone(),
        };
        *in_parent += 1;
        *of_all += 1;
    }
}
