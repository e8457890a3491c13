// What pages offer to whom. The server decides (dispatcher/src/access.rs); this only spares people buttons
// that would be refused.

/** Somebody with roles, each over a subtree. */
export interface Holder {
  grants: readonly { role: string }[]
}

const holds = (who: Holder, ...roles: string[]) => who.grants.some((grant) => roles.includes(grant.role))

/** Whose console rings first. */
export const isOperator = (who: Holder) => holds(who, 'operator')
/** Whether somebody answers calls anywhere. */
export const mayAnswer = (who: Holder) => holds(who, 'operator', 'supervisor', 'admin')
/** Whether somebody may take a case from whoever has claimed it. */
export const mayTakeOver = (who: Holder) => holds(who, 'supervisor', 'admin')
/** Whether somebody reads who has which contract, and who is to be at work. */
export const mayOversee = (who: Holder) => holds(who, 'supervisor', 'admin')
/** Whether somebody changes who and what there is: residents, fences. */
export const mayAdminister = (who: Holder) => holds(who, 'admin')
