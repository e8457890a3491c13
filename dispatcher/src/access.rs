//! Who may do what, and where: decided here and nowhere else.
//!
//! A user holds roles, each over the subtree of a node ([`Grant`]). What can be done is a handful of deeds
//! ([`Deed`]), each open to some roles; where somebody may do one is their [`Scope`]: the nodes over which
//! they hold such a role. Handlers ask for a deed in their arguments (`http::caller::May`) and hand the
//! scope to the queries, which leave out what does not lie below it. Responders are not covered: they see
//! their own offers, by who they are.

use domain::word::{UnknownWord, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What somebody is over a subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Goes to residents; sees own offers only.
    Responder,
    /// Knows a grid's people: sees them and their cases, and remarks.
    GridOfficer,
    /// Answers calls.
    Operator,
    /// Answers calls that operators do not, and may take them over.
    Supervisor,
    /// Sees to people, terminals, accounts and settings; may do what a supervisor may.
    Admin,
}

impl Word for Role {
    const KIND: &'static str = "role";
    const ALL: &'static [Self] = &[Self::Responder, Self::GridOfficer, Self::Operator, Self::Supervisor, Self::Admin];
    fn as_str(self) -> &'static str {
        match self {
            Self::Responder => "responder",
            Self::GridOfficer => "grid_officer",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::parse(text)
    }
}

/// Something that can be done to incidents, residents and what belongs to them.
pub trait Deed: Send + Sync + 'static {
    /// Who may.
    const ROLES: &'static [Role];
}

/// Reading: the queue, cards, residents, the map; and remarks on cards.
#[derive(Debug, Clone, Copy)]
pub struct See;
impl Deed for See {
    const ROLES: &'static [Role] = &[Role::GridOfficer, Role::Operator, Role::Supervisor, Role::Admin];
}

/// Answering calls: claim, ask, hand over, stand down, close, open by telephone.
#[derive(Debug, Clone, Copy)]
pub struct Answer;
impl Deed for Answer {
    const ROLES: &'static [Role] = &[Role::Operator, Role::Supervisor, Role::Admin];
}

/// Ordering daily help, at once or for later, and moving and cancelling what was ordered for later.
#[derive(Debug, Clone, Copy)]
pub struct Order;
impl Deed for Order {
    const ROLES: &'static [Role] = &[Role::GridOfficer, Role::Operator, Role::Supervisor, Role::Admin];
}

/// Taking a case from the operator who has claimed it.
#[derive(Debug, Clone, Copy)]
pub struct TakeOver;
impl Deed for TakeOver {
    const ROLES: &'static [Role] = &[Role::Supervisor, Role::Admin];
}

/// Reading who has which contract, and who is to be at work.
#[derive(Debug, Clone, Copy)]
pub struct Oversee;
impl Deed for Oversee {
    const ROLES: &'static [Role] = &[Role::Supervisor, Role::Admin];
}

/// Changing who there is: residents, fences, terminals, providers, nodes, users.
#[derive(Debug, Clone, Copy)]
pub struct Administer;
impl Deed for Administer {
    const ROLES: &'static [Role] = &[Role::Admin];
}

/// One role over one subtree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// What.
    pub role: Role,
    /// Over which subtree.
    pub node: GrantedNode,
}

/// The top of a granted subtree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantedNode {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// The nodes below which somebody may do something. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(Vec<Uuid>);

impl Scope {
    /// Where these grants allow a deed; `None`: nowhere.
    pub fn of<D: Deed>(grants: &[Grant]) -> Option<Self> {
        let mut nodes: Vec<Uuid> =
            grants.iter().filter(|grant| D::ROLES.contains(&grant.role)).map(|grant| grant.node.id).collect();
        nodes.sort_unstable();
        nodes.dedup();
        (!nodes.is_empty()).then_some(Self(nodes))
    }

    /// For SQL: `path && $scope`, `lies_below(node, $scope)`, `nodes_above(…) && $scope`.
    pub fn nodes(&self) -> &[Uuid] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: Role, node: u128) -> Grant {
        Grant { role, node: GrantedNode { id: Uuid::from_u128(node), name: String::new() } }
    }

    #[test]
    fn a_scope_is_where_a_role_that_may_is_held() {
        let grants = [grant(Role::Operator, 1), grant(Role::GridOfficer, 2), grant(Role::Responder, 3)];
        assert_eq!(Scope::of::<See>(&grants).unwrap().nodes(), [Uuid::from_u128(1), Uuid::from_u128(2)]);
        assert_eq!(Scope::of::<Answer>(&grants).unwrap().nodes(), [Uuid::from_u128(1)]);
        assert_eq!(Scope::of::<TakeOver>(&grants), None);
        assert_eq!(Scope::of::<Administer>(&grants), None);
        assert_eq!(Scope::of::<See>(&[grant(Role::Responder, 3)]), None);
    }

    #[test]
    fn a_role_has_one_spelling() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }

    #[test]
    fn whoever_may_answer_may_see() {
        for roles in [Answer::ROLES, Order::ROLES, TakeOver::ROLES, Oversee::ROLES, Administer::ROLES] {
            assert!(roles.iter().all(|role| See::ROLES.contains(role)));
        }
    }
}
