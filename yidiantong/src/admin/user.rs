//! `yidiantong user`: who can log in, and what they may do where.

use anyhow::Context as _;
use dispatcher::access::Role;
use dispatcher::store::{self, accounts};
use domain::word::Word as _;
use tokio_util::sync::CancellationToken;

use super::node::{Tree, named};
use super::secret::Password;
use super::{Place, say, say_json, with_database};

/// Who can log in, and what they may do where.
#[derive(Debug, clap::Args)]
pub struct User {
    #[command(subcommand)]
    deed: Deed,
}

#[derive(Debug, clap::Subcommand)]
enum Deed {
    /// Add somebody. The password is asked for, or made and shown once.
    Add {
        /// The name to log in with.
        login: String,
        /// Their name; else the login.
        #[arg(long)]
        name: Option<String>,
        /// What they are; without it they may do nothing yet.
        #[arg(long, value_parser = role)]
        role: Option<Role>,
        /// Over which subtree: a path of names (开福区/湘雅路街道) or an id; else everything.
        #[arg(long)]
        node: Option<String>,
        /// Make a password, and show it once.
        #[arg(long)]
        generate: bool,
    },
    /// List everybody.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give somebody a role over a subtree.
    Grant(Grant),
    /// Take a role over a subtree away.
    Revoke(Grant),
    /// Give somebody a new password; they are logged out everywhere.
    Password {
        /// The name that they log in with.
        login: String,
        /// Make a password, and show it once.
        #[arg(long)]
        generate: bool,
    },
    /// Say where somebody is telephoned: operators are shown it of grid officers.
    Phone {
        /// The name that they log in with.
        login: String,
        /// Their telephone; without it there is none.
        number: Option<String>,
    },
    /// Let somebody log in no more; they are logged out everywhere.
    Disable {
        /// The name that they log in with.
        login: String,
    },
    /// Let somebody log in again.
    Enable {
        /// The name that they log in with.
        login: String,
    },
}

#[derive(Debug, clap::Args)]
struct Grant {
    /// The name that they log in with.
    login: String,
    /// operator, supervisor, admin, grid_officer or responder.
    #[arg(value_parser = role)]
    role: Role,
    /// Over which subtree: a path of names (开福区/湘雅路街道) or an id; else everything.
    #[arg(long)]
    node: Option<String>,
}

fn role(text: &str) -> Result<Role, String> {
    let all: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
    text.parse().map_err(|_| format!("the roles are {}", all.join(", ")))
}

impl User {
    /// Does it.
    pub async fn run(self, place: &Place, stop: &CancellationToken) -> anyhow::Result<()> {
        // Asked for before the database is reached, which a person at a keyboard would keep waiting.
        let password = match &self.deed {
            Deed::Add { generate, .. } | Deed::Password { generate, .. } => Some(Password::get(*generate)?),
            _ => None,
        };
        let hash = password.as_ref().map(Password::hash).transpose()?.unwrap_or_default();
        with_database(place, stop, async |_, database| {
            let mut tx = store::begin(&database.pool).await?;
            match &self.deed {
                Deed::List { json } => {
                    list(&accounts::list(&mut tx).await?, *json)?;
                    return Ok(());
                }
                Deed::Add { login, name, role, node, .. } => {
                    anyhow::ensure!(!login.trim().is_empty(), "a login needs at least one letter");
                    let tree = Tree::read(&mut tx).await?;
                    let node = tree.find_or_root(node.as_deref())?;
                    let name = name.as_deref().unwrap_or(login);
                    let is_new = accounts::add(&mut tx, login, name, node.id, &hash).await?;
                    anyhow::ensure!(
                        is_new,
                        "{login} is there already; `yidiantong user password {login}` gives a new password, `user grant` a role"
                    );
                    if let Some(role) = role {
                        accounts::grant(&mut tx, login, *role, node.id).await?;
                    }
                    let role = role.map_or("may do nothing yet", |role| role.as_str());
                    say(format_args!("{login} is there: {role} over {}", node.path));
                }
                Deed::Grant(Grant { login, role, node }) => {
                    known(&mut tx, login).await?;
                    let tree = Tree::read(&mut tx).await?;
                    let node = tree.find_or_root(node.as_deref())?;
                    let is_new = accounts::grant(&mut tx, login, *role, node.id).await?;
                    let already = if is_new { "" } else { " already" };
                    say(format_args!("{login} is {} over {}{already}", role.as_str(), node.path));
                }
                Deed::Revoke(Grant { login, role, node }) => {
                    known(&mut tx, login).await?;
                    let tree = Tree::read(&mut tx).await?;
                    let node = tree.find_or_root(node.as_deref())?;
                    let is_done = accounts::revoke(&mut tx, login, *role, node.id).await?;
                    anyhow::ensure!(
                        is_done,
                        "{login} is not {} over {}; `yidiantong user list` shows what they are",
                        role.as_str(),
                        node.path
                    );
                    say(format_args!("{login} is no longer {} over {}", role.as_str(), node.path));
                }
                Deed::Password { login, .. } => {
                    known(&mut tx, login).await?;
                    accounts::set_password(&mut tx, login, &hash).await?;
                    say(format_args!("{login} has a new password and is logged out everywhere"));
                }
                Deed::Phone { login, number } => {
                    known(&mut tx, login).await?;
                    let number = number.as_deref().map(str::trim).filter(|number| !number.is_empty());
                    accounts::set_phone(&mut tx, login, number).await?;
                    say(format_args!("{login} is telephoned at {}", number.unwrap_or("no number")));
                }
                Deed::Disable { login } => {
                    known(&mut tx, login).await?;
                    accounts::disable(&mut tx, login).await?;
                    say(format_args!("{login} can log in no more and is logged out everywhere"));
                }
                Deed::Enable { login } => {
                    known(&mut tx, login).await?;
                    accounts::enable(&mut tx, login).await?;
                    say(format_args!("{login} can log in again"));
                }
            }
            tx.commit().await.context("nothing was changed")?;
            if let (Some(password), Deed::Add { login, .. } | Deed::Password { login, .. }) = (&password, &self.deed) {
                password.show(login);
            }
            Ok(())
        })
        .await
    }
}

async fn known(conn: &mut sqlx::PgConnection, login: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        accounts::exists(conn, login).await?,
        "nobody has the login {login}; `yidiantong user list` shows who there is"
    );
    Ok(())
}

fn list(accounts: &[accounts::Account], json: bool) -> anyhow::Result<()> {
    if json {
        return say_json(&accounts);
    }
    if accounts.is_empty() {
        say("nobody can log in yet; `yidiantong user add LOGIN --role admin` adds somebody");
    }
    for account in accounts {
        let grants: Vec<String> =
            account.grants.iter().map(|grant| format!("{} over {}", grant.role.as_str(), grant.node.name)).collect();
        let grants = if grants.is_empty() { "may do nothing".to_owned() } else { grants.join(", ") };
        let state = match (account.disabled, account.locked_until) {
            (true, _) => ", disabled".to_owned(),
            (false, Some(until)) => format!(", locked until {until:.0}"),
            (false, None) => String::new(),
        };
        let last = account.last_login_at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
        say(format_args!("{:<16} {}: {grants}{state}; logged in last: {last}", account.login, named(&account.name)));
    }
    Ok(())
}
