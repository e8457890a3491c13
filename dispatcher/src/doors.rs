//! Front doors tell how they stand; the console shows it ([`crate::store::doors`]).

use wire::door::Standing;

use crate::desk::Desk;
use crate::store::{StoreError, doors};

impl Desk {
    /// A front door tells how it stands.
    pub async fn hear_door(&self, said: &Standing) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        doors::hear(&mut tx, said).await?;
        tx.commit().await?;
        Ok(())
    }
}
